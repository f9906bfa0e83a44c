#include "core/deadline_guard.hpp"

#include "support/catch.hpp"

#include <chrono>
#include <future>

using namespace joblib_mpi;

namespace {

/// The action of a guard at its deadline, in place of ending the process.
struct Expiry {
  std::promise<std::pair<std::string, int>> promise;
  std::future<std::pair<std::string, int>> future = promise.get_future();

  DeadlineGuard::Expiry function() {
    return [this](const std::string& text, int status) { promise.set_value({text, status}); };
  }
};

}  // namespace

TEST_CASE("what takes too long ends the process with its name, the limit and an advice") {
  Expiry expiry;
  const DeadlineGuard guard(
      {.seconds = 0.01, .operation = "rank 2 on n1: MPI_Init", .advice = "look", .exit_status = 7}, expiry.function());
  REQUIRE(expiry.future.wait_for(std::chrono::minutes(1)) == std::future_status::ready);
  const auto [text, status] = expiry.future.get();
  CHECK(text == "rank 2 on n1: MPI_Init did not end within 0.01 s: look");
  CHECK(status == 7);
}

TEST_CASE("what ends in time is not heard of again") {
  for (int round = 0; round < 100; ++round) {
    const DeadlineGuard guard({.seconds = 3600, .operation = "a quick one"},
                              [](const std::string&, int) { FAIL("it was in time"); });
  }
}
