// Tests under an MPI that is initialised for calls of the main thread only.

#include "support/catch.hpp"
#include "support/own_rank.hpp"
#include "support/session_functions.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <ranges>
#include <thread>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {
auto calls() {
  return std::views::iota(0, 20) | std::views::transform([](int value) { return delayed<square>(value); });
}
}  // namespace

TEST_CASE("a call on a second thread is refused where MPI allows only the first") {
  int level = MPI_THREAD_MULTIPLE;
  MPI_Query_thread(&level);
  CHECK(level <= MPI_THREAD_FUNNELED);
  MpiSession session(MPI_COMM_WORLD);
  session.run([&] {
    std::string text;
    std::thread([&] { text = error_text<UsageError>([] { Parallel()(calls()); }); }).join();
    if (session.size() > 1) {
      CHECK_THAT(text, contains("was called from a second thread"));
      CHECK_THAT(text, contains("MPI_THREAD_SERIALIZED"));
    }
    CHECK(Parallel()(calls()).back() == 361);
    CHECK(Parallel({.n_jobs = 2, .backend = "threading"})(calls()).back() == 361);
  });
}
