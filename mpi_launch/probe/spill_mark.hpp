#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace joblib_mpi::launch {

/// A file that rank 0 makes in the spill folder, by which other ranks find out whether they see the same folder. The
/// destructor removes the file.
class SpillMark {
 public:
  /// Makes the file. Throws SpillError if that fails.
  explicit SpillMark(const std::filesystem::path& folder);
  SpillMark(const SpillMark&) = delete;
  SpillMark& operator=(const SpillMark&) = delete;
  ~SpillMark();

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& content() const { return content_; }
  /// Returns the free space of the file system; 0 if it is unknown.
  [[nodiscard]] std::uint64_t free_bytes() const;

 private:
  std::string file_;
  std::string content_;
};

/// Returns why this rank cannot put results where rank 0 finds them: the mark does not exist here, has different
/// content, or no file can be made beside it. Returns an empty text if it can.
[[nodiscard]] std::string look_at_mark(const std::filesystem::path& file, const std::string& content);

}  // namespace joblib_mpi::launch
