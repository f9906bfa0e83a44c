// Tests of a session in a program that initialises MPI itself: on all ranks, on some of them, and in another order.

#include "support/catch.hpp"
#include "support/own_rank.hpp"
#include "support/session_functions.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <ranges>

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
