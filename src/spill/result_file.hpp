#pragma once

#include "spill/result_format.hpp"
#include "spill/result_handle.hpp"

#include <filesystem>
#include <string>

namespace joblib_mpi {

/// Writes `result` to a new file, directly from its memory. The file gets its name once it is complete; a file that
/// could not be completed is removed. An empty `compression` means none. Throws SpillError with the path, the bytes
/// that the file needs and those that are free.
[[nodiscard]] ResultHandle write_result(const std::filesystem::path& path, const ResultFormat& format,
                                        const ResultContent& content, const Payload& result,
                                        const std::string& compression);

/// Returns the result in the file: its parts are the file's pages, mapped until the last part is released, even if the
/// file's name is removed before. The mapping is private, so the memory of the parts may be written to
/// unless the result is `read_only`, for lack of memory. A compressed result is read into memory. Throws SpillError if
/// the file is not the one that the handle describes.
[[nodiscard]] Payload open_result(const ResultHandle& handle, const ResultFormat& format);

}  // namespace joblib_mpi
