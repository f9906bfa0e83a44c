# Installs the library and the command into an empty prefix, and configures, builds and runs a user's project with them.
# cmake -D… -P install_and_use.cmake; CMakeLists.txt beside this file sets the variables.

set(prefix "${WORK_DIR}/prefix")
set(consumer "${WORK_DIR}/consumer")
file(REMOVE_RECURSE "${WORK_DIR}")

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${prefix}")
run("${CMAKE_COMMAND}" -S "${SOURCE_DIR}" -B "${consumer}" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${prefix}"
    "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}" -DCMAKE_BUILD_TYPE=Debug
    -DCMAKE_DISABLE_FIND_PACKAGE_Python=ON -DCMAKE_DISABLE_FIND_PACKAGE_Python3=ON
    -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
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
