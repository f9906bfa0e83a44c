#include "core/settings.hpp"

#include "support/catch.hpp"
#include <joblib_mpi/error.hpp>

#include <map>
#include <string>

using namespace joblib_mpi;
using joblib_mpi::test::contains;
using joblib_mpi::test::error_text;

namespace {

Settings settings_with(const std::map<std::string, std::string>& environment) {
  return settings_from([&](const char* name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  });
}

std::string refusal(const std::string& name, const std::string& value) {
  return error_text<UsageError>([&] { (void)settings_with({{name, value}}); });
}

}  // namespace

TEST_CASE("an empty environment leaves every setting at its default") {
  const Settings defaults;
  const Settings settings = settings_with({});
  CHECK(settings.tasks_per_message == defaults.tasks_per_message);
  CHECK(settings.max_credits == defaults.max_credits);
  CHECK(settings.prefetch_seconds == defaults.prefetch_seconds);
  CHECK(settings.start_seconds == defaults.start_seconds);
  CHECK(settings.shutdown_seconds == defaults.shutdown_seconds);
  CHECK(settings.heartbeat_seconds == defaults.heartbeat_seconds);
  CHECK(settings.grace_seconds == defaults.grace_seconds);
  CHECK(settings.executor_tasks == defaults.executor_tasks);
  CHECK(settings.executor_growth_bytes == defaults.executor_growth_bytes);
  CHECK(settings.spin_seconds == defaults.spin_seconds);
  CHECK(settings.max_sleep_seconds == defaults.max_sleep_seconds);
  CHECK(settings.broadcast_chunk_bytes == defaults.broadcast_chunk_bytes);
}

TEST_CASE("each variable sets its own setting") {
  const Settings settings = settings_with({{"JOBLIB_MPI_TASKS_PER_MESSAGE", "3"},
                                           {"JOBLIB_MPI_MAX_CREDITS", "5"},
                                           {"JOBLIB_MPI_PREFETCH_SECONDS", "0.25"},
                                           {"JOBLIB_MPI_START_SECONDS", "30"},
                                           {"JOBLIB_MPI_SHUTDOWN_SECONDS", "7.5"},
                                           {"JOBLIB_MPI_HEARTBEAT_SECONDS", "2.5"},
                                           {"JOBLIB_MPI_GRACE_SECONDS", "0.125"},
                                           {"JOBLIB_MPI_EXECUTOR_TASKS", "0"},
                                           {"JOBLIB_MPI_EXECUTOR_GROWTH", "5000000000"},
                                           {"JOBLIB_MPI_SPIN_SECONDS", "1e-4"},
                                           {"JOBLIB_MPI_MAX_SLEEP_SECONDS", "0.5"},
                                           {"JOBLIB_MPI_BROADCAST_CHUNK_BYTES", "4096"}});
  CHECK(settings.tasks_per_message == 3);
  CHECK(settings.max_credits == 5);
  CHECK(settings.prefetch_seconds == 0.25);
  CHECK(settings.start_seconds == 30);
  CHECK(settings.shutdown_seconds == 7.5);
  CHECK(settings.heartbeat_seconds == 2.5);
  CHECK(settings.grace_seconds == 0.125);
  CHECK(settings.executor_tasks == 0);
  CHECK(settings.executor_growth_bytes == 5'000'000'000);
  CHECK(settings.spin_seconds == 1e-4);
  CHECK(settings.max_sleep_seconds == 0.5);
  CHECK(settings.broadcast_chunk_bytes == 4096);
}

TEST_CASE("the longest pause is never shorter than the time between two looks, nor long beside the heartbeat") {
  const auto longest = [](double max_sleep, double heartbeat) {
    Settings settings;
    settings.max_sleep_seconds = max_sleep;
    settings.heartbeat_seconds = heartbeat;
    return longest_pause_seconds(settings);
  };
  CHECK(longest(1e-3, 0) == 20e-3);
  CHECK(longest(1e-3, 60) == 20e-3);
  CHECK(longest(1e-3, 10.24) == 10e-3);
  CHECK(longest(1e-3, 0.1) == 1e-3);
  CHECK(longest(0.5, 60) == 0.5);
}

TEST_CASE("what is said of large results is left open where the environment says nothing") {
  CHECK_FALSE(settings_with({}).spill.threshold_bytes);
  CHECK_FALSE(settings_with({}).spill.keep);
  const SpillOptions spill = settings_with({{"JOBLIB_MPI_SPILL_THRESHOLD", "1000"},
                                            {"JOBLIB_MPI_MEMORY_BUDGET", "2000000000000"},
                                            {"JOBLIB_MPI_SPILL_DIR", "/scratch"},
                                            {"JOBLIB_MPI_KEEP_SPILL", "yes"},
                                            {"JOBLIB_MPI_SPILL_COMPRESSION", "gzip:2"}})
                                 .spill;
  CHECK(spill.threshold_bytes == std::uint64_t{1000});
  CHECK(spill.memory_budget_bytes == std::uint64_t{2'000'000'000'000});
  CHECK(spill.folder == "/scratch");
  CHECK(spill.keep == true);
  CHECK(spill.compression == "gzip:2");
  CHECK_THAT(refusal("JOBLIB_MPI_SPILL_THRESHOLD", "64MB"), contains("JOBLIB_MPI_SPILL_THRESHOLD=\"64MB\""));
  CHECK_THAT(refusal("JOBLIB_MPI_KEEP_SPILL", "maybe"), contains("\"yes\""));
}

TEST_CASE("the ends of a range are allowed") {
  CHECK(settings_with({{"JOBLIB_MPI_MAX_CREDITS", "1"}}).max_credits == 1);
  CHECK(settings_with({{"JOBLIB_MPI_MAX_CREDITS", "4096"}}).max_credits == 4096);
  CHECK(settings_with({{"JOBLIB_MPI_MESSAGE_PIECE_BYTES", "131072"}}).message_piece_bytes == 131072);
  CHECK(settings_with({{"JOBLIB_MPI_MESSAGE_PIECE_BYTES", "1073741824"}}).message_piece_bytes == 1 << 30);
  CHECK(settings_with({{"JOBLIB_MPI_SHUTDOWN_SECONDS", "0"}}).shutdown_seconds == 0);
  CHECK(settings_with({{"JOBLIB_MPI_SHUTDOWN_SECONDS", "86400"}}).shutdown_seconds == 86400);
}

TEST_CASE("a value outside its range is refused with the variable and the value and the range") {
  for (const std::string value : {"0", "4097", "99999999999999999999999"}) {
    const std::string text = refusal("JOBLIB_MPI_MAX_CREDITS", value);
    CHECK_THAT(text, contains("JOBLIB_MPI_MAX_CREDITS"));
    CHECK_THAT(text, contains("\"" + value + "\""));
    CHECK_THAT(text, contains("from 1 to 4096"));
  }
  for (const std::string value : {"131071", "1073741825"}) {
    CHECK_THAT(refusal("JOBLIB_MPI_MESSAGE_PIECE_BYTES", value), contains("from 131072 to 1073741824"));
  }
  CHECK_THAT(refusal("JOBLIB_MPI_SHUTDOWN_SECONDS", "-1"), contains("JOBLIB_MPI_SHUTDOWN_SECONDS"));
  CHECK_THAT(refusal("JOBLIB_MPI_MAX_SLEEP_SECONDS", "0"), contains("JOBLIB_MPI_MAX_SLEEP_SECONDS"));
}

TEST_CASE("text that is not a number is refused") {
  for (const std::string value : {"", "many", "5s", " 5", "5 ", "-5", "0x10", "1.5"}) {
    CHECK_THAT(refusal("JOBLIB_MPI_TASKS_PER_MESSAGE", value), contains("=\"" + value + "\" is not a number"));
  }
  for (const std::string value : {"", "soon", "1s", "nan", "inf", "1,5"}) {
    CHECK_THAT(refusal("JOBLIB_MPI_PREFETCH_SECONDS", value), contains("=\"" + value + "\" is not a number"));
  }
}
