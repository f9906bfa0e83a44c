#include "scheduler/retry_policy.hpp"

#include "support/catch.hpp"

using namespace joblib_mpi;

TEST_CASE("lost and late attempts are repeated as often as there are retries") {
  constexpr RetryPolicy twice{.retries = 2, .retry_exceptions = false};
  for (const TaskEnding ending : {TaskEnding::lost, TaskEnding::timed_out}) {
    CHECK(twice.runs_again(ending, 1));
    CHECK(twice.runs_again(ending, 2));
    CHECK_FALSE(twice.runs_again(ending, 3));
  }
  CHECK_FALSE(RetryPolicy{}.runs_again(TaskEnding::lost, 1));
}

TEST_CASE("exceptions are repeated only where they are asked to be, other endings never") {
  constexpr RetryPolicy without{.retries = 2, .retry_exceptions = false};
  constexpr RetryPolicy with{.retries = 2, .retry_exceptions = true};
  CHECK_FALSE(without.runs_again(TaskEnding::raised, 1));
  CHECK(with.runs_again(TaskEnding::raised, 2));
  CHECK_FALSE(with.runs_again(TaskEnding::raised, 3));
  for (const TaskEnding ending : {TaskEnding::returned, TaskEnding::cancelled}) {
    CHECK_FALSE(with.runs_again(ending, 1));
  }
}
