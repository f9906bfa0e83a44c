#include "core/content_hash.hpp"

#include <xxhash.h>

#include <cstring>

namespace joblib_mpi {

ContentHash content_hash(std::span<const std::byte> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  ContentHash hash;
  static_assert(sizeof hash == sizeof canonical.digest);
  std::memcpy(hash.data(), canonical.digest, hash.size());
  return hash;
}

}  // namespace joblib_mpi
