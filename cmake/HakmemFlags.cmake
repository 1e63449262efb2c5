# Compile flags, as two interface targets: hakmem_flags for everything, hakmem_src_flags for the allocator's own sources.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# No -DNDEBUG: a test that uses assert() must keep it. The allocator's own checks do not depend on it.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

add_library(hakmem_flags INTERFACE)
target_compile_options(hakmem_flags INTERFACE
  -Wall -Wextra -Wshadow -Wundef $<$<COMPILE_LANGUAGE:CXX>:-Wconversion>)
# Other compilers, and the flags of a project that this one is a part of, have other warnings: those must not stop a build. A fuzzing
# service brings a compiler of its own.
if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED ENV{LIB_FUZZING_ENGINE})
  target_compile_options(hakmem_flags INTERFACE -Werror)
endif()

# The proofs of the size-class tables are static_asserts over every slot of every page; Clang's default limit is near.
target_compile_options(hakmem_flags INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-fconstexpr-steps=33554432>)

if(HAKMEM_SANITIZE)
  set(sanitize -fsanitize=${HAKMEM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(hakmem_flags INTERFACE ${sanitize})
  target_link_options(hakmem_flags INTERFACE ${sanitize})
endif()
# Relocatable counters can lie in the profile itself (%c in LLVM_PROFILE_FILE): what a process did counts also when it ends
# in a fatal report, as death tests and misuse programs do. Atomic, or lines whose count is a difference of two that threads have
# raced for look as if they had not been run. -O0 -g0: a third of the time to compile.
if(HAKMEM_COVERAGE)
  set(instrumented $<NOT:$<BOOL:$<TARGET_PROPERTY:HAKMEM_NOT_INSTRUMENTED>>>)
  target_compile_options(hakmem_flags INTERFACE -O0 -g0
    $<${instrumented}:-fprofile-instr-generate> $<${instrumented}:-fprofile-update=atomic> $<${instrumented}:-fcoverage-mapping>
    "$<${instrumented}:SHELL:-mllvm -runtime-counter-relocation>")
  target_link_options(hakmem_flags INTERFACE $<${instrumented}:-fprofile-instr-generate>)
endif()
if(HAKMEM_FUZZ AND NOT DEFINED ENV{LIB_FUZZING_ENGINE})
  target_compile_options(hakmem_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_compile_definitions(hakmem_flags INTERFACE FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION=1)
endif()

# -fno-builtin-*: inside malloc the compiler must not know what malloc does, or it turns calloc's body into a call of calloc.
# initial-exec: the library is preloaded or linked, never dlopen()ed late, and one %fs-relative load is the hot path's TLS.
add_library(hakmem_src_flags INTERFACE)
target_compile_options(hakmem_src_flags INTERFACE
  -fno-exceptions -fno-rtti -fvisibility=hidden -fvisibility-inlines-hidden -fno-plt -ftls-model=initial-exec
  -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free)
# What each lock guards is annotated (pal/lock.h).
target_compile_options(hakmem_src_flags INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wthread-safety>)
if(DEFINED ENV{LIB_FUZZING_ENGINE} AND "$ENV{CXXFLAGS}" MATCHES "vptr")
  target_compile_options(hakmem_src_flags INTERFACE -fno-sanitize=vptr)  # it needs RTTI
endif()
target_link_libraries(hakmem_src_flags INTERFACE hakmem_flags)
