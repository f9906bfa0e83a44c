#include "files/hdf5_file_image.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace joblib_mpi {

Hdf5Handle Hdf5FileImage::properties() {
  Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "creating a file's access properties");
  check_hdf5(H5Pset_fapl_core(access.get(), growth_bytes_, 0), "choosing the in-memory file driver");
  H5FD_file_image_callbacks_t callbacks{allocate, copy, reallocate, release, share, unshare, this};
  check_hdf5(H5Pset_file_image_callbacks(access.get(), &callbacks), "setting the callbacks of an in-memory file");
  return access;
}

Bytes Hdf5FileImage::bytes(std::size_t begin, std::size_t end) const {
  Bytes result(end > begin ? end - begin : 0);
  std::fill(result.begin(), result.end(), std::byte{0});
  const ByteView all = image_;
  if (begin < all.size()) {
    const ByteView there = all.subspan(begin, std::min(end, all.size()) - begin);
    std::copy(there.begin(), there.end(), result.begin());
  }
  return result;
}

void* Hdf5FileImage::allocate(std::size_t size, H5FD_file_image_op_t, void* image) {
  return reallocate(nullptr, size, H5FD_FILE_IMAGE_OP_NO_OP, image);
}

void* Hdf5FileImage::copy(void* target, const void* source, std::size_t size, H5FD_file_image_op_t, void*) {
  return std::memcpy(target, source, size);
}

void* Hdf5FileImage::reallocate(void*, std::size_t size, H5FD_file_image_op_t, void* image) {
  auto& bytes = static_cast<Hdf5FileImage*>(image)->image_;
  try {
    bytes.resize(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  return bytes.data();
}

}  // namespace joblib_mpi
