#!/usr/bin/env bash
# `./hakmem bench instructions`: see bench/run.
exec "$(dirname "${BASH_SOURCE[0]}")/run" instructions "$@"
