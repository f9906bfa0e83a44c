# Installs the library and the command into an empty prefix, and configures, builds and runs a user's project with them.
# cmake -D… -P install_and_use.cmake; CMakeLists.txt beside this file sets the variables.

set(prefix "${WORK_DIR}/prefix")
set(consumer "${WORK_DIR}/consumer")
file(REMOVE_RECURSE "${WORK_DIR}")

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# A stand-in for a parallel HDF5 beside the one of the library.
set(parallel_hdf5 "${WORK_DIR}/parallel_hdf5")
file(WRITE "${parallel_hdf5}/include/hdf5.h" "#include <H5pubconf.h>\n")
file(WRITE "${parallel_hdf5}/include/H5pubconf.h" "#define H5_VERSION \"1.99.0\"\n#define H5_HAVE_PARALLEL 1\n")
file(WRITE "${parallel_hdf5}/empty.c" "int H5_of_this_test;\n")
execute_process(COMMAND "${C_COMPILER}" -shared -o "${parallel_hdf5}/libhdf5.so" "${parallel_hdf5}/empty.c"
                COMMAND_ERROR_IS_FATAL ANY)
file(WRITE "${parallel_hdf5}/bin/h5pcc"
     "#!/bin/sh\n[ \"$1\" = -showconfig ] || echo cc -I${parallel_hdf5}/include -L${parallel_hdf5} -lhdf5\n")
file(CHMOD "${parallel_hdf5}/bin/h5pcc" PERMISSIONS OWNER_READ OWNER_EXECUTE)

run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${prefix}")
run("${CMAKE_COMMAND}" -S "${SOURCE_DIR}" -B "${consumer}" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${prefix}"
    "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}" -DCMAKE_BUILD_TYPE=Debug
    -DCMAKE_DISABLE_FIND_PACKAGE_Python=ON -DCMAKE_DISABLE_FIND_PACKAGE_Python3=ON
    -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF "-DPREFIX_OF_ANOTHER=${parallel_hdf5}")
run("${CMAKE_COMMAND}" --build "${consumer}")
separate_arguments(launch UNIX_COMMAND "${LAUNCH}")
execute_process(COMMAND ${launch} "${consumer}/consumer" OUTPUT_VARIABLE output COMMAND_ECHO STDOUT
                COMMAND_ERROR_IS_FATAL ANY)
message(STATUS "${output}")
if(NOT output MATCHES "consumer: 100 results, sum 2475")
  message(FATAL_ERROR "the consumer printed something else")
endif()

if(LAUNCHER)
  execute_process(COMMAND timeout -k 5 150 "${prefix}/bin/joblib-mpi" run -n 3 --no-bind "${consumer}/consumer"
                  OUTPUT_VARIABLE output COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
  if(NOT output MATCHES "consumer: 100 results, sum 2475")
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
