// The program of the project that 42_cmake.sh builds.
#include <cstdio>
#include <string>

#include "generated.h"

std::string part3();
std::string part1();

int main() {
  std::printf("%d %s %s %s\n", PART_COUNT, NUMBERS_HASH, part3().c_str(), part1().c_str());
  return 0;
}
