#!/usr/bin/env bash
# `./hakmem bench larger`: see bench/run.
exec "$(dirname "${BASH_SOURCE[0]}")/run" larger "$@"
