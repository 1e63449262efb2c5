# make: a makefile with many targets and functions, two jobs, commands through the shell.
# shellcheck shell=bash disable=SC2034
needs=(make awk)
witness=(make)

workload() {
  awk 'BEGIN {
    print "NAMES := $(foreach a,1 2 3 4 5 6 7 8 9,$(foreach b,0 1 2 3 4 5 6 7 8 9,t$a$b))"
    print "WORDS := $(foreach a,$(NAMES),$(foreach b,$(NAMES),$a$b))"
    print "all: sum.txt\n\t@echo $(words $(sort $(WORDS))) $(lastword $(sort $(subst t,x,$(WORDS))))"
    print "sum.txt: $(NAMES:%=%.out)\n\t@cat $(sort $^) | cksum > $@"
    print "%.out: %.in\n\t@tr a-z b-za < $< > $@"
    print "%.in:\n\t@echo $* $(words $(filter $*%,$(WORDS))) > $@"
  }' >Makefile
  make -j2 --no-print-directory
  make -j2 --no-print-directory -n
  cat sum.txt
  make -p -n --no-print-directory | grep -c '^t[0-9]*\.out:'
}
