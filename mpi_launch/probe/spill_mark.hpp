#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace joblib_mpi::launch {

/// A file in the spill folder by which other ranks see whether they look at the same folder. Rank 0 makes one; it goes
/// with the object.
class SpillMark {
 public:
  /// Throws SpillError.
  explicit SpillMark(const std::filesystem::path& folder);
  SpillMark(const SpillMark&) = delete;
  SpillMark& operator=(const SpillMark&) = delete;
  ~SpillMark();

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& content() const { return content_; }
  [[nodiscard]] std::uint64_t free_bytes() const;

 private:
  std::string file_;
  std::string content_;
};

/// Why a rank here cannot put results where rank 0 finds them: the mark is not there, is another, or nothing can be
/// written beside it. Empty if it can.
[[nodiscard]] std::string look_at_mark(const std::filesystem::path& file, const std::string& content);

}  // namespace joblib_mpi::launch
