# A C++ program that starts batches of 64 short-lived threads which hand blocks to one another.
# shellcheck shell=bash disable=SC2034
needs=(g++)
witness=(handover_threads)

prepare() {
  g++ -std=c++20 -O2 -Wall -Wextra -Werror -pthread "$PROGRAMS/handover_threads.cc" -o "$INPUT/handover_threads"
}

workload() {
  "$INPUT/handover_threads" 4 2>&1
}
