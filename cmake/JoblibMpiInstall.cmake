# Installs the library so that find_package(joblib_mpi) provides joblib_mpi::joblib_mpi.
include_guard()
include(CMakePackageConfigHelpers)

get_property(JOBLIB_MPI_PRIVATE_FILES GLOBAL PROPERTY JOBLIB_MPI_PRIVATE_FILES)
set(package_directory "${CMAKE_INSTALL_LIBDIR}/cmake/joblib_mpi")
install(
  TARGETS joblib_mpi_core joblib_mpi
  EXPORT joblib_mpiTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT joblib_mpiTargets NAMESPACE joblib_mpi:: DESTINATION "${package_directory}")
configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/joblib_mpiConfig.cmake.in" "${CMAKE_CURRENT_BINARY_DIR}/joblib_mpiConfig.cmake"
  INSTALL_DESTINATION "${package_directory}")
write_basic_package_version_file(
  "${CMAKE_CURRENT_BINARY_DIR}/joblib_mpiConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/joblib_mpiConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/joblib_mpiConfigVersion.cmake" DESTINATION "${package_directory}")
