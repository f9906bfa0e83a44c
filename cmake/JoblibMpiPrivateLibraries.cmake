# Links libraries that only the code of joblib_mpi calls. An installed joblib_mpi names their files, and
# find_package(joblib_mpi) does not look for them: what a project finds for itself, such as a parallel HDF5, does not depend
# on what joblib_mpi was built with.
include_guard()

# joblib_mpi_file_of(LIBRARY RESULT): sets RESULT to the file of the imported target LIBRARY.
function(joblib_mpi_file_of library result)
  set(file)
  foreach(property IN ITEMS IMPORTED_LOCATION IMPORTED_LOCATION_RELEASE IMPORTED_LOCATION_RELWITHDEBINFO
                            IMPORTED_LOCATION_NOCONFIG)
    get_target_property(found ${library} ${property})
    if(found AND NOT file)
      set(file "${found}")
    endif()
  endforeach()
  set(${result} "${file}" PARENT_SCOPE)
endfunction()

# joblib_mpi_link_privately(TARGET library FILES...): links the imported target `library`, whose files are FILES.
function(joblib_mpi_link_privately target library)
  joblib_mpi_file_of(${library} file)
  # A static library does not name what it needs in turn.
  if(NOT file MATCHES "\\.so[.0-9]*$")
    set(file ${ARGN})
  endif()
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${library}> "$<INSTALL_INTERFACE:${file}>")
  set_property(GLOBAL APPEND PROPERTY JOBLIB_MPI_PRIVATE_FILES ${file})
endfunction()

# joblib_mpi_link_private_files(TARGET FILES...): links FILES.
function(joblib_mpi_link_private_files target)
  target_link_libraries(${target} PRIVATE ${ARGN})
  set_property(GLOBAL APPEND PROPERTY JOBLIB_MPI_PRIVATE_FILES ${ARGN})
endfunction()
