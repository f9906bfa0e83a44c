#pragma once

#include <joblib_mpi/error.hpp>

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>

namespace joblib_mpi {

/// HDF5 has refused an operation; the text has HDF5's own reason.
class Hdf5Error : public Error {
 public:
  using Error::Error;
};

/// Held around all use of HDF5: Debian's library is not safe for several threads.
[[nodiscard]] std::unique_lock<std::recursive_mutex> lock_hdf5();

/// An identifier of HDF5 that is closed with the object.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Hdf5Handle() = default;
  /// Takes over what `operation` has returned. Throws Hdf5Error with HDF5's reason if that is a failure.
  Hdf5Handle(hid_t id, Close with, const std::string& operation);
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Handle();

  [[nodiscard]] hid_t get() const noexcept { return id_; }
  /// Closes it now, for an error of the last write to be known. Throws Hdf5Error.
  void close(const std::string& operation);

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

/// Throws Hdf5Error if `status`, the result of a call of HDF5, is a failure.
void check_hdf5(herr_t status, const std::string& operation);

}  // namespace joblib_mpi
