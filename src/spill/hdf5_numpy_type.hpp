#pragma once

#include "files/hdf5_handle.hpp"
#include "spill/numpy_type.hpp"

#include <optional>

namespace joblib_mpi {

/// Returns the HDF5 type with the same bytes that h5py reads back as `type`, or nothing if HDF5 cannot express it.
/// Booleans and complex numbers are h5py's enumerations and compounds; numpy's texts and times are opaque with h5py's
/// tag. Throws Hdf5Error. The caller must hold `lock_hdf5`.
[[nodiscard]] std::optional<Hdf5Handle> hdf5_type_of(const NumpyType& type);

}  // namespace joblib_mpi
