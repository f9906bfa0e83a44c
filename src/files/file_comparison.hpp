#pragma once

#include "core/file_identity.hpp"

#include <optional>
#include <string>

namespace joblib_mpi {

/// Returns the identity of a file of this host. `mark` is the name of a file beside it that exists until the workers
/// have answered, or empty. Throws FileError if the file cannot be read.
[[nodiscard]] FileIdentity identify_file(const std::string& path, FileUse use, const std::string& mark);

/// Returns the reason why this host must not use its file at the path in place of the described one, or nothing if it
/// may. It never modifies a file. A file may be used
///
/// - on the same kernel, if device and inode are equal;
/// - elsewhere, if the mark is beside it and inode and size are equal. For writing, the file system must also keep the
///   mappings of several hosts coherent: others write whole pages back, and with them the older bytes of other hosts;
/// - elsewhere, for reading alone, if inode, size, both times and 16 samples of the content are equal.
[[nodiscard]] std::optional<std::string> why_not_the_file(const FileIdentity& identity);

/// Returns whether mappings of one file on several hosts show the same content at all times, by the `f_type` of
/// statfs(2).
[[nodiscard]] bool has_coherent_mappings(long file_system_type) noexcept;

}  // namespace joblib_mpi
