# Installs the library and the command into an empty prefix, and configures, builds and runs a user's project with them.
# cmake -D… -P install_and_use.cmake; CMakeLists.txt beside this file sets the variables.

set(prefix "${WORK_DIR}/prefix")
set(consumer "${WORK_DIR}/consumer")
file(REMOVE_RECURSE "${WORK_DIR}")

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# A stand-in for a parallel HDF5 of another version beside the one of the library, which ends a program that calls it.
set(parallel_hdf5 "${WORK_DIR}/parallel_hdf5")
file(WRITE "${parallel_hdf5}/include/hdf5.h" "#include <H5pubconf.h>\n")
file(WRITE "${parallel_hdf5}/include/H5pubconf.h" "#define H5_VERSION \"1.99.0\"\n#define H5_HAVE_PARALLEL 1\n")
file(WRITE "${parallel_hdf5}/hdf5.c" "#include <stdlib.h>\nint H5of_this_test(void) { return 199; }\n")
foreach(function IN ITEMS H5open H5check_version H5Fcreate H5Fopen H5Pcreate H5Screate H5Screate_simple H5Dcreate2
                          H5Gcreate2 H5Zfilter_avail H5Eset_auto2)
  file(APPEND "${parallel_hdf5}/hdf5.c" "void ${function}(void) { abort(); }\n")
endforeach()
execute_process(COMMAND "${C_COMPILER}" -shared -o "${parallel_hdf5}/libhdf5.so" "${parallel_hdf5}/hdf5.c"
                COMMAND_ERROR_IS_FATAL ANY)
file(WRITE "${parallel_hdf5}/bin/h5pcc"
     "#!/bin/sh\n[ \"$1\" = -showconfig ] || echo cc -I${parallel_hdf5}/include -L${parallel_hdf5} -lhdf5\n")
file(CHMOD "${parallel_hdf5}/bin/h5pcc" PERMISSIONS OWNER_READ OWNER_EXECUTE)

run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${prefix}")
run("${CMAKE_COMMAND}" -S "${SOURCE_DIR}" -B "${consumer}" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${prefix}"
    "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}" -DCMAKE_BUILD_TYPE=Debug
    -DCMAKE_DISABLE_FIND_PACKAGE_Python=ON -DCMAKE_DISABLE_FIND_PACKAGE_Python3=ON
    -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF "-DPREFIX_OF_ANOTHER=${parallel_hdf5}"
    "-DLINK_ANOTHER=${HDF5_IS_PRIVATE}")
run("${CMAKE_COMMAND}" --build "${consumer}")
if(HDF5_IS_PRIVATE)
  file(GLOB libraries "${prefix}/lib*/*.a" "${prefix}/lib*/*/*.a")
  execute_process(COMMAND "${NM}" -g ${libraries} OUTPUT_VARIABLE names ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
  if(NOT names MATCHES "joblib_mpi" OR names MATCHES " (H5[A-Za-z0-9_]+)\n")
    message(FATAL_ERROR "a name of HDF5 can be seen from outside of the libraries: ${CMAKE_MATCH_1}")
  endif()
endif()
separate_arguments(launch UNIX_COMMAND "${LAUNCH}")
execute_process(COMMAND ${launch} "${consumer}/consumer" "${consumer}" OUTPUT_VARIABLE output COMMAND_ECHO STDOUT
                COMMAND_ERROR_IS_FATAL ANY)
message(STATUS "${output}")
if(NOT output MATCHES "consumer: 100 results, sum 2475, 4 large ones from files")
  message(FATAL_ERROR "the consumer printed something else")
endif()

# A program with a parallel HDF5.
set(parallel "${WORK_DIR}/parallel")
run("${CMAKE_COMMAND}" -S "${SOURCE_DIR}/../parallel_hdf5" -B "${parallel}" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${prefix}"
    "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_C_COMPILER=${C_COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}" -DCMAKE_BUILD_TYPE=Debug
    -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
run("${CMAKE_COMMAND}" --build "${parallel}")
if(EXISTS "${parallel}/parallel_hdf5")
  execute_process(COMMAND ${launch} "${parallel}/parallel_hdf5" "${parallel}" OUTPUT_VARIABLE output COMMAND_ECHO STDOUT
                  COMMAND_ERROR_IS_FATAL ANY)
  if(NOT output MATCHES "parallel_hdf5: 20 results, 6 rows")
    message(FATAL_ERROR "beside a parallel HDF5 the program printed something else: ${output}")
  endif()
endif()

if(LAUNCHER)
  file(MAKE_DIRECTORY "${consumer}/again") # without the checkpoint of the first run
  execute_process(COMMAND timeout -k 5 150 "${prefix}/bin/joblib-mpi" run -n 3 --no-bind "${consumer}/consumer"
                          "${consumer}/again"
                  OUTPUT_VARIABLE output COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
  if(NOT output MATCHES "consumer: 100 results, sum 2475, 4 large ones from files")
    message(FATAL_ERROR "under joblib-mpi run the consumer printed something else: ${output}")
  endif()
endif()

# Only public headers are installed: none of src/ and no generated one.
file(GLOB_RECURSE installed RELATIVE "${prefix}" "${prefix}/*")
foreach(file IN LISTS installed)
  if(file MATCHES "\\.hpp$" AND NOT file MATCHES "^include/joblib_mpi/(detail/)?[a-z_]+\\.hpp$")
    message(FATAL_ERROR "installed, but not a public header: ${file}")
  endif()
endforeach()
