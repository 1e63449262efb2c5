# cmake: configure, build with make -j2, run ctest and install a small project of generated sources.
# shellcheck shell=bash disable=SC2034
needs=(cmake ctest make g++ awk)
witness=(cmake make cc1plus ctest)

workload() {
  awk 'BEGIN {
    for (i = 0; i < 4; ++i) {
      file = "part" i ".cc"
      printf "#include <string>\nstd::string part%d() { return std::string(%d, char(97 + %d)); }\n", i, i, i >file
    }
  }'
  cp "$PROGRAMS/cmake_project/CMakeLists.txt" "$PROGRAMS/cmake_project/main.cc" .
  cmake -G 'Unix Makefiles' -DCMAKE_CXX_COMPILER=g++ -DCMAKE_BUILD_TYPE=Debug -S . -B build
  cmake --build build -- -j2 | sort  # two jobs finish in any order
  ctest --test-dir build -j2 | sort
  cmake --install build --prefix installed
  installed/bin/parts
  cmake -S . -B build -LAH -N | sha256sum
}

normalise() {
  # Times, and the percentage that a line of a parallel build happens to get.
  sed -E 's/\([0-9.]+s\)$//; s/ +[0-9]+\.[0-9]+ sec *$//; s/^\[ *[0-9]+%\]/[%]/; s,^ *[0-9]+/[0-9]+ (Test),\1,' |
    grep -v -E '^ +(Start|Test) +#?[0-9]+' | sort
}
