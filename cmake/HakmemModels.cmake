# Models checked by other tools. One preset does it for all: the atomics are the model checker's own, and the tables are the same
# in every build, so neither sanitizers nor debug checks would add anything.

# Plain programs: exit status 0 when every schedule was right and every weakened edge was noticed.
file(GLOB model_sources CONFIGURE_DEPENDS "${root}/models/concurrency/*_model.cc")
foreach(source IN LISTS model_sources)
  cmake_path(GET source STEM name)
  set(level -O0)
  if(name MATCHES "^(registry|remote|schedule)_model$")  # these would run for longer than they compile
    set(level -O1)
  endif()
  hakmem_test_program(${name} "${source}" LEVEL ${level})
  target_include_directories(${name} PRIVATE "${root}/src")
  target_compile_definitions(${name} PRIVATE "HAKMEM_SOURCE_DIR=\"${root}\"")
  hakmem_add_test(${name} concurrency 600 ${name})
endforeach()

# Their threads are fibers; their allocator is over the real system's memory. race_model is the same program, told by the compiler of
# every plain access (models/schedule/watched.cc): instrumented for ThreadSanitizer, and not linked with it.
file(GLOB system_sources CONFIGURE_DEPENDS "${root}/src/pal/*.cc")
target_sources(schedule_model PRIVATE ${system_sources} "${root}/models/schedule/clocks.cc")
target_link_libraries(schedule_model PRIVATE boost_context)

add_library(race_model_watched OBJECT "${root}/models/concurrency/schedule_model.cc")
target_include_directories(race_model_watched PRIVATE "${root}" "${root}/src" "${root}/include")
target_compile_definitions(race_model_watched PRIVATE HAKMEM_WATCH_RACES=1)
target_compile_options(race_model_watched PRIVATE -O1 -g1 -fsanitize=thread -fno-threadsafe-statics -fno-pie)
hakmem_test_program(race_model "${root}/models/schedule/watched.cc" LEVEL -O1)
target_include_directories(race_model PRIVATE "${root}/src")
target_compile_definitions(race_model PRIVATE HAKMEM_WATCH_RACES=1)
target_compile_options(race_model PRIVATE -fno-pie)
target_link_options(race_model PRIVATE -no-pie)  # what it says of places is read from its debug information
target_sources(race_model PRIVATE ${system_sources} "${root}/models/schedule/clocks.cc" $<TARGET_OBJECTS:race_model_watched>)
target_link_libraries(race_model PRIVATE boost_context)
hakmem_add_test(race_model concurrency 600 race_model)

file(GLOB spin_checks CONFIGURE_DEPENDS "${root}/models/concurrency/*_check.sh")
foreach(source IN LISTS spin_checks)
  cmake_path(GET source STEM name)
  hakmem_add_test(${name} concurrency 300 "${source}" "${PROJECT_BINARY_DIR}/${name}")
endforeach()

# Each proof reads the tables as this build's compiler has them.
hakmem_test_program(proof_tables "${root}/models/proofs/tables.cc")
target_include_directories(proof_tables PRIVATE "${root}/src")
file(GLOB proofs CONFIGURE_DEPENDS "${root}/models/proofs/*_proof.py")
foreach(source IN LISTS proofs)
  cmake_path(GET source STEM name)
  hakmem_add_test(${name} proofs 300 ${python} -B "${source}" $<TARGET_FILE:proof_tables>)
endforeach()
hakmem_add_test(self_test proofs 300 ${python} -B "${root}/models/proofs/self_test.py" $<TARGET_FILE:proof_tables>)
