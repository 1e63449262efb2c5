// HAKMEM_ALIAS(result, name, target, parameters...): another name for a function of this file.
#pragma once

#if __has_cpp_attribute(gnu::copy)
#define HAKMEM_ALIAS_OF(target) gnu::alias(#target), gnu::copy(target)
#else
#define HAKMEM_ALIAS_OF(target) gnu::alias(#target)
#endif

#define HAKMEM_ALIAS(result, name, target, ...) \
  [[HAKMEM_ALIAS_OF(target), gnu::visibility("default")]] result name(__VA_ARGS__) noexcept
// Visible within a static link only.
#define HAKMEM_HIDDEN_ALIAS(result, name, target, ...) \
  [[HAKMEM_ALIAS_OF(target), gnu::visibility("hidden")]] result name(__VA_ARGS__) noexcept
