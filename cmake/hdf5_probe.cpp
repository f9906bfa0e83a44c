// A caller of HDF5, with which CMake tries whether HDF5 can be hidden.
#include <hdf5.h>

extern "C" hid_t joblib_mpi_hdf5_probe() {
  H5open();
  return H5Fcreate("probe.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
}
