#include "segments/mapped_files.hpp"

#include <iterator>
#include <utility>

namespace joblib_mpi {

MappedFiles& MappedFiles::of_process() {
  static MappedFiles files;
  return files;
}

void MappedFiles::keep(ByteView mapping, int number) {
  if (!are_handed_on_) return;
  Descriptor file = another_descriptor(number);
  if (!file.open()) return;
  const std::lock_guard lock(mutex_);
  kept_.insert_or_assign(mapping.data(), Kept{mapping.size(), std::move(file)});
}

void MappedFiles::forget(ByteView mapping) noexcept {
  if (!are_handed_on_) return;
  const std::lock_guard lock(mutex_);
  kept_.erase(mapping.data());
}

std::optional<MappedFiles::Place> MappedFiles::find(ByteView bytes) const {
  if (!are_handed_on_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto after = kept_.upper_bound(bytes.data());
  if (after == kept_.begin()) return std::nullopt;
  const auto& [begin, kept] = *std::prev(after);
  const auto offset = static_cast<std::size_t>(bytes.data() - begin);
  if (offset > kept.bytes || bytes.size() > kept.bytes - offset) return std::nullopt;
  Descriptor file = another_descriptor(kept.file.get());
  if (!file.open()) return std::nullopt;
  return Place{std::move(file), offset};
}

}  // namespace joblib_mpi
