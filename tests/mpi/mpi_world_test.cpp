#include "mpi/mpi_world.hpp"

#include "mpi/mpi_failures.hpp"
#include "mpi/mpi_introductions.hpp"
#include "support/catch.hpp"
#include "support/own_rank.hpp"
#include <joblib_mpi/error.hpp>

#include <mpi.h>

#include <csignal>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("a world on an initialised MPI knows its rank and every rank's host") {
  const MpiWorld world({.identity = "same"});
  CHECK(world.rank() == own_rank());
  CHECK(world.size() == world_size());
  char name[MPI_MAX_PROCESSOR_NAME];
  int length = 0;
  MPI_Get_processor_name(name, &length);
  CHECK(world.hosts().at(static_cast<std::size_t>(world.rank())) ==
        std::string(name, static_cast<std::size_t>(length)));
  CHECK(world.any_thread_may_call());
}

TEST_CASE("a world's messages stay apart from the program's") {
  const MpiWorld world(MPI_COMM_WORLD, {.identity = "same"});
  int relation = 0;
  MPI_Comm_compare(world.communicator(), MPI_COMM_WORLD, &relation);
  CHECK(relation == MPI_CONGRUENT);
}

TEST_CASE("a world that goes leaves the program's MPI running") {
  for (int round = 0; round < 5; ++round) const MpiWorld world({.identity = "same"});
  int finalized = 1;
  MPI_Finalized(&finalized);
  CHECK(finalized == 0);
  int sum = 0;
  const int one = 1;
  MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  CHECK(sum == world_size());
}

TEST_CASE("SIGPIPE does not end the process of a world whose ranks may outlive each other") {
  const auto ends_process = [] {
    struct sigaction now {};
    sigaction(SIGPIPE, nullptr, &now);
    return now.sa_handler == SIG_DFL;
  };
  CHECK(ends_process());
  {
    const MpiWorld world({.identity = "same"});
    CHECK(ends_process() == (world.size() == 1 || !mpi_tells_of_dead_ranks()));
  }
  CHECK(ends_process());
}

TEST_CASE("a rank of another identity is refused on every rank with both named") {
  const int odd = world_size() - 1;
  const std::string text = error_text<VersionMismatch>(
      [&] { const MpiWorld world({.identity = own_rank() == odd && odd != 0 ? "app 2.0" : "app 1.0"}); });
  if (world_size() == 1) {
    CHECK(text == "(nothing was thrown)");
  } else {
    CHECK_THAT(text, contains("rank " + std::to_string(odd) + " on "));
    CHECK_THAT(text, contains("runs \"app 2.0\""));
    CHECK_THAT(text, contains("rank 0 on "));
    CHECK_THAT(text, contains("runs \"app 1.0\""));
    CHECK_THAT(text, contains("start the same program and versions on all ranks"));
  }
  const MpiWorld after({.identity = "app 1.0"});
  CHECK(after.size() == world_size());
}

TEST_CASE("identities longer than what is compared are cut and not overrun") {
  const std::string same(2000, 'x');
  CHECK_NOTHROW(MpiWorld({.identity = same + (own_rank() == 0 ? "a" : "b")}));
}

TEST_CASE("a world over a part of the ranks has only these") {
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, own_rank() % 2, -own_rank(), &half);
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(half, &rank);
  MPI_Comm_size(half, &size);
  {
    // The halves run different programs, which must not be compared with each other.
    const MpiWorld world(half, {.identity = own_rank() % 2 == 0 ? "even" : "odd"});
    CHECK(world.rank() == rank);
    CHECK(world.size() == size);
  }
  MPI_Comm_free(&half);
}

TEST_CASE("a world on no communicator is refused") {
  CHECK_THAT(error_text<UsageError>([] { MpiWorld(MPI_COMM_NULL, {.identity = "same"}); }), contains("MPI_COMM_NULL"));
}

TEST_CASE("a world whose threads all use MPI is refused where MPI allows one at a time") {
  int level = 0;
  MPI_Query_thread(&level);
  if (level < MPI_THREAD_MULTIPLE) {
    CHECK_THAT(error_text<MpiError>([] { MpiWorld({.identity = "same", .needs_multiple = true}); }),
               contains("MPI_THREAD_MULTIPLE"));
  } else {
    CHECK_NOTHROW(MpiWorld({.identity = "same", .needs_multiple = true}));
  }
}

TEST_CASE("a rank that does not join in time is named on all that did") {
  const int last = world_size() - 1;
  if (last < 1) return;
  // The communicator is not freed, because a receive from the missing rank is still pending on it.
  MPI_Comm communicator = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &communicator);
  MPI_Comm_set_errhandler(communicator, MPI_ERRORS_RETURN);
  if (own_rank() != last) {
    const std::string text = error_text<MpiError>([&] { (void)introduce_ranks(communicator, "n1", "app 1.0", 0.2); });
    CHECK_THAT(text, contains("rank " + std::to_string(last) + " has not joined within 0.2 s"));
  }
  MPI_Barrier(MPI_COMM_WORLD);
}
