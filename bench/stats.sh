#!/usr/bin/env bash
# `./hakmem bench stats`: see bench/run.
exec "$(dirname "${BASH_SOURCE[0]}")/run" stats "$@"
