#pragma once

#include "checkpoint/mac.hpp"
#include "core/settings.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace joblib_mpi {

/// Returns the key for checkpoints in shared folders: the text of the variable JOBLIB_MPI_KEY, if it is set, and
/// otherwise the content of the file `.joblib_mpi_key` in the folder `home`, which is made with a random key if it does
/// not exist. Throws CheckpointError if the text or the file is too short for a secret, if the file cannot be used, or
/// if another user may read or write it.
[[nodiscard]] MacKey load_mac_key(const std::optional<std::string>& variable, const std::filesystem::path& home);

/// Returns the key from the environment of this process and its user's home if checkpoints are in shared folders, and
/// nothing otherwise. Throws as `load_mac_key` does.
[[nodiscard]] std::optional<MacKey> mac_key_for(const Settings& settings);

}  // namespace joblib_mpi
