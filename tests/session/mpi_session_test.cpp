#include "support/catch.hpp"
#include "support/own_rank.hpp"
#include "support/session_functions.hpp"
#include "support/time_slice.hpp"
#include <joblib_mpi/joblib_mpi.hpp>
#include <joblib_mpi/mpi_session.hpp>

#include <future>
#include <ranges>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;

namespace {

auto square_calls(int count) {
  return iota(0, count) | transform([](int value) { return delayed<square>(value); });
}

bool are_squares(const std::vector<int>& results, int count) {
  for (int value = 0; value < count && results.size() == static_cast<std::size_t>(count); ++value) {
    if (results[static_cast<std::size_t>(value)] != square(value)) return false;
  }
  return results.size() == static_cast<std::size_t>(count);
}

int inner_threads(int) {
  return detail::active_config().backend->name() == "sequential" ? 1 : 0;
}

}  // namespace

TEST_CASE("run returns what its function returns on every rank") {
  MpiSession session(MPI_COMM_WORLD);
  CHECK(session.rank() == own_rank());
  CHECK(session.size() == world_size());
  int called = 0;
  CHECK(session.run([&] {
    ++called;
    return 42;
  }) == 42);
  CHECK(called == (own_rank() == 0 ? 1 : 0));
}

TEST_CASE("run of a function without a result returns 0 on every rank") {
  MpiSession session(MPI_COMM_WORLD);
  CHECK(session.run([] {}) == 0);
}

TEST_CASE("run may be called again and each call works") {
  MpiSession session(MPI_COMM_WORLD);
  for (int round = 1; round <= 5; ++round) {
    bool right = true;
    CHECK(session.run([&] {
      right = are_squares(Parallel()(square_calls(100)), 100);
      return round;
    }) == round);
    CHECK(right);
  }
}

TEST_CASE("runs that follow each other at once keep their messages apart") {
  MpiSession session(MPI_COMM_WORLD);
  for (int round = 0; round < 300; ++round) {
    bool right = true;
    (void)session.run([&] { right = are_squares(Parallel()(square_calls(7)), 7); });
    CHECK(right);
  }
}

TEST_CASE("a rank with a core to itself has short time slices, and the program has its own again") {
  const std::uint64_t before = time_slice();
  {
    MpiSession session(MPI_COMM_SELF);
    CHECK(time_slice() == short_time_slice(before));
    session.run([] {});
  }
  CHECK(time_slice() == before);
}

TEST_CASE("ranks that share cores have the program's time slices") {
  const std::uint64_t before = time_slice();
  MpiSession session(MPI_COMM_WORLD);
  const bool shares_cores = session.size() > sysconf(_SC_NPROCESSORS_ONLN);
  CHECK((time_slice() == before || !shares_cores));
  session.run([] {});
}

TEST_CASE("sessions one after another work") {
  for (int round = 0; round < 5; ++round) {
    MpiSession session(MPI_COMM_WORLD);
    session.run([] { CHECK(are_squares(Parallel()(square_calls(50)), 50)); });
  }
}

TEST_CASE("a session that is made from main's arguments joins an initialised MPI") {
  int argc = 0;
  char** argv = nullptr;
  {
    MpiSession session(argc, argv);
    session.run([] { CHECK(are_squares(Parallel()(square_calls(50)), 50)); });
  }
  int finalized = 1;
  MPI_Finalized(&finalized);
  CHECK(finalized == 0);
}

TEST_CASE("a session in which run is never called ends") {
  { const MpiSession session(MPI_COMM_WORLD); }
  MPI_Barrier(MPI_COMM_WORLD);
  SUCCEED("came back");
}

TEST_CASE("ranks that wait in run leave when rank 0 ends its session without calling it") {
  {
    MpiSession session(MPI_COMM_WORLD);
    if (session.rank() != 0) {
      CHECK_THAT(error_text<SessionAborted>([&] { session.run([] {}); }), contains("without calling run"));
    }
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

TEST_CASE("results of tasks on ranks come back in the order of the calls") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    CHECK(are_squares(Parallel()(square_calls(3'000)), 3'000));
    CHECK(are_squares(Parallel()(square_calls(1)), 1));
    CHECK(Parallel()(square_calls(0)).empty());
  });
}

TEST_CASE("a hundred thousand tasks come back from ranks") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] { CHECK(are_squares(Parallel()(square_calls(100'000)), 100'000)); });
}

TEST_CASE("tasks run on the worker ranks or on rank 0 if it is alone") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([&] {
    const auto ranks = Parallel()(iota(0, 500) | transform([](int value) { return delayed<own_world_rank>(value); }));
    const std::set<int> used(ranks.begin(), ranks.end());
    CHECK(used.contains(0) == (session.size() == 1));
    CHECK(*used.rbegin() < session.size());
  });
}

TEST_CASE("calls for fewer or more jobs than there are workers give all results") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([&] {
    CHECK(are_squares(Parallel({.n_jobs = 1})(square_calls(300)), 300));
    CHECK(are_squares(Parallel({.n_jobs = 2})(square_calls(300)), 300));
    CHECK(are_squares(Parallel({.n_jobs = 100})(square_calls(300)), 300));
    CHECK(are_squares(Parallel({.n_jobs = -2})(square_calls(300)), 300));
    CHECK_THROWS_AS(Parallel({.n_jobs = 0})(square_calls(3)), UsageError);
  });
}

TEST_CASE("the other backends work inside of a session") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    for (const std::string backend : {"threading", "sequential", "mpi"}) {
      CHECK(are_squares(Parallel({.n_jobs = 2, .backend = backend})(square_calls(100)), 100));
      const parallel_config config({.backend = backend});
      CHECK(are_squares(Parallel()(square_calls(100)), 100));
    }
  });
}

TEST_CASE("an unknown backend is answered with the known ones inside of a session") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    CHECK(error_text<UsageError>([] { Parallel({.backend = "mip"})(square_calls(1)); }) ==
          "unknown backend \"mip\"; known: mpi, sequential, threading");
  });
  CHECK_THROWS_AS(find_backend("mpi"), UsageError);
}

TEST_CASE("calls inside of a task on a rank are sequential") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    CHECK(Parallel()(iota(0, 3) | transform([](int value) { return delayed<inner_threads>(value); })) ==
          std::vector{1, 1, 1});
  });
}

TEST_CASE("two threads may call at once") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    bool right[2] = {false, false};
    {
      std::jthread first([&] { right[0] = are_squares(Parallel()(square_calls(2'000)), 2'000); });
      std::jthread second([&] { right[1] = are_squares(Parallel()(square_calls(2'000)), 2'000); });
    }
    CHECK(right[0]);
    CHECK(right[1]);
  });
}

TEST_CASE("run waits for a call that another thread still has under way") {
  MpiSession session(MPI_COMM_WORLD);
  bool right = false;
  std::jthread other;
  session.run([&] {
    std::promise<void> begun;
    other = std::jthread([&] {
      right = are_squares(Parallel()(std::views::iota(0, 2'000) | std::views::transform([&](int number) {
                                       if (number == 100) begun.set_value();
                                       return delayed<square>(number);
                                     })),
                          2'000);
    });
    begun.get_future().get();
  });
  if (other.joinable()) other.join();
  CHECK(right == (session.rank() == 0));
}
