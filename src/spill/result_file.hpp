#pragma once

#include "spill/result_format.hpp"
#include "spill/result_handle.hpp"

#include <filesystem>
#include <string>

namespace joblib_mpi {

/// Writes `result` to a file of its own, straight from where it lies. The file has its name once it is complete; one
/// that could not be completed is removed. `compression` is none if empty. Throws SpillError with the path, the bytes
/// that the file needs and those that are free.
[[nodiscard]] ResultHandle write_result(const std::filesystem::path& path, const ResultFormat& format,
                                        const ResultContent& content, const Payload& result,
                                        const std::string& compression);

/// The result in the file: its parts are the file's pages, mapped read-only until the last of them is let go, whatever
/// becomes of the name meanwhile. A compressed result is read into memory. Throws SpillError if the file is not the one
/// that the handle describes.
[[nodiscard]] Payload open_result(const ResultHandle& handle, const ResultFormat& format);

}  // namespace joblib_mpi
