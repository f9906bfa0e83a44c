# Configures the library as on a machine without Python, and checks that CMake has not looked for it.
# cmake -DSOURCE_DIR=… -DWORK_DIR=… -DGENERATOR=… -DCOMPILER=… -P configure_without_python.cmake

file(REMOVE_RECURSE "${WORK_DIR}")
execute_process(
  COMMAND
    "${CMAKE_COMMAND}" -S "${SOURCE_DIR}" -B "${WORK_DIR}" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${COMPILER}"
    -DJOBLIB_MPI_PYTHON=OFF -DJOBLIB_MPI_TESTS=OFF -DJOBLIB_MPI_EXAMPLES=OFF -DCMAKE_DISABLE_FIND_PACKAGE_Python=ON
    -DCMAKE_DISABLE_FIND_PACKAGE_Python3=ON
  COMMAND_ERROR_IS_FATAL ANY)
file(STRINGS "${WORK_DIR}/CMakeCache.txt" found REGEX "Python[23]?_EXECUTABLE|PYTHON_EXECUTABLE|nanobind")
if(found)
  message(FATAL_ERROR "looked for Python without being asked to: ${found}")
endif()
