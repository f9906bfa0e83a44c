#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

struct evp_pkey_st;

namespace joblib_mpi {

/// A message authentication code, HMAC-SHA256: a check sum that only those who know the key can compute.
using Mac = std::array<std::byte, 32>;

/// Compares two codes in a time that does not depend on them.
[[nodiscard]] bool is_equal(const Mac& a, const Mac& b);

/// A secret key for message authentication codes. Copies share it.
class MacKey {
 public:
  /// Copies `secret`. Throws Error if the cryptographic library fails.
  explicit MacKey(ByteView secret);

  /// Returns the code of the pieces' bytes, one piece after the other.
  [[nodiscard]] Mac mac_of(std::span<const ByteView> pieces) const;

 private:
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace joblib_mpi
