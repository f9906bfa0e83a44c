#pragma once

#include "core/content_hash.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <string>

namespace joblib_mpi {

/// The use that tasks make of a file that rank 0 has mapped.
enum class FileUse : std::uint8_t { reading, writing };

/// Describes a file of rank 0 to a worker, which tells whether it has the same file at the same path
/// (files/file_comparison.hpp).
struct FileIdentity {
  std::string path;  ///< absolute and without symbolic links
  FileUse use = FileUse::reading;
  std::string boot_id{};  ///< the boot of rank 0's kernel; empty if it is unknown
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;        ///< nanoseconds since the epoch
  std::int64_t status_changed_ns = 0;  ///< nanoseconds since the epoch
  std::uint64_t seed = 0;              ///< chooses the places of the samples
  ContentHash samples{};               ///< the hash of the samples
  std::string mark{};  ///< the name of a file that exists beside the file during the comparison; empty if there is none

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// Returns the identity as bytes that `decode_file_identity` reads.
[[nodiscard]] Bytes encode(const FileIdentity& identity);
/// Returns the identity that `encode` has written. Throws SerializationError.
[[nodiscard]] FileIdentity decode_file_identity(ByteView bytes);

}  // namespace joblib_mpi
