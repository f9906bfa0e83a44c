#include "checkpoint/journal.hpp"

#include <joblib_mpi/error.hpp>

#include <exception>
#include <utility>

namespace joblib_mpi {
namespace {

EarlierResults read_earlier(JournalFolder& folder, const Journal::Options& options, JournalWarnings& warnings) {
  try {
    return EarlierResults(folder, options.identity, options.key, warnings);
  } catch (...) {
    folder.release_if_empty();
    throw;
  }
}

}  // namespace

Journal::Journal(Options options)
    : folder_(options.path, options.guard, options.patience),
      earlier_(read_earlier(folder_, options, warnings_)),
      writer_(folder_, options.identity, options.layout, options.key),
      queue_(std::make_unique<WritingQueue>(WritingQueue::Limits{options.flush_after, options.group_bytes},
                                            [this](auto group) { return write(std::move(group)); })) {}

Journal::~Journal() {
  if (is_fork()) {
    (void)queue_.release();  // its thread cannot be joined, and its conditions would wait for that thread
    return;
  }
  queue_.reset();
  folder_.release_if_empty();
}

bool Journal::is_fork() const noexcept {
  return getpid() != owner_;
}

Journal::Known Journal::find(const JournalPlace& place, const JournalKey& key) const {
  return earlier_.find(place, key);
}

std::optional<Payload> Journal::load(const JournalPlace& place) {
  return earlier_.load(place);
}

std::string Journal::function_at(const JournalPlace& place) const {
  return earlier_.function_at(place);
}

void Journal::append(const JournalPlace& place, const JournalKey& key, std::string_view function, Payload result) {
  if (is_fork()) return;
  const JournalData data(result);
  JournalRecord record{.place = place, .key = key, .size = data.size(), .n_parts = result.parts.size()};
  put_text(record.function, function);
  record.data_checksum = data.checksum();
  queue_->append({record, std::move(result)});
}

bool Journal::write(std::deque<UnwrittenResult> group) {
  try {
    writer_.write(std::move(group));
    writer_.compact();
    return true;
  } catch (const std::exception& error) {
    warnings_.add(folder_.name() + "is no longer written: " + error.what() +
                  "; the run goes on without it, and the next run can use the results that are already in it");
    return false;
  }
}

void Journal::write_at_once() {
  if (is_fork()) return;
  writer_.put_off_compactions();
  queue_->write_at_once();
}

void Journal::flush() {
  if (!is_fork()) queue_->flush();
}

void Journal::finish() {
  if (is_fork() || !folder_.is_held()) return;
  queue_->close();
  try {
    writer_.merge_all();
  } catch (const Error& error) {
    warnings_.add(folder_.name() + "could not be merged from its parts in \"" + folder_.folder().path().string() +
                  "\": " + error.what() + "; the parts are kept, and the next run uses them");
  }
  folder_.release();
}

std::vector<std::string> Journal::take_warnings() {
  return is_fork() ? std::vector<std::string>{} : warnings_.take();
}

}  // namespace joblib_mpi
