// The number of the mutant that is on, from the environment, before any constructor of the program.
#include <cstdlib>

unsigned hakmem_mutant = 0;

[[gnu::constructor(101)]] static void read_mutant() {
  const char* const number = std::getenv("HAKMEM_MUTANT");
  if (number != nullptr) hakmem_mutant = static_cast<unsigned>(std::strtoul(number, nullptr, 10));
}
