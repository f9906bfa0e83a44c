# Gives joblib_mpi an HDF5 that no other part of a program sees, if there is a static HDF5 beside the shared one.
include_guard()
include(JoblibMpiPrivateLibraries)

option(JOBLIB_MPI_PRIVATE_HDF5 "Hide HDF5 inside of the library if there is a static HDF5" ON)

# joblib_mpi_add_hdf5_code(TARGET OBJECTS): adds to the library TARGET the object library OBJECTS, all of its code that calls
# HDF5, and HDF5. Sets JOBLIB_MPI_HDF5_IS_PRIVATE to true if no other part of a program can see that HDF5.
function(joblib_mpi_add_hdf5_code target objects)
  target_include_directories(${objects} SYSTEM PRIVATE $<TARGET_PROPERTY:hdf5::hdf5,INTERFACE_INCLUDE_DIRECTORIES>)
  _joblib_mpi_find_static_hdf5(archive needed why_not)
  if(why_not)
    message(STATUS "HDF5 is linked as a shared library, which a program must not have in another version: ${why_not}")
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
    joblib_mpi_link_privately(${target} hdf5::hdf5 ${HDF5_C_LIBRARIES})
    set(JOBLIB_MPI_HDF5_IS_PRIVATE FALSE PARENT_SCOPE)
    return()
  endif()
  message(STATUS "HDF5 is hidden inside of the library: ${archive}")
  target_sources(${objects} PRIVATE "${PROJECT_SOURCE_DIR}/src/files/hdf5_streams.cpp")
  set_target_properties(${objects} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF) # ld links machine code only
  set(hidden "${CMAKE_CURRENT_BINARY_DIR}/${objects}.o")
  _joblib_mpi_command_to_hide_hdf5(command "${archive}" "${hidden}" "$<JOIN:$<TARGET_OBJECTS:${objects}>,|>")
  add_custom_command(
    OUTPUT "${hidden}" COMMAND ${command} COMMENT "Hiding HDF5" VERBATIM
    DEPENDS "${archive}" $<TARGET_OBJECTS:${objects}> "${PROJECT_SOURCE_DIR}/cmake/HideHdf5.cmake")
  set_source_files_properties("${hidden}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  target_sources(${target} PRIVATE "${hidden}")
  joblib_mpi_link_private_files(${target} ${needed})
  set(JOBLIB_MPI_HDF5_IS_PRIVATE TRUE PARENT_SCOPE)
endfunction()

# Sets ARCHIVE to the static library of the HDF5 that find_package(HDF5) has found, and NEEDED to the libraries that it
# calls; or WHY_NOT to the reason why it cannot be hidden.
function(_joblib_mpi_find_static_hdf5 archive needed why_not)
  set(${why_not} "" PARENT_SCOPE)
  if(NOT JOBLIB_MPI_PRIVATE_HDF5)
    set(${why_not} "JOBLIB_MPI_PRIVATE_HDF5 is off" PARENT_SCOPE)
    return()
  endif()
  if(NOT CMAKE_LINKER OR NOT CMAKE_NM OR NOT CMAKE_OBJCOPY)
    set(${why_not} "ld, nm or objcopy is missing" PARENT_SCOPE)
    return()
  endif()
  joblib_mpi_file_of(hdf5::hdf5 file)
  string(REGEX REPLACE "\\.so[.0-9]*$" ".a" file "${file}")
  if(NOT EXISTS "${file}")
    set(${why_not} "there is no static library ${file}" PARENT_SCOPE)
    return()
  endif()
  set(others ${HDF5_C_LIBRARIES})
  list(FILTER others INCLUDE REGEX "^/")
  list(FILTER others EXCLUDE REGEX "/libhdf5[^/]*$")
  _joblib_mpi_try_to_hide_hdf5("${file}" "${others}" failure)
  if(failure)
    set(${why_not} "${file} cannot be hidden: ${failure}" PARENT_SCOPE)
    return()
  endif()
  set(${archive} "${file}" PARENT_SCOPE)
  set(${needed} ${others} PARENT_SCOPE)
endfunction()

# Sets FAILURE to the error of hiding ARCHIVE in a shared library, or to nothing.
function(_joblib_mpi_try_to_hide_hdf5 archive needed failure)
  set(${failure} "" PARENT_SCOPE)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/hdf5_probe")
  file(MAKE_DIRECTORY "${folder}")
  get_target_property(includes hdf5::hdf5 INTERFACE_INCLUDE_DIRECTORIES)
  list(APPEND includes ${MPI_CXX_INCLUDE_DIRS})
  list(TRANSFORM includes PREPEND -I)
  set(compile_probe "${CMAKE_CXX_COMPILER}" ${includes} -fPIC -c "${PROJECT_SOURCE_DIR}/cmake/hdf5_probe.cpp" -o probe.o)
  set(compile_streams "${CMAKE_CXX_COMPILER}" -fPIC -c "${PROJECT_SOURCE_DIR}/src/files/hdf5_streams.cpp" -o streams.o)
  _joblib_mpi_command_to_hide_hdf5(hide "${archive}" "${folder}/hidden.o" "${folder}/probe.o|${folder}/streams.o")
  set(link "${CMAKE_CXX_COMPILER}" -shared -Wl,-z,defs -o probe.so hidden.o ${needed} ${MPI_CXX_LIBRARIES})
  foreach(step IN ITEMS compile_probe compile_streams hide link)
    execute_process(COMMAND ${${step}} WORKING_DIRECTORY "${folder}" RESULT_VARIABLE status OUTPUT_VARIABLE output
                    ERROR_VARIABLE output)
    if(NOT status EQUAL 0)
      set(${failure} "${output}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# Sets RESULT to the command that links OBJECTS, with | between them, and ARCHIVE to OUTPUT.
function(_joblib_mpi_command_to_hide_hdf5 result archive output objects)
  set(${result}
      "${CMAKE_COMMAND}" "-DOBJECTS=${objects}" "-DARCHIVE=${archive}" "-DOUTPUT=${output}" "-DLINKER=${CMAKE_LINKER}"
      "-DNM=${CMAKE_NM}" "-DOBJCOPY=${CMAKE_OBJCOPY}" -P "${PROJECT_SOURCE_DIR}/cmake/HideHdf5.cmake"
      PARENT_SCOPE)
endfunction()
