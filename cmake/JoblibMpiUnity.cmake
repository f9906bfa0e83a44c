# How many files a unity build compiles at a time. Parsing Boost's headers takes longer than most files do.
include_guard()

# joblib_mpi_divide_units(TARGET...): each target, all of whose sources are known, in two units for each core.
function(joblib_mpi_divide_units)
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  foreach(target IN LISTS ARGN)
    get_target_property(sources ${target} SOURCES)
    list(LENGTH sources files)
    math(EXPR batch "${files} / (2 * ${cores}) + 1")
    if(batch LESS 16)
      set(batch 16)
    endif()
    set_target_properties(${target} PROPERTIES UNITY_BUILD_BATCH_SIZE ${batch})
  endforeach()
endfunction()
