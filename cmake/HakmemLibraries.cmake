# The libraries. Every .cc under src/ is compiled once per flavour; src/entry/override_*.cc, which define malloc and
# operator new, go into the override libraries only, those named ..._shared.cc and ..._static.cc only into that kind.
#
#   hardened: hakmem_shared hakmem_static          libhakmem.so libhakmem.a
#   perf:     hakmem_perf_shared hakmem_perf_static libhakmem-perf.so libhakmem-perf.a
#   hakmem_core                                     libhakmem_core.a: hak_* only, in the first flavour of HAKMEM_FLAVOURS
file(GLOB_RECURSE hakmem_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.cc")
set(hakmem_override_sources ${hakmem_sources})
list(FILTER hakmem_override_sources INCLUDE REGEX "/src/entry/override_[^/]*\\.cc$")
foreach(kind IN ITEMS shared static)
  set(hakmem_override_${kind}_sources ${hakmem_override_sources})
  list(FILTER hakmem_override_${kind}_sources INCLUDE REGEX "_${kind}\\.cc$")
endforeach()
set(hakmem_override_common_sources ${hakmem_override_sources})
list(FILTER hakmem_override_common_sources EXCLUDE REGEX "_(shared|static)\\.cc$")
set(hakmem_core_sources ${hakmem_sources})
list(FILTER hakmem_core_sources EXCLUDE REGEX "/src/entry/override_[^/]*\\.cc$")
# Last in the link, so that what runs at every start and fork, in entry/ and pal/, lies on neighbouring pages.
list(REMOVE_ITEM hakmem_core_sources "${PROJECT_SOURCE_DIR}/src/heap/production.cc")
list(APPEND hakmem_core_sources "${PROJECT_SOURCE_DIR}/src/heap/production.cc")
# operator new throws bad_alloc, the one exception in the allocator.
file(GLOB hakmem_throwing_sources "${PROJECT_SOURCE_DIR}/src/entry/override_new*.cc")
set_source_files_properties(${hakmem_throwing_sources} PROPERTIES COMPILE_OPTIONS -fexceptions)

# What every target that compiles hakmem's headers in FLAVOUR sees.
function(hakmem_usage target flavour)
  string(TOUPPER ${flavour} upper)
  target_compile_definitions(${target} PUBLIC $<BUILD_INTERFACE:HAKMEM_FLAVOUR_${upper}=1>
    $<$<BOOL:${HAKMEM_DEBUG}>:$<BUILD_INTERFACE:HAKMEM_DEBUG=1>>)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:include>)
endfunction()

function(hakmem_objects target flavour)
  add_library(${target} OBJECT ${ARGN})
  hakmem_usage(${target} ${flavour})
  target_link_libraries(${target} PRIVATE hakmem_src_flags)
endfunction()

# STEM is the target prefix, OUTPUT the file name, both fixed by what users link.
function(hakmem_flavour_libraries flavour stem output)
  foreach(kind IN ITEMS common shared static)
    hakmem_objects(hakmem_${flavour}_${kind}_objects ${flavour} ${hakmem_override_${kind}_sources})
  endforeach()
  set(objects $<TARGET_OBJECTS:hakmem_${flavour}_core_objects> $<TARGET_OBJECTS:hakmem_${flavour}_common_objects>)
  add_library(${stem}_shared SHARED ${objects} $<TARGET_OBJECTS:hakmem_${flavour}_shared_objects>)
  add_library(${stem}_static STATIC ${objects} $<TARGET_OBJECTS:hakmem_${flavour}_static_objects>)
  set_target_properties(${stem}_shared PROPERTIES
    OUTPUT_NAME ${output} VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  set_target_properties(${stem}_static PROPERTIES OUTPUT_NAME ${output})
  # as-needed, static-libgcc: a preloaded allocator must not drag libstdc++ or libgcc_s into C programs.
  # now+relro: no writable GOT to attack.
  # nodelete: blocks and thread-exit hooks outlive a dlclose().
  target_link_options(${stem}_shared PRIVATE -static-libgcc -Wl,-z,nodelete
    -Wl,--as-needed -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
  if(HAKMEM_COVERAGE)
    target_link_options(${stem}_shared PRIVATE -fprofile-instr-generate)
  endif()
  foreach(kind IN ITEMS shared static)
    target_include_directories(${stem}_${kind} INTERFACE
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
  endforeach()
endfunction()

if(NOT hakmem_core_sources)
  message(WARNING "src/ holds no sources: no library is built")
  return()
endif()

# Reports state the version of the header, packages that of project(): they must be one.
file(READ "${PROJECT_SOURCE_DIR}/src/config/version.h" hakmem_version_header)
if(NOT hakmem_version_header MATCHES "\"hakmem-${PROJECT_VERSION}/")
  message(FATAL_ERROR "src/config/version.h does not say ${PROJECT_VERSION}, CMakeLists.txt does")
endif()

foreach(flavour IN LISTS HAKMEM_FLAVOURS)
  hakmem_objects(hakmem_${flavour}_core_objects ${flavour} ${hakmem_core_sources})
endforeach()

list(GET HAKMEM_FLAVOURS 0 hakmem_core_flavour)
add_library(hakmem_core STATIC $<TARGET_OBJECTS:hakmem_${hakmem_core_flavour}_core_objects>)
hakmem_usage(hakmem_core ${hakmem_core_flavour})
add_library(hakmem::core ALIAS hakmem_core)

if(HAKMEM_OVERRIDE AND "hardened" IN_LIST HAKMEM_FLAVOURS)
  hakmem_flavour_libraries(hardened hakmem hakmem)
  add_library(hakmem::hakmem ALIAS hakmem_shared)
  add_library(hakmem::static ALIAS hakmem_static)
endif()
if(HAKMEM_OVERRIDE AND "perf" IN_LIST HAKMEM_FLAVOURS)
  hakmem_flavour_libraries(perf hakmem_perf hakmem-perf)
  add_library(hakmem::perf ALIAS hakmem_perf_shared)
  add_library(hakmem::perf_static ALIAS hakmem_perf_static)
endif()
