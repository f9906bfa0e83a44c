// Tests of a session in a program that initialises MPI itself: on all ranks, on some of them, and in another order.

#include "support/catch.hpp"
#include "support/own_rank.hpp"
#include "support/session_functions.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <array>
#include <future>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;

namespace {

double sum_of_squares(int count) {
  const auto squares = Parallel()(iota(0, count) | transform([](int value) { return delayed<square>(value); }));
  double sum = 0;
  for (const int value : squares) sum += value;
  return sum;
}

/// Checks that the program can use MPI after a session. Collective.
void check_own_mpi_works() {
  int sum = 0;
  const int own = own_rank() + 1;
  MPI_Allreduce(&own, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  CHECK(sum == world_size() * (world_size() + 1) / 2);
}

}  // namespace

TEST_CASE("all ranks go on with their own MPI after run") {
  MpiSession session(MPI_COMM_WORLD);
  for (int round = 0; round < 3; ++round) {
    double sum = 0;
    session.run([&] { sum = sum_of_squares(100); });
    MPI_Bcast(&sum, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    CHECK(sum == 328'350);
    check_own_mpi_works();
  }
}

TEST_CASE("two sessions on the halves of a split communicator work side by side") {
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, own_rank() % 2, own_rank(), &half);
  {
    MpiSession session(half);
    const int parity = own_rank() % 2;
    CHECK(session.run([&] {
      CHECK(sum_of_squares(100) == 328'350);
      return 10 + parity;
    }) == 10 + parity);
  }
  MPI_Comm_free(&half);
  check_own_mpi_works();
}

TEST_CASE("an intercommunicator is refused on all its ranks") {
  if (world_size() == 1) return;
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm both = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, own_rank() % 2, own_rank(), &half);
  MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - own_rank() % 2, 0, &both);
  CHECK_THAT(error_text<UsageError>([&] { const MpiSession session(both); }), contains("MPI_Intercomm_merge"));
  MPI_Comm_free(&both);
  MPI_Comm_free(&half);
}

TEST_CASE("a session on one rank inside of run works beside the outer one") {
  MpiSession outer(MPI_COMM_WORLD);
  outer.run([&] {
    {
      MpiSession inner(MPI_COMM_SELF);
      CHECK(inner.size() == 1);
      inner.run([] { CHECK(sum_of_squares(100) == 328'350); });
    }
    CHECK((Parallel()(std::vector{delayed<own_world_rank>(0)}).front() > 0) == (world_size() > 1));
  });
  check_own_mpi_works();
}

TEST_CASE("run inside of run is refused and ends no rank") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([&] {
    CHECK_THAT(error_text<UsageError>([&] { session.run([] {}); }), contains("inside the function that it runs"));
    CHECK(sum_of_squares(100) == 328'350);
  });
}

TEST_CASE("two sessions with a thread each work at the same time where MPI allows it and are refused elsewhere") {
  int level = MPI_THREAD_SINGLE;
  MPI_Query_thread(&level);
  MPI_Comm others = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &others);
  if (level < MPI_THREAD_MULTIPLE) {
    const MpiSession session(MPI_COMM_WORLD);
    std::string refusal;
    std::thread([&] { refusal = error_text<UsageError>([&] { const MpiSession second(others); }); }).join();
    CHECK_THAT(refusal, contains("MPI_THREAD_MULTIPLE"));
  } else {
    std::array<int, 2> right{};
    const auto work = [&](MPI_Comm communicator, int& count) {
      MpiSession session(communicator);
      session.run([&] {
        for (int round = 0; round < 20; ++round) count += sum_of_squares(100) == 328'350 ? 1 : 0;
      });
    };
    std::thread second([&] { work(others, right[1]); });
    work(MPI_COMM_WORLD, right[0]);
    second.join();
    CHECK(right == (own_rank() == 0 ? std::array{20, 20} : std::array{0, 0}));
  }
  MPI_Comm_free(&others);
}

TEST_CASE("a thread that calls Parallel after run gets an error and not another backend") {
  MpiSession session(MPI_COMM_WORLD);
  std::promise<void> run_has_ended;
  std::string refusal;
  std::thread late;
  session.run([&] {
    late = std::thread([&] {
      run_has_ended.get_future().wait();
      refusal = error_text<UsageError>([] { (void)sum_of_squares(3); });
      const parallel_config config({.backend = "sequential"});
      CHECK(sum_of_squares(3) == 5);
    });
  });
  run_has_ended.set_value();
  if (late.joinable()) {
    late.join();
    CHECK_THAT(refusal, contains("make the call inside run, or name the backend"));
  }
  CHECK(sum_of_squares(3) == 5);  // the thread of run may go on without ranks
}

TEST_CASE("the last rank may lead when the program's communicator says so") {
  MPI_Comm reversed = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, 0, -own_rank(), &reversed);
  {
    MpiSession session(reversed);
    CHECK(session.rank() == world_size() - 1 - own_rank());
    int coordinator = -1;
    session.run([&] { coordinator = own_rank(); });
    CHECK(coordinator == (own_rank() == world_size() - 1 ? own_rank() : -1));
  }
  MPI_Comm_free(&reversed);
}

TEST_CASE("messages of the program under way during a session are not touched by it") {
  const int next = (own_rank() + 1) % world_size();
  const int previous = (own_rank() + world_size() - 1) % world_size();
  int arrived = -1;
  const int own = own_rank();
  MPI_Request requests[2];
  MPI_Irecv(&arrived, 1, MPI_INT, previous, 1, MPI_COMM_WORLD, &requests[0]);
  MpiSession session(MPI_COMM_WORLD);
  session.run([] { CHECK(sum_of_squares(50) == 40'425); });
  MPI_Isend(&own, 1, MPI_INT, next, 1, MPI_COMM_WORLD, &requests[1]);
  MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
  CHECK(arrived == previous);
}
