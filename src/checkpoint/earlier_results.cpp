#include "checkpoint/earlier_results.hpp"

#include "checkpoint/checkpoint_errors.hpp"
#include <joblib_mpi/error.hpp>

#include <utility>

namespace joblib_mpi {
namespace {

constexpr const char* start_anew = "; to start over, move it away or give another name";

std::string name_of(const JournalFile& file) {
  return "checkpoint \"" + file.path().string() + "\" ";
}

}  // namespace

EarlierResults::EarlierResults(JournalFolder& folder, const std::string& identity, const std::optional<MacKey>& key,
                               JournalWarnings& warnings)
    : warnings_(&warnings) {
  with_checkpoint_errors([&] {
    if (folder.has_merged_file()) read(JournalFile(folder.open(folder.path()), identity, key));
    folder.find_parts();
    for (const std::filesystem::path& part : folder.parts()) read_part(JournalFile(folder.open(part), identity, key));
    folder.remove_temporaries();  // only here, where all files are known to belong to this run
  });
}

void EarlierResults::read_part(JournalFile part) {
  using Condition = JournalFile::Condition;
  if (part.condition() == Condition::damaged || part.condition() == Condition::no_journal) {
    warnings_->add(name_of(part) + part.reason() + ": its results are computed again");
    return;
  }
  read(std::move(part));
}

void EarlierResults::read(JournalFile file) {
  if (file.condition() != JournalFile::Condition::usable) {
    throw CheckpointError(name_of(file) + file.reason() + start_anew);
  }
  const std::vector<JournalRecord> records = file.records();
  if (records.size() < file.n_written()) {
    warnings_->add(name_of(file) + "is damaged: " + std::to_string(file.n_written() - records.size()) + " of its " +
                   std::to_string(file.n_written()) + " results are computed again");
  }
  for (const JournalRecord& record : records) stored_[record.place] = {files_.size(), record};
  files_.push_back(std::move(file));
}

EarlierResults::Known EarlierResults::find(const JournalPlace& place, const JournalKey& key) const {
  const auto found = stored_.find(place);
  if (found == stored_.end()) return Known::nothing;
  const JournalKey& there = found->second.record.key;
  if (there.function != key.function) return Known::other_function;
  return there.arguments == key.arguments ? Known::result : Known::other_arguments;
}

std::optional<Payload> EarlierResults::load(const JournalPlace& place) const {
  const Stored& stored = stored_.at(place);
  const JournalFile& file = files_[stored.file];
  std::optional<Payload> result = with_checkpoint_errors([&] { return file.read(stored.record); });
  if (!result) {
    warnings_->add(name_of(file) + "is damaged: the result of task " + std::to_string(place.index) + " (\"" +
                   text_in(stored.record.function) + "\") of call " + std::to_string(place.call) +
                   " is computed again");
  }
  return result;
}

std::string EarlierResults::function_at(const JournalPlace& place) const {
  return text_in(stored_.at(place).record.function);
}

}  // namespace joblib_mpi
