#include "checkpoint/journal_writer.hpp"

#include "checkpoint/journal_file.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <system_error>
#include <unordered_set>
#include <utility>

namespace joblib_mpi {
namespace {

/// If there are more parts than this, they are compacted.
constexpr std::size_t most_parts = 64;

/// Returns the smaller half of the parts, in the order in which they were written. The larger half stays as it is, so
/// that a long run copies each result a few times and not at each compaction.
std::vector<std::filesystem::path> smaller_half(std::vector<std::filesystem::path> parts) {
  const auto size = [](const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::file_size(path, ignored);
  };
  std::sort(parts.begin(), parts.end(), [&](const auto& a, const auto& b) { return size(a) < size(b); });
  parts.resize(parts.size() / 2);
  std::sort(parts.begin(), parts.end());
  return parts;
}

}  // namespace

JournalWriter::JournalWriter(JournalFolder& folder, std::string identity, JournalLayout layout,
                             std::optional<MacKey> key)
    : folder_(&folder), identity_(std::move(identity)), layout_(std::move(layout)), key_(std::move(key)) {}

void JournalWriter::write(std::deque<UnwrittenResult> group) {
  std::vector<JournalRecord> records;
  records.reserve(group.size());
  for (const UnwrittenResult& unwritten : group) records.push_back(unwritten.record);
  const std::filesystem::path part = folder_->next_part();
  NewJournalFile file(folder_->folder(), "part.tmp", std::move(records), identity_, layout_, key_);
  for (const UnwrittenResult& unwritten : group) file.append(JournalData(unwritten.result).pieces());
  file.commit(part);
  folder_->add_part(part);
}

void JournalWriter::compact() {
  if (folder_->parts().size() <= most_parts || compactions_are_put_off_) return;
  const std::vector<std::filesystem::path> sources = smaller_half(folder_->parts());
  const std::filesystem::path part = folder_->next_part();
  if (!merge(sources, part, Urgency::can_wait)) return;
  for (const std::filesystem::path& source : sources) folder_->remove_part(source);
  folder_->add_part(part);
}

void JournalWriter::merge_all() {
  const std::vector<std::filesystem::path> parts = folder_->parts();
  if (parts.empty()) return;
  std::vector<std::filesystem::path> sources;
  if (folder_->has_merged_file()) sources.push_back(folder_->path());
  sources.insert(sources.end(), parts.begin(), parts.end());
  (void)merge(sources, folder_->path(), Urgency::must_end);
  for (const std::filesystem::path& part : parts) folder_->remove_part(part);
}

bool JournalWriter::merge(const std::vector<std::filesystem::path>& sources, const std::filesystem::path& target,
                          Urgency urgency) {
  const auto is_put_off = [&] { return urgency == Urgency::can_wait && compactions_are_put_off_; };
  std::vector<JournalFile> files;
  std::vector<std::pair<std::size_t, JournalRecord>> chosen;
  std::unordered_set<JournalPlace, JournalPlaceHash> places;
  for (const std::filesystem::path& source : sources) {
    if (is_put_off()) return false;
    files.emplace_back(folder_->open(source), identity_, key_);
    for (const JournalRecord& record : files.back().records()) {
      Payload ignored;
      if (places.contains(record.place) || !read_journal_data(record, files.back().read_raw(record), ignored)) continue;
      places.insert(record.place);
      chosen.emplace_back(files.size() - 1, record);
    }
  }
  std::vector<JournalRecord> records;
  records.reserve(chosen.size());
  for (const auto& [file, record] : chosen) records.push_back(record);
  NewJournalFile merged(folder_->folder(), "merge.tmp", std::move(records), identity_, layout_, key_);
  for (const auto& [file, record] : chosen) {
    if (is_put_off()) return false;
    const Bytes data = files[file].read_raw(record);
    merged.append(std::array{ByteView(data)});
  }
  if (is_put_off()) return false;
  merged.commit(target);
  return true;
}

}  // namespace joblib_mpi
