#include "checkpoint/checkpoint.hpp"

#include "checkpoint/mac_key.hpp"
#include "core/content_hash.hpp"
#include "core/program_identity.hpp"
#include <joblib_mpi/error.hpp>

#include <cstdio>
#include <cstring>
#include <span>
#include <utility>

namespace joblib_mpi {
namespace {

struct Files {
  JournalLayout layout;
  Settings settings;
};
std::mutex files_mutex;
std::optional<Files> files;  // equal for all sessions of this process
int sessions = 0;

Files require_files(const std::filesystem::path& path) {
  const std::lock_guard lock(files_mutex);
  if (files) return *files;
  throw UsageError("checkpoint = \"" + path.string() +
                   "\" needs a session: make the call on rank 0 inside MpiSession::run");
}

std::uint64_t hash_of(const Payload& payload) {
  return JournalData(payload).checksum();
}

std::uint64_t hash_of(std::string_view text) {
  const ContentHash hash = content_hash(std::as_bytes(std::span(text)));
  std::uint64_t number = 0;
  std::memcpy(&number, hash.data(), sizeof number);
  return number;
}

}  // namespace

CheckpointFiles::CheckpointFiles(JournalLayout layout, const Settings& settings) {
  const std::lock_guard lock(files_mutex);
  if (++sessions > 1) return;
  files.emplace(Files{std::move(layout), settings});
}

CheckpointFiles::~CheckpointFiles() {
  const std::lock_guard lock(files_mutex);
  if (--sessions == 0) files.reset();
}

std::shared_ptr<const ObjectId> ObjectsByContent::share(Payload value) {
  return std::make_shared<const ObjectId>(ObjectId{hash_of(value)});
}

Checkpoint::~Checkpoint() {
  if (!journal_) return;
  watch_.reset();
  try {
    interruption() ? journal_->flush() : journal_->finish();
    report_warnings();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "joblib_mpi: warning: checkpoint \"%s\" could not be closed: %s\n", path_.c_str(),
                 error.what());
  }
}

std::unique_ptr<CheckpointedCall> Checkpoint::start_call(ResultSink& sink) {
  if (const auto told = interruption()) {
    announce_interruption();
    throw CheckpointInterrupt(told->exit_status);
  }
  const std::lock_guard lock(mutex_);
  if (!journal_) open();
  return std::make_unique<CheckpointedCall>(*this, calls_++, sink);
}

void Checkpoint::open() {
  const auto [layout, settings] = require_files(path_);
  journal_.emplace(Journal::Options{.path = path_,
                                    .identity = program_identity(),
                                    .layout = layout,
                                    .flush_after = std::chrono::duration<double>(settings.checkpoint_seconds),
                                    .guard = settings.checkpoint_is_shared ? Guard::shared : Guard::own,
                                    .key = mac_key_for(settings),
                                    .patience = std::chrono::duration<double>(settings.checkpoint_wait_seconds)});
  watch_.emplace(*journal_, InterruptionWatch::Options{std::chrono::duration<double>(settings.checkpoint_grace_seconds),
                                                       settings.requeue_status});
  report_warnings();
}

void Checkpoint::report_warnings() {
  for (const std::string& text : journal_->take_warnings()) {
    std::fprintf(stderr, "joblib_mpi: warning: %s\n", text.c_str());
  }
}

bool CheckpointedCall::take(std::size_t index, const Task& task) {
  const std::optional<Payload> result = results_.find(index, key_of(index, task), std::string(task.name()));
  if (!result) {
    checkpoint_->report_warnings();  // about damage that has lost the result
    return false;
  }
  PayloadReader reader(*result);
  try {
    sink_->load(index, reader);
  } catch (...) {  // loading would also have failed in the first run
    sink_->fail(index, std::current_exception());
  }
  return true;
}

JournalKey CheckpointedCall::key_of(std::size_t index, const Task& task) const {
  try {
    return {.function = hash_of(task.name()), .arguments = hash_of(task.view(checkpoint_->objects_))};
  } catch (const std::exception& error) {
    throw CheckpointError("checkpoint \"" + checkpoint_->path_.string() + "\" cannot keep task " +
                          std::to_string(index) + " (\"" + std::string(task.name()) + "\") of call " +
                          std::to_string(number_) + ": its arguments cannot be serialized: " + error.what());
  }
}

void CheckpointedCall::flush() {
  checkpoint_->journal_->flush();
  checkpoint_->report_warnings();
}

void CheckpointedCall::store(std::size_t index, std::shared_ptr<void> result) {
  try {
    Payload payload;
    PayloadWriter writer(payload);
    sink_->save(result, writer);
    results_.keep(index, std::move(payload));
  } catch (...) {  // the result cannot be serialized
    return fail(index, std::current_exception());
  }
  sink_->store(index, std::move(result));
}

void CheckpointedCall::load(std::size_t index, PayloadReader& result) {
  results_.keep(index, result.rest());
  sink_->load(index, result);
}

void CheckpointedCall::fail(std::size_t index, std::exception_ptr error) {
  results_.forget(index);
  sink_->fail(index, std::move(error));
}

}  // namespace joblib_mpi
