# Defines joblib_mpi_warnings: link it PRIVATE, as $<BUILD_INTERFACE:joblib_mpi_warnings>, to the project's own targets.
include_guard()

option(JOBLIB_MPI_WERROR "Treat compiler warnings as errors" OFF)

add_library(joblib_mpi_warnings INTERFACE)
target_compile_options(
  joblib_mpi_warnings
  INTERFACE
    $<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>:-Wall;-Wextra;-Wpedantic;-Wnon-virtual-dtor;-Woverloaded-virtual>
    $<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>:-Wcast-align;-Wshadow>
    $<$<AND:$<BOOL:${JOBLIB_MPI_WERROR}>,$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>>:-Werror>
    # g++ 12 warns wrongly of overlaps inside std::string (GCC bug 105651).
    $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
    # In a unity build a file sees the names of others, and g++ takes each for a header, where a type of an unnamed namespace
    # would be a fault.
    $<$<AND:$<BOOL:${CMAKE_UNITY_BUILD}>,$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>>:-Wno-shadow>
    $<$<AND:$<BOOL:${CMAKE_UNITY_BUILD}>,$<COMPILE_LANG_AND_ID:CXX,GNU>>:-Wno-subobject-linkage>)
