#pragma once

#include "files/hdf5_handle.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <vector>

namespace joblib_mpi {

/// The memory in which HDF5 builds a file that is never on a disk. The image takes no memory for the space that HDF5
/// reserves for data: it grows with what is written, and is handed out as it is when the file is closed.
class Hdf5FileImage {
 public:
  static constexpr std::size_t default_growth_bytes = 4096;

  /// Prepares an image whose size is rounded up to a multiple of `growth_bytes`.
  explicit Hdf5FileImage(std::size_t growth_bytes = default_growth_bytes) : growth_bytes_(growth_bytes) {}
  Hdf5FileImage(const Hdf5FileImage&) = delete;
  Hdf5FileImage& operator=(const Hdf5FileImage&) = delete;

  /// Returns access properties for the file. They and the file must be closed before the image is destroyed.
  [[nodiscard]] Hdf5Handle properties();
  /// Returns the bytes from `begin` to `end`; those beyond what was written are zeros.
  [[nodiscard]] Bytes bytes(std::size_t begin, std::size_t end) const;
  [[nodiscard]] std::size_t size() const noexcept { return image_.size(); }

 private:
  static void* allocate(std::size_t size, H5FD_file_image_op_t, void* image);
  static void* copy(void* target, const void* source, std::size_t size, H5FD_file_image_op_t, void*);
  static void* reallocate(void*, std::size_t size, H5FD_file_image_op_t, void* image);
  static herr_t release(void*, H5FD_file_image_op_t, void*) { return 0; }
  static void* share(void* image) { return image; }
  static herr_t unshare(void*) { return 0; }

  std::size_t growth_bytes_;
  std::vector<std::byte> image_;
};

}  // namespace joblib_mpi
