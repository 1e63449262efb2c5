#!/bin/bash -eu
# OSS-Fuzz's and ClusterFuzzLite's build: every target with its seed corpus, dictionary and options, into $OUT.
# Compiler, sanitizer and engine come from the environment alone.
source_dir=$SRC/hakmem
build_dir=$WORK/hakmem-$SANITIZER

# Build type "None": optimisation is the environment's as well.
cmake -S "$source_dir" -B "$build_dir" -DCMAKE_BUILD_TYPE=None -DHAKMEM_PRESET=fuzz -DHAKMEM_FLAVOURS=hardened \
  -DHAKMEM_OVERRIDE=OFF -DHAKMEM_TESTS=OFF -DHAKMEM_INSTALL=OFF -DHAKMEM_DEBUG=ON -DHAKMEM_FUZZ=ON
cmake --build "$build_dir" -j "${HAKMEM_JOBS:-$(nproc)}"

for source in "$source_dir"/fuzz/*_fuzz.cc; do
  name=$(basename "$source" .cc)
  stem=${name%_fuzz}
  cp "$build_dir/fuzz/$name" "$OUT/$name"
  cp "$source_dir/fuzz/options/$stem.options" "$OUT/$name.options"
  dictionary=$source_dir/fuzz/dictionaries/$stem.dict
  if [[ -e $dictionary ]]; then cp "$dictionary" "$OUT/$name.dict"; fi
  # Past crashes are seeds, too.
  seeds=()
  for directory in corpus regressions; do
    if [[ -d $source_dir/fuzz/$directory/$stem ]]; then seeds+=("$directory/$stem"); fi
  done
  (cd "$source_dir/fuzz" && cmake -E tar cf "$OUT/${name}_seed_corpus.zip" --format=zip -- "${seeds[@]}")
done
