# Install rules: libraries, public headers, find_package(hakmem) and pkg-config.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(hakmem_installed "")
foreach(pair IN ITEMS hakmem_shared=hakmem hakmem_static=static hakmem_perf_shared=perf
                      hakmem_perf_static=perf_static hakmem_core=core)
  string(REPLACE "=" ";" pair "${pair}")
  list(GET pair 0 target)
  list(GET pair 1 exported)
  if(TARGET ${target})
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${exported})
    list(APPEND hakmem_installed ${target})
  endif()
endforeach()
if(NOT hakmem_installed)
  return()
endif()

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/hakmem")
install(TARGETS ${hakmem_installed} EXPORT hakmemTargets)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/hakmem" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(EXPORT hakmemTargets NAMESPACE hakmem:: DESTINATION "${package_dir}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/hakmemConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/hakmemConfig.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/hakmemConfigVersion.cmake"
  COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/hakmemConfig.cmake" "${PROJECT_BINARY_DIR}/hakmemConfigVersion.cmake"
  DESTINATION "${package_dir}")

# Relocatable: the prefix is found from where the .pc file is.
file(RELATIVE_PATH HAKMEM_PC_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
foreach(name IN ITEMS hakmem hakmem-perf)
  string(REPLACE "-" "_" target "${name}_shared")
  if(TARGET ${target})
    set(HAKMEM_PC_NAME "${name}")
    configure_file("${PROJECT_SOURCE_DIR}/cmake/hakmem.pc.in" "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/${name}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  endif()
endforeach()
