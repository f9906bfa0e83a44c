#include "checkpoint/journal.hpp"

#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <span>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <unordered_set>
#include <utility>

namespace joblib_mpi {
namespace {

constexpr const char* start_anew = "; to start over, move it away or give another name";
constexpr const char* not_trusted =
    ": results in a checkpoint are unpickled, so what other users have written could run their code. Take a folder "
    "that "
    "only you may write to (chmod go-w). If you must share one, set JOBLIB_MPI_CHECKPOINT_GUARD=shared from the first "
    "run "
    "on: only results that were written with your secret key are used then";
constexpr const char* lock_name = "lock";
constexpr std::size_t most_holder_bytes = 300;
constexpr std::chrono::milliseconds pause_between_attempts{50};  // chosen, not measured
/// If there are more parts than this, they are compacted, so that a long run does not fill a parallel file system with
/// small files.
constexpr std::size_t most_parts = 64;
constexpr std::uint64_t most_part_number = std::uint64_t{1} << 62;

constexpr std::string_view part_prefix = "part-";
constexpr std::string_view part_suffix = ".h5";

/// Returns the number in the name of a part, or nothing if it is not the name of one.
std::optional<std::uint64_t> number_in(std::string_view name) {
  if (!name.starts_with(part_prefix) || !name.ends_with(part_suffix)) return std::nullopt;
  name.remove_prefix(part_prefix.size());
  name.remove_suffix(part_suffix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool is_number = error == std::errc{} && end == name.data() + name.size() && number < most_part_number;
  return is_number ? std::optional(number) : std::nullopt;
}

bool is_temporary(std::string_view name) {
  return name.ends_with(".tmp");
}

/// Returns whether there is an entry of that name, be it a broken link.
bool has_entry(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

std::filesystem::path parts_folder(const std::filesystem::path& path) {
  return path.string() + ".parts";
}

std::string this_process() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return "process " + std::to_string(getpid()) + " on " + host.data();
}

/// Calls `use` and throws CheckpointError in place of a FileError.
template <class Use>
auto with_checkpoint_errors(Use&& use) {
  try {
    return use();
  } catch (const UntrustedFileError& error) {
    throw CheckpointError(error.what() + std::string(not_trusted));
  } catch (const FileError& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace

Journal::Journal(Options options) : options_(std::move(options)) {
  with_checkpoint_errors([this] { open_folder(); });
  with_checkpoint_errors([this] { hold_folder(); });
  try {
    with_checkpoint_errors([this] { read_all(); });
  } catch (...) {
    if (parts_.empty()) remove_folder();
    throw;
  }
  waiting_->writer = std::jthread([this] { write_groups(); });
}

Journal::~Journal() {
  if (is_fork()) {
    (void)waiting_.release();  // its thread cannot be joined, and its conditions would wait for that thread
    return;
  }
  {
    const std::lock_guard lock(waiting_->mutex);
    waiting_->closing = true;
  }
  waiting_->appended.notify_all();
  if (waiting_->writer.joinable()) waiting_->writer.join();
  if (lock_ && parts_.empty()) remove_folder();
}

bool Journal::is_fork() const noexcept {
  return getpid() != owner_;
}

void Journal::open_folder() {
  try {
    folder_ = GuardedFolder::make(parts_folder(options_.path), options_.guard);
  } catch (const UntrustedFileError&) {
    throw;
  } catch (const FileError& problem) {
    throw CheckpointError(name() + "cannot be written, because its folder for unfinished runs cannot be used: " +
                          problem.what() + "; name a file in a folder that exists and can be written on rank 0's node");
  }
}

void Journal::hold_folder() {
  const auto deadline = std::chrono::steady_clock::now() + options_.patience;
  std::string holder = try_to_hold();
  // This process would wait for itself.
  bool waits = options_.patience.count() > 0 && holder != this_process();
  if (!holder.empty() && waits) {
    std::fprintf(stderr, "joblib_mpi: %sis in use by %s; waiting up to %g s for that to end\n", name().c_str(),
                 holder.c_str(), options_.patience.count());
  }
  while (!holder.empty()) {
    if (!waits || std::chrono::steady_clock::now() > deadline) {
      throw CheckpointError(name() + "is in use by " + holder +
                            "; wait until that ends, or give this run another file");
    }
    std::this_thread::sleep_for(pause_between_attempts);
    holder = try_to_hold();
  }
}

std::string Journal::try_to_hold() {
  do {  // another process may remove the lock file or the folder, on its end, at any moment
    if (!folder_->is_at_its_path()) open_folder();
    try {
      lock_ = folder_->open(lock_name, O_RDWR | O_CREAT);
    } catch (const UntrustedFileError&) {
      throw;
    } catch (const FileError& problem) {
      if (!folder_->is_at_its_path()) continue;
      throw CheckpointError(name() + "cannot be written: " + problem.what());
    }
    if (!lock_->lock()) {
      const Bytes holder = lock_->read_at(0, most_holder_bytes);
      return holder.empty() ? "another process"
                            : std::string(reinterpret_cast<const char*>(holder.data()), holder.size());
    }
  } while (!lock_ || !lock_->is_at_its_path());
  const std::string holder = this_process();
  lock_->clear();
  lock_->write_at(0, std::as_bytes(std::span(holder)));
  return {};
}

DurableFile Journal::open_file(const std::filesystem::path& path) const {
  return path == options_.path ? open_guarded(path, O_RDONLY, options_.guard)
                               : folder_->open(path.filename().string(), O_RDONLY);
}

void Journal::read_all() {
  if (has_entry(options_.path)) read_file(options_.path, false);
  const std::vector<std::string> names = folder_->names();
  for (const std::string& name : names) {
    if (number_in(name)) parts_.push_back(folder_->path() / name);
  }
  std::sort(parts_.begin(), parts_.end());
  for (const std::filesystem::path& part : parts_) {
    last_part_ = std::max(last_part_, *number_in(part.filename().string()));
    read_file(part, true);
  }
  // Removed only here, where all files are known to belong to this run.
  for (const std::string& name : names) {
    if (is_temporary(name)) folder_->remove(name);
  }
}

void Journal::read_file(const std::filesystem::path& path, bool is_part) {
  using Condition = JournalFile::Condition;
  const std::string file_name = "checkpoint \"" + path.string() + "\" ";
  JournalFile file(open_file(path), options_.identity, options_.key);
  const bool of_nobody = file.condition() == Condition::damaged || file.condition() == Condition::no_journal;
  if (is_part && of_nobody) {
    warn(file_name + file.reason() + ": its results are computed again");
    return;
  }
  if (file.condition() != Condition::usable) throw CheckpointError(file_name + file.reason() + start_anew);
  const std::vector<JournalRecord> records = file.records();
  if (records.size() < file.n_written()) {
    warn(file_name + "is damaged: " + std::to_string(file.n_written() - records.size()) + " of its " +
         std::to_string(file.n_written()) + " results are computed again");
  }
  for (const JournalRecord& record : records) known_[record.place] = {files_.size(), record};
  files_.push_back(std::move(file));
}

Journal::Known Journal::find(const JournalPlace& place, const JournalKey& key) const {
  const auto found = known_.find(place);
  if (found == known_.end()) return Known::nothing;
  const JournalKey& there = found->second.record.key;
  if (there.function != key.function) return Known::other_function;
  return there.arguments == key.arguments ? Known::result : Known::other_arguments;
}

std::optional<Payload> Journal::load(const JournalPlace& place) {
  const Stored& stored = known_.at(place);
  const JournalFile& file = files_[stored.file];
  std::optional<Payload> result = with_checkpoint_errors([&] { return file.read(stored.record); });
  if (!result) {
    warn("checkpoint \"" + file.path().string() + "\" is damaged: the result of task " + std::to_string(place.index) +
         " (\"" + text_in(stored.record.function) + "\") of call " + std::to_string(place.call) + " is computed again");
  }
  return result;
}

std::string Journal::function_at(const JournalPlace& place) const {
  return text_in(known_.at(place).record.function);
}

void Journal::append(const JournalPlace& place, const JournalKey& key, std::string_view function, Payload result) {
  if (is_fork()) return;
  const JournalData data(result);
  JournalRecord record{.place = place, .key = key, .size = data.size(), .n_parts = result.parts.size()};
  put_text(record.function, function);
  record.data_checksum = data.checksum();
  Waiting& waiting = *waiting_;
  std::unique_lock lock(waiting.mutex);
  waiting.written.wait(lock, [&] { return waiting.stopped || waiting.bytes <= 2 * options_.group_bytes; });
  if (waiting.stopped) return;
  waiting.bytes += record.size;
  waiting.results.push_back({record, std::move(result)});
  waiting.appended.notify_all();
}

void Journal::write_at_once() {
  if (is_fork()) return;
  {
    const std::lock_guard lock(waiting_->mutex);
    waiting_->at_once = true;
  }
  waiting_->appended.notify_all();
}

void Journal::flush() {
  if (is_fork()) return;
  Waiting& waiting = *waiting_;
  std::unique_lock lock(waiting.mutex);
  waiting.flush_requested = true;
  waiting.appended.notify_all();
  waiting.written.wait(lock, [&] { return waiting.stopped || (waiting.results.empty() && !waiting.writing); });
}

void Journal::finish() {
  if (is_fork()) return;
  {
    const std::lock_guard lock(waiting_->mutex);
    waiting_->closing = true;
  }
  waiting_->appended.notify_all();
  if (!waiting_->writer.joinable()) return;
  waiting_->writer.join();
  try {
    std::vector<std::filesystem::path> sources;
    if (has_entry(options_.path)) sources.push_back(options_.path);
    sources.insert(sources.end(), parts_.begin(), parts_.end());
    if (!parts_.empty()) (void)merge(sources, options_.path, Urgency::must_end);
    for (const std::filesystem::path& part : parts_) folder_->remove(part.filename().string());
    parts_.clear();
  } catch (const Error& error) {
    warn(name() + "could not be merged from its parts in \"" + folder_->path().string() + "\": " + error.what() +
         "; the parts are kept, and the next run uses them");
  }
  remove_folder();
}

std::vector<std::string> Journal::take_warnings() {
  if (is_fork()) return {};
  const std::lock_guard lock(waiting_->mutex);
  return std::exchange(waiting_->warnings, {});
}

void Journal::warn(std::string text) {
  const std::lock_guard lock(waiting_->mutex);
  waiting_->warnings.push_back(std::move(text));
}

void Journal::write_groups() {
  Waiting& waiting = *waiting_;
  const auto is_hurried = [&] { return waiting.closing || waiting.flush_requested || waiting.at_once; };
  std::unique_lock lock(waiting.mutex);
  while (true) {
    waiting.appended.wait(lock, [&] { return waiting.closing || waiting.flush_requested || !waiting.results.empty(); });
    waiting.appended.wait_for(lock, options_.flush_after,
                              [&] { return is_hurried() || waiting.bytes > options_.group_bytes; });
    waiting.flush_requested = false;
    if (waiting.results.empty() || waiting.stopped) {
      waiting.written.notify_all();
      if (waiting.closing) return;
      continue;
    }
    waiting.writing = true;
    std::deque<Pending> group = std::exchange(waiting.results, {});
    const std::size_t bytes = waiting.bytes;
    lock.unlock();
    std::string failure;
    try {
      write_group(std::move(group));
      compact(most_parts);
    } catch (const std::exception& error) {
      failure = error.what();
    }
    lock.lock();
    waiting.writing = false;
    waiting.bytes -= bytes;
    if (!failure.empty()) {
      waiting.stopped = true;
      waiting.results.clear();
      waiting.bytes = 0;
      waiting.warnings.push_back(name() + "is no longer written: " + failure +
                                 "; the run goes on without it, and the next run can use the results that are already "
                                 "in it");
    }
    waiting.written.notify_all();
  }
}

void Journal::write_group(std::deque<Pending> group) {
  std::vector<JournalRecord> records;
  records.reserve(group.size());
  for (const Pending& pending : group) records.push_back(pending.record);
  const std::filesystem::path part = next_part();
  NewJournalFile file(*folder_, "part.tmp", std::move(records), options_.identity, options_.layout, options_.key);
  for (const Pending& pending : group) file.append(JournalData(pending.result).pieces());
  file.commit(part);
  parts_.push_back(part);
}

void Journal::compact(std::size_t most) {
  if (parts_.size() <= most || waiting_->at_once) return;
  // The larger half stays as it is, so that a long run copies each result a few times and not at each compaction.
  const auto size = [](const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::file_size(path, ignored);
  };
  std::vector<std::filesystem::path> sources = parts_;
  std::sort(sources.begin(), sources.end(), [&](const auto& a, const auto& b) { return size(a) < size(b); });
  sources.resize(sources.size() / 2);
  std::sort(sources.begin(), sources.end());
  const std::filesystem::path part = next_part();
  if (!merge(sources, part, Urgency::can_wait)) return;
  for (const std::filesystem::path& source : sources) {
    folder_->remove(source.filename().string());
    std::erase(parts_, source);
  }
  parts_.push_back(part);
}

bool Journal::merge(const std::vector<std::filesystem::path>& sources, const std::filesystem::path& target,
                    Urgency urgency) {
  const auto is_put_off = [&] { return urgency == Urgency::can_wait && waiting_->at_once; };
  std::vector<JournalFile> files;
  std::vector<std::pair<std::size_t, JournalRecord>> chosen;
  std::unordered_set<JournalPlace, PlaceHash> places;
  for (const std::filesystem::path& source : sources) {
    if (is_put_off()) return false;
    files.emplace_back(open_file(source), options_.identity, options_.key);
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
  NewJournalFile merged(*folder_, "merge.tmp", std::move(records), options_.identity, options_.layout, options_.key);
  for (const auto& [file, record] : chosen) {
    if (is_put_off()) return false;
    const Bytes data = files[file].read_raw(record);
    merged.append(std::array{ByteView(data)});
  }
  if (is_put_off()) return false;
  merged.commit(target);
  return true;
}

void Journal::remove_folder() noexcept {
  folder_->remove(lock_name);
  rmdir(folder_->path().c_str());  // fails if the folder is not empty
  lock_.reset();
}

std::filesystem::path Journal::next_part() {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "part-%08llu.h5", static_cast<unsigned long long>(++last_part_));
  return folder_->path() / name.data();
}

}  // namespace joblib_mpi
