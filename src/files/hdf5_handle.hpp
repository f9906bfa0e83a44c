#pragma once

#include <joblib_mpi/error.hpp>

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>

namespace joblib_mpi {

/// Thrown if HDF5 has refused an operation; the text has HDF5's own reason.
class Hdf5Error : public Error {
 public:
  using Error::Error;
};

/// Returns a lock that must be held around all use of HDF5: Debian's library is not thread-safe.
[[nodiscard]] std::unique_lock<std::recursive_mutex> lock_hdf5();

/// An HDF5 identifier that the destructor closes.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Hdf5Handle() = default;
  /// Takes ownership of the `id` that `operation` has returned. Throws Hdf5Error with HDF5's reason if `id` is a
  /// failure.
  Hdf5Handle(hid_t id, Close with, const std::string& operation);
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Handle();

  [[nodiscard]] hid_t get() const noexcept { return id_; }
  /// Closes the identifier now, so that an error of the last write is reported. Throws Hdf5Error.
  void close(const std::string& operation);

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

/// Throws Hdf5Error if `status`, which an HDF5 function has returned, is a failure.
void check_hdf5(herr_t status, const std::string& operation);

}  // namespace joblib_mpi
