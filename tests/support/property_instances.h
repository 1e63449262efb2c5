// The parts of rapidcheck that the properties use, to be compiled once for all of them, as
// tests/support/instances.h does for the allocator.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <vector>

#define HAKMEM_NUMBER_INSTANCES(TEMPLATE, T) \
  TEMPLATE class rc::Gen<T>;                 \
  TEMPLATE rc::Gen<T> rc::gen::inRange<T>(T, T);

#define HAKMEM_PROPERTY_INSTANCES(TEMPLATE)                                                    \
  HAKMEM_NUMBER_INSTANCES(TEMPLATE, std::uint16_t)                                             \
  HAKMEM_NUMBER_INSTANCES(TEMPLATE, std::uint32_t)                                             \
  HAKMEM_NUMBER_INSTANCES(TEMPLATE, std::uint64_t)                                             \
  HAKMEM_NUMBER_INSTANCES(TEMPLATE, int)                                                       \
  TEMPLATE class rc::Gen<bool>;                                                                \
  TEMPLATE class rc::Gen<std::vector<std::uint32_t>>;                                          \
  TEMPLATE rc::Gen<std::uint32_t> rc::gen::arbitrary<std::uint32_t>();                         \
  TEMPLATE rc::Gen<std::uint64_t> rc::gen::arbitrary<std::uint64_t>();                         \
  TEMPLATE rc::Gen<bool> rc::gen::arbitrary<bool>();                                           \
  TEMPLATE rc::Gen<std::uint32_t> rc::gen::resize(int, rc::Gen<std::uint32_t>);                \
  TEMPLATE rc::Gen<std::vector<std::uint32_t>> rc::gen::resize(                                \
      int, rc::Gen<std::vector<std::uint32_t>>);                                               \
  TEMPLATE rc::Gen<std::uint32_t> rc::gen::noShrink(rc::Gen<std::uint32_t>);                   \
  TEMPLATE rc::Gen<std::vector<std::uint32_t>> rc::gen::container<std::vector<std::uint32_t>>( \
      rc::Gen<std::uint32_t>);                                                                 \
  TEMPLATE void rc::detail::checkGTest(void (*&&)());

HAKMEM_PROPERTY_INSTANCES(extern template)
