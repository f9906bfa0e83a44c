#include "observe/progress.hpp"

#include "support/captured_stderr.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/parallel.hpp>

#include <algorithm>
#include <ranges>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace progress_test {
int same(int value) {
  return value;
}
}  // namespace progress_test

TEST_CASE("a silent call prints nothing") {
  const std::string text = captured_stderr([] {
    Progress progress(0, 4, 10);
    for (int task = 0; task < 10; ++task) progress.task_finished();
    progress.finish();
  });
  CHECK(text.empty());
}

TEST_CASE("a very verbose call prints a line after each task and one at the end") {
  const std::string text = captured_stderr([] {
    Progress progress(50, 4, 3);
    for (int task = 0; task < 3; ++task) progress.task_finished();
    progress.finish();
  });
  CHECK(std::ranges::count(text, '\n') == 4);
  CHECK_THAT(text, contains("[Parallel(n_jobs=4)]: Done 1 out of 3 | elapsed: "));
  CHECK_THAT(text, contains("remaining: "));
  CHECK_THAT(text, contains("[Parallel(n_jobs=4)]: Done 3 out of 3 | elapsed: "));
  CHECK_THAT(text, contains("s finished\n"));
}

TEST_CASE("a call of unknown length counts its tasks") {
  const std::string text = captured_stderr([] {
    Progress progress(50, 2, std::nullopt);
    progress.task_finished();
    progress.task_finished();
    progress.finish();
  });
  CHECK_THAT(text, contains("[Parallel(n_jobs=2)]: Done 1 tasks | elapsed: "));
  CHECK_THAT(text, contains("Done 2 out of 2"));
}

TEST_CASE("the end of a verbose call is printed and an option of the call asks for it") {
  const std::string text = captured_stderr([] {
    Parallel({.backend = "sequential", .verbose = 1})(
        std::views::iota(0, 5) | std::views::transform([](int value) { return delayed<progress_test::same>(value); }));
  });
  CHECK_THAT(text, contains("[Parallel(n_jobs=1)]: Done 5 out of 5"));
}
