# perl: hashes, growing strings, regular expressions, Storable, and interpreter threads.
# shellcheck shell=bash disable=SC2034
needs=(perl)
witness=(perl)

workload() {
  PERL_HASH_SEED=0 perl "$PROGRAMS/perl_heap.pl" 2>&1
}
