#include <cstdio>

// The output streams of a static HDF5 that is linked into this library: cmake/HideHdf5.cmake has it use these.
extern "C" {
extern FILE* joblib_mpi_hdf5_stdout;
extern FILE* joblib_mpi_hdf5_stderr;
FILE* joblib_mpi_hdf5_stdout = stdout;
FILE* joblib_mpi_hdf5_stderr = stderr;
}
