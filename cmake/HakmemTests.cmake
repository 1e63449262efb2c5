# How a file becomes a test. Each is named [PRESET:]LABEL.NAME, so that one ctest run over all presets reads clearly.
set(hakmem_test_prefix "${HAKMEM_PRESET}:")
if(HAKMEM_PRESET MATCHES "^(hardened|custom)$")
  set(hakmem_test_prefix "")
endif()

# The target tests_of_LABEL builds what the tests of that label need, and no more: the libraries, and the programs that their
# commands name.
function(hakmem_needed_by label)
  if(NOT TARGET tests_of_${label})
    add_custom_target(tests_of_${label})
    foreach(library IN ITEMS hakmem_core hakmem_shared hakmem_static hakmem_perf_shared hakmem_perf_static)
      if(TARGET ${library})
        add_dependencies(tests_of_${label} ${library})
      endif()
    endforeach()
  endif()
  foreach(word IN LISTS ARGN)
    string(REGEX REPLACE "^\\$<TARGET_FILE:(.*)>$" "\\1" word "${word}")
    if(TARGET "${word}")
      add_dependencies(tests_of_${label} "${word}")
    endif()
  endforeach()
endfunction()

set(hakmem_precompile ON)
if(CMAKE_CXX_COMPILER_LAUNCHER MATCHES "ccache")
  set(hakmem_precompile OFF)
endif()
option(HAKMEM_PRECOMPILE "Precompile the headers that tests share" ${hakmem_precompile})

# hakmem_add_test(NAME LABEL TIMEOUT COMMAND...)
function(hakmem_add_test name label timeout)
  hakmem_needed_by(${label} ${ARGN})
  set(test "${hakmem_test_prefix}${label}.${name}")
  add_test(NAME "${test}" COMMAND ${ARGN} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties("${test}" PROPERTIES LABELS ${label} TIMEOUT ${timeout})
  # The long ones first, or the last of them runs alone on one core.
  if(name MATCHES "^(sweep|protocol_check|overflow_proof|link\\.(ways|replaced_new)|mutation_self_test|exhaustive_prop|1[0-2]_.*|31_.*|4[0-2]_.*|62_.*)$")
    set_tests_properties("${test}" PROPERTIES COST 200)
  elseif(label MATCHES "^(programs|process|property|proofs|concurrency)$" OR name MATCHES "^(v1_churn|large_heap)_test$")
    set_tests_properties("${test}" PROPERTIES COST 100)
  endif()
  if(HAKMEM_COVERAGE)
    # %c: counters lie in the file itself, so that an abort loses nothing. What a process counts before it has mapped the
    # file, as a preloaded allocator's start does, gets into a new file only: so each process has its own.
    set_property(TEST "${test}" PROPERTY ENVIRONMENT_MODIFICATION
      "LLVM_PROFILE_FILE=set:${PROJECT_BINARY_DIR}/profiles/${name}.%c%m.%p.profraw")
  endif()
endfunction()

set(HAKMEM_TEST_DEBUG_INFO -g0 CACHE STRING "Debug information of tests; -g1 or -g for a debugger: a quarter more to compile")

# hakmem_test_options(TARGET [LEVEL -On] LIBRARIES...): exceptions on and the include roots of the tree. -O0: most are longer in the
# compiler than running; what ships is tested at -O2 through the libraries.
function(hakmem_test_options target)
  cmake_parse_arguments(PARSE_ARGV 1 options "" LEVEL "")
  if(NOT options_LEVEL)
    set(options_LEVEL -O0)
  endif()
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE ${options_UNPARSED_ARGUMENTS} hakmem_flags Threads::Threads)
  # The compiler's default, in programs and in the libraries that share their precompiled headers.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  if(NOT HAKMEM_COVERAGE)
    target_compile_options(${target} PRIVATE ${options_LEVEL} ${HAKMEM_TEST_DEBUG_INFO})
  endif()
  if(HAKMEM_DEBUG)
    target_compile_definitions(${target} PRIVATE _GLIBCXX_ASSERTIONS)
  endif()
endfunction()

# hakmem_test_program(TARGET SOURCE [LEVEL -On] LIBRARIES...)
function(hakmem_test_program target source)
  add_executable(${target} ${source})
  hakmem_test_options(${target} ${ARGN})
endfunction()

define_property(TARGET PROPERTY HAKMEM_HEADER)

# hakmem_test_library(TARGET HEADER SOURCES [LEVEL -On] LIBRARIES...): what programs of one kind share, compiled at LEVEL, and the
# HEADER that each of them starts with. It is precompiled at their own level, but for ccache, which cannot look into precompiled
# headers and is the faster where it is used.
function(hakmem_test_library target header sources)
  add_library(${target} STATIC ${sources})
  hakmem_test_options(${target} ${ARGN})
  # Each of them begins by all headers: together two by two.
  set_target_properties(${target} PROPERTIES HAKMEM_HEADER "${header}" UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 3)
  if(HAKMEM_PRECOMPILE)
    cmake_parse_arguments(PARSE_ARGV 3 library "" LEVEL "")
    if(NOT EXISTS "${CMAKE_CURRENT_BINARY_DIR}/${target}_headers.cc")
      file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/${target}_headers.cc" "")
    endif()
    add_library(${target}_headers OBJECT "${CMAKE_CURRENT_BINARY_DIR}/${target}_headers.cc")
    hakmem_test_options(${target}_headers ${library_UNPARSED_ARGUMENTS})
    target_precompile_headers(${target}_headers PRIVATE "${header}")
  endif()
endfunction()

# The programs of the core are many; gold and lld take half the time of ld.
include(CheckLinkerFlag)
set(hakmem_fast_linker -fuse-ld=gold)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  set(hakmem_fast_linker -fuse-ld=lld)
endif()
check_linker_flag(CXX ${hakmem_fast_linker} HAKMEM_FAST_LINKER)

function(hakmem_share_headers target library)
  if(HAKMEM_FAST_LINKER)
    target_link_options(${target} PRIVATE ${hakmem_fast_linker})
  endif()
  if(NOT TARGET ${library})
    target_compile_definitions(${target} PRIVATE HAKMEM_UNSHARED=1)
    return()
  endif()
  target_link_libraries(${target} PRIVATE ${library})
  if(HAKMEM_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${library}_headers)
  elseif(library STREQUAL "hakmem_test_models")  # the unit tests name test_heap.h where they want it
    get_target_property(header ${library} HAKMEM_HEADER)
    target_compile_options(${target} PRIVATE "SHELL:-include ${header}")
  endif()
endfunction()

# First line of SOURCE that has `KEY: value` in a // comment.
function(hakmem_source_note source key out)
  file(STRINGS "${source}" lines REGEX "^// ${key}: " LIMIT_COUNT 1)
  string(REGEX REPLACE "^// ${key}: " "" value "${lines}")
  set(${out} "${value}" PARENT_SCOPE)
endfunction()

# hakmem_sources_with(OUT REGEX SOURCE...): those with a line that matches.
function(hakmem_sources_with out regex)
  set(sources ${ARGN})
  foreach(source IN LISTS ARGN)
    file(STRINGS "${source}" found REGEX "${regex}" LIMIT_COUNT 1)
    if(NOT found)
      list(REMOVE_ITEM sources "${source}")
    endif()
  endforeach()
  set(${out} "${sources}" PARENT_SCOPE)
endfunction()

# hakmem_sources_of(KIND OUT PATTERN): the sources of that kind of test that this build wants.
function(hakmem_sources_of kind out pattern)
  file(GLOB sources CONFIGURE_DEPENDS "${pattern}")
  if(NOT kind IN_LIST HAKMEM_TEST_KINDS)
    set(sources "")
  endif()
  if(HAKMEM_TESTS_WITH)
    hakmem_sources_with(sources "${HAKMEM_TESTS_WITH}" ${sources})
  endif()
  set(${out} "${sources}" PARENT_SCOPE)
endfunction()
