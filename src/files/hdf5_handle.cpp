#include "files/hdf5_handle.hpp"

namespace joblib_mpi {
namespace {

/// Turns off HDF5's own error output; this process reports the errors itself.
struct QuietErrors {
  QuietErrors() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }
};

/// Returns the innermost reason on HDF5's error stack.
std::string reason() {
  std::string text;
  const auto visit = [](unsigned, const H5E_error2_t* error, void* result) -> herr_t {
    auto& innermost = *static_cast<std::string*>(result);
    if (innermost.empty() && error->desc != nullptr) innermost = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, visit, &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "HDF5 gave no reason" : text;
}

}  // namespace

std::unique_lock<std::recursive_mutex> lock_hdf5() {
  static std::recursive_mutex mutex;
  std::unique_lock lock(mutex);
  static const QuietErrors quiet;
  return lock;
}

Hdf5Handle::Hdf5Handle(hid_t id, Close with, const std::string& operation) : id_(id), close_(with) {
  if (id < 0) throw Hdf5Error(operation + " failed in HDF5: " + reason());
}

Hdf5Handle::~Hdf5Handle() {
  if (id_ >= 0 && close_ != nullptr) close_(id_);
}

void Hdf5Handle::close(const std::string& operation) {
  const hid_t id = std::exchange(id_, H5I_INVALID_HID);
  if (id >= 0) check_hdf5(close_(id), operation);
}

void check_hdf5(herr_t status, const std::string& operation) {
  if (status < 0) throw Hdf5Error(operation + " failed in HDF5: " + reason());
}

}  // namespace joblib_mpi
