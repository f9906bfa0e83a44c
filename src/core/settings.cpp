#include "core/settings.hpp"

#include <joblib_mpi/error.hpp>

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace joblib_mpi {
namespace {

template <class Number>
void read(const EnvironmentLookup& lookup, const char* name, Number& value, Number smallest, Number largest) {
  const std::optional<std::string> text = lookup(name);
  if (!text) return;
  Number parsed{};
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, parsed);
  if (error != std::errc{} || stop != end || !(parsed >= smallest && parsed <= largest)) {
    throw UsageError(std::string(name) + "=\"" + *text + "\" is not a number from " + std::to_string(smallest) +
                     " to " + std::to_string(largest) + "; correct or unset it");
  }
  value = parsed;
}

void read_choice(const EnvironmentLookup& lookup, const char* name, bool& value, const char* yes, const char* no) {
  const std::optional<std::string> text = lookup(name);
  if (!text) return;
  if (*text != yes && *text != no) {
    throw UsageError(std::string(name) + "=\"" + *text + "\" is neither \"" + yes + "\" nor \"" + no +
                     "\"; correct or unset it");
  }
  value = *text == yes;
}

/// Reads a number of bytes; leaves `value` empty if the variable is not set.
void read_bytes(const EnvironmentLookup& lookup, const char* name, std::optional<std::uint64_t>& value) {
  if (!lookup(name)) return;
  value.emplace();
  read<std::uint64_t>(lookup, name, *value, 0, std::uint64_t{1} << 62);
}

}  // namespace

Settings settings_from(const EnvironmentLookup& lookup) {
  Settings settings;
  read<std::size_t>(lookup, "JOBLIB_MPI_TASKS_PER_MESSAGE", settings.tasks_per_message, 1, 1024);
  read<std::size_t>(lookup, "JOBLIB_MPI_MAX_CREDITS", settings.max_credits, 1, 4096);
  read(lookup, "JOBLIB_MPI_PREFETCH_SECONDS", settings.prefetch_seconds, 0.0, 3600.0);
  read(lookup, "JOBLIB_MPI_START_SECONDS", settings.start_seconds, 0.0, 86400.0);
  read(lookup, "JOBLIB_MPI_SHUTDOWN_SECONDS", settings.shutdown_seconds, 0.0, 86400.0);
  read(lookup, "JOBLIB_MPI_HEARTBEAT_SECONDS", settings.heartbeat_seconds, 0.0, 86400.0);
  read(lookup, "JOBLIB_MPI_GRACE_SECONDS", settings.grace_seconds, 0.0, 86400.0);
  read(lookup, "JOBLIB_MPI_SPIN_SECONDS", settings.spin_seconds, 0.0, 3600.0);
  read(lookup, "JOBLIB_MPI_MAX_SLEEP_SECONDS", settings.max_sleep_seconds, 1e-6, 10.0);
  read<std::size_t>(lookup, "JOBLIB_MPI_BROADCAST_CHUNK_BYTES", settings.broadcast_chunk_bytes, 1, 1 << 30);
  read<std::size_t>(lookup, "JOBLIB_MPI_MESSAGE_PIECE_BYTES", settings.message_piece_bytes, 1 << 17, 1 << 30);
  read(lookup, "JOBLIB_MPI_CHECKPOINT_SECONDS", settings.checkpoint_seconds, 0.0, 86400.0);
  read(lookup, "JOBLIB_MPI_CHECKPOINT_GRACE_SECONDS", settings.checkpoint_grace_seconds, 0.0, 86400.0);
  read(lookup, "JOBLIB_MPI_REQUEUE_STATUS", settings.requeue_status, 1, 255);
  read(lookup, "JOBLIB_MPI_CHECKPOINT_WAIT_SECONDS", settings.checkpoint_wait_seconds, 0.0, 86400.0);
  read_choice(lookup, "JOBLIB_MPI_CHECKPOINT_GUARD", settings.checkpoint_is_shared, "shared", "own");
  read<std::size_t>(lookup, "JOBLIB_MPI_EXECUTOR_TASKS", settings.executor_tasks, 0, std::size_t{1} << 50);
  read<std::size_t>(lookup, "JOBLIB_MPI_EXECUTOR_GROWTH", settings.executor_growth_bytes, 0, std::size_t{1} << 50);
  read<std::size_t>(lookup, "JOBLIB_MPI_SPARE_BYTES", settings.spare_bytes, 0, std::size_t{1} << 50);
  read_choice(lookup, "JOBLIB_MPI_SHARED_FALLBACK", settings.shared_fallback_to_file, "file", "error");
  read_bytes(lookup, "JOBLIB_MPI_SPILL_THRESHOLD", settings.spill.threshold_bytes);
  read_bytes(lookup, "JOBLIB_MPI_MEMORY_BUDGET", settings.spill.memory_budget_bytes);
  settings.spill.folder = lookup("JOBLIB_MPI_SPILL_DIR");
  if (lookup("JOBLIB_MPI_KEEP_SPILL")) {
    read_choice(lookup, "JOBLIB_MPI_KEEP_SPILL", settings.spill.keep.emplace(), "yes", "no");
  }
  settings.spill.compression = lookup("JOBLIB_MPI_SPILL_COMPRESSION");
  return settings;
}

Settings settings_from_environment() {
  return settings_from([](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  });
}

}  // namespace joblib_mpi
