# Headers that take longer to parse than most of the programs that include them, parsed once for all of these.
include_guard()

option(JOBLIB_MPI_PRECOMPILED_HEADERS "Parse headers that most tests and examples include only once" OFF)
set(CMAKE_PCH_PROLOGUE "") # CMake makes all of them system headers, of which the compiler has no warnings

# joblib_mpi_precompile_headers(FOLDER...): for the programs of these folders and of those below them, all of which are
# defined. Only for g++: with clang, the compiler cache would not find what another clone has compiled.
function(joblib_mpi_precompile_headers)
  if(NOT JOBLIB_MPI_PRECOMPILED_HEADERS OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  # The compiler cache takes these programs only if it may trust that headers have no __TIME__.
  set(launcher env CCACHE_SLOPPINESS=locale,pch_defines,time_macros CCACHE_PCH_EXTSUM=true ${CMAKE_CXX_COMPILER_LAUNCHER})
  if(TARGET joblib_mpi_inside AND NOT TARGET precompiled_for_tests)
    _joblib_mpi_precompile(precompiled_for_tests joblib_mpi_inside "${launcher}" <support/catch.hpp>
                           <joblib_mpi/parallel.hpp> <algorithm> <filesystem> <fstream> <ranges> <sstream> <thread>)
  endif()
  if(NOT TARGET precompiled_for_programs)
    _joblib_mpi_precompile(precompiled_for_programs joblib_mpi "${launcher}" <joblib_mpi/joblib_mpi.hpp>)
  endif()
  foreach(folder IN LISTS ARGN)
    _joblib_mpi_use_precompiled("${folder}" "${launcher}")
  endforeach()
endfunction()

# Defines NAME, which has HEADERS as a program sees them that links LIBRARY.
function(_joblib_mpi_precompile name library launcher)
  file(CONFIGURE OUTPUT "${name}.cpp" CONTENT "") # CMake wants a file
  add_library(${name} OBJECT "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  target_link_libraries(${name} PRIVATE ${library} joblib_mpi_warnings)
  target_precompile_headers(${name} PRIVATE ${ARGN})
  # The compiler refuses headers that were compiled with other options, such as those of a library.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF CXX_COMPILER_LAUNCHER
                                           "${PROJECT_SOURCE_DIR}/cmake/precompile_headers.sh;${launcher}")
  target_compile_options(${name} PRIVATE ${CMAKE_CXX_COMPILE_OPTIONS_PIE})
endfunction()

function(_joblib_mpi_use_precompiled folder launcher)
  get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    get_target_property(libraries ${target} LINK_LIBRARIES)
    if(NOT type STREQUAL "EXECUTABLE")
      continue()
    elseif(libraries MATCHES "unit_test_main|mpi_test_main|joblib_mpi_inside")
      target_precompile_headers(${target} REUSE_FROM precompiled_for_tests)
    elseif("joblib_mpi" IN_LIST libraries)
      target_precompile_headers(${target} REUSE_FROM precompiled_for_programs)
    else()
      continue()
    endif()
    set_target_properties(${target} PROPERTIES CXX_COMPILER_LAUNCHER "${launcher}")
  endforeach()
  get_property(folders DIRECTORY "${folder}" PROPERTY SUBDIRECTORIES)
  foreach(subfolder IN LISTS folders)
    _joblib_mpi_use_precompiled("${subfolder}" "${launcher}")
  endforeach()
endfunction()
