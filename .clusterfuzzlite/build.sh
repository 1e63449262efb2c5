#!/bin/bash -eu
# The same build as OSS-Fuzz's.
exec "$SRC/hakmem/ci/oss-fuzz/build.sh"
