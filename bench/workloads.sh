#!/usr/bin/env bash
# `./hakmem bench workloads`: see bench/run.
exec "$(dirname "${BASH_SOURCE[0]}")/run" workloads "$@"
