# The command-line tools. They are built with the tests: they contain the reference model.
find_package(CLI11 REQUIRED)
add_executable(hakmem-replay "${PROJECT_SOURCE_DIR}/tools/hakmem_replay.cc")
target_include_directories(hakmem-replay PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(hakmem-replay PRIVATE hakmem_core hakmem_flags CLI11::CLI11)
# A minute of optimising and describing what waits for the allocator anyway.
target_compile_options(hakmem-replay PRIVATE -O1 -g0)
