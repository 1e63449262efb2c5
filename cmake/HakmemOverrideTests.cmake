# Tests of the libraries that define malloc: they make no sense under a sanitizer, which has a malloc of its own.
set(flavour_targets "")
set(flavour_files "")
foreach(pair IN ITEMS hardened=hakmem_shared perf=hakmem_perf_shared)
  string(REGEX REPLACE ".*=" "" target "${pair}")
  if(TARGET ${target})
    list(APPEND flavour_targets "${pair}")
    list(APPEND flavour_files "$<TARGET_FILE:${target}>")
  endif()
endforeach()

file(GLOB entry_sources CONFIGURE_DEPENDS "${root}/tests/entry/*_test.cc")
foreach(pair IN LISTS flavour_targets)
  string(REGEX MATCH "^[a-z]+" flavour "${pair}")
  string(REGEX REPLACE ".*=" "" library "${pair}")
  foreach(source IN LISTS entry_sources)
    cmake_path(GET source STEM name)
    hakmem_test_program(${name}_${flavour} "${source}" LEVEL -O1 ${library} GTest::gmock GTest::gtest_main)
    # The compiler must not reason about malloc here: the calls themselves are what is tested.
    target_compile_options(${name}_${flavour} PRIVATE -fno-builtin)
    hakmem_add_test(${name}.${flavour} unit 300 ${name}_${flavour})
  endforeach()
endforeach()

# Each program commits its misuse as written: no optimisation, no builtins, and no warning about the bug it is there for.
if(TARGET hakmem_shared)
  file(GLOB misuse_sources CONFIGURE_DEPENDS "${root}/tests/misuse/*.cc" "${root}/tests/misuse/*.c")
  foreach(source IN LISTS misuse_sources)
    cmake_path(GET source STEM name)
    add_executable(misuse_${name} "${source}")
    target_compile_options(misuse_${name} PRIVATE -O0 -fno-builtin -w)
    target_link_libraries(misuse_${name} PRIVATE hakmem_shared Threads::Threads)
    set_target_properties(misuse_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/misuse")
    set(routes "")  # thousands of processes each: debug checks see them on the route that production takes
    if(HAKMEM_DEBUG AND name MATCHES "sweep$")
      set(routes --only v3)
    endif()
    hakmem_add_test(${name} misuse 300 ${python} "${root}/tests/misuse/run_misuse.py" ${routes} "${source}"
      $<TARGET_FILE:misuse_${name}>)
  endforeach()
endif()

if(HAKMEM_TREE_TESTS)
  file(GLOB nocompile_sources CONFIGURE_DEPENDS "${root}/tests/nocompile/*.cc")
  foreach(source IN LISTS nocompile_sources)
    cmake_path(GET source STEM name)
    hakmem_source_note("${source}" EXPECT expected)
    hakmem_add_test(nocompile.${name} unit 60 ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -DHAKMEM_FLAVOUR_HARDENED=1
      "-I${root}/src" "-I${root}/include" "${source}")
    set_tests_properties("${hakmem_test_prefix}unit.nocompile.${name}" PROPERTIES
      PASS_REGULAR_EXPRESSION "error: [^\n]*${expected}")
  endforeach()

  file(GLOB program_scripts CONFIGURE_DEPENDS "${root}/tests/programs/[0-9]*.sh")
  foreach(script IN LISTS program_scripts)
    cmake_path(GET script STEM name)  # each runs once under glibc, then under each flavour
    hakmem_add_test(${name} programs 900 bash "${root}/tests/programs/run.sh" "${script}")
    set_tests_properties("${hakmem_test_prefix}programs.${name}" PROPERTIES
      ENVIRONMENT "HAKMEM_SO=$<JOIN:${flavour_files},:>")
  endforeach()

  file(GLOB link_scripts CONFIGURE_DEPENDS "${root}/tests/link/*.sh")
  foreach(script IN LISTS link_scripts)
    cmake_path(GET script STEM name)
    hakmem_add_test(link.${name} unit 300 bash "${script}")
    set_tests_properties("${hakmem_test_prefix}unit.link.${name}" PROPERTIES ENVIRONMENT
      "HAKMEM_BUILD=${PROJECT_BINARY_DIR};CC=${CMAKE_C_COMPILER};CXX=${CMAKE_CXX_COMPILER}")
  endforeach()
endif()
