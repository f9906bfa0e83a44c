#include "coordinator/worker_roster.hpp"

#include "support/catch.hpp"

#include <vector>

using namespace joblib_mpi;
namespace {

using Standing = WorkerRoster::Standing;

constexpr WorkerId worker_1{1};
constexpr WorkerId worker_2{2};

}  // namespace

TEST_CASE("all workers are present and serve at first") {
  const WorkerRoster roster(3);

  CHECK(roster.all_present());
  CHECK(roster.serving() == std::vector{worker_1, worker_2});
}

TEST_CASE("a worker that was given up comes back only into the epoch that it was called back into") {
  WorkerRoster roster(3);

  CHECK(roster.give_up(worker_1));
  CHECK_FALSE(roster.give_up(worker_1));
  CHECK_FALSE(roster.take_back(worker_1, 1));  // it was not called back

  CHECK(roster.call_back(worker_1) == 1);
  CHECK_FALSE(roster.take_back(worker_1, 0));
  CHECK_FALSE(roster.is_present(worker_1));
  CHECK(roster.take_back(worker_1, 1));
  CHECK(roster.is_present(worker_1));
  CHECK(roster.serving() == std::vector{worker_1, worker_2});
  CHECK(roster.returns() == 1);

  CHECK(roster.give_up(worker_1));
  CHECK(roster.call_back(worker_1) == 2);
}

TEST_CASE("a worker that is gone stays so, and leaves only once") {
  WorkerRoster roster(3);

  CHECK(roster.give_up(worker_1));
  CHECK(roster.call_back(worker_1) == 1);
  CHECK(roster.lose(worker_1) == Standing::called_back);
  CHECK(roster.lose(worker_1) == Standing::gone);
  CHECK_FALSE(roster.take_back(worker_1, 1));
  CHECK(roster.standing(worker_1) == Standing::gone);
}

TEST_CASE("a worker that can run no more tasks stays so when it comes back") {
  WorkerRoster roster(3);

  roster.retire(worker_2);
  CHECK(roster.is_serving(worker_2));
  CHECK(roster.give_up(worker_2));
  CHECK(roster.call_back(worker_2) == 1);
  CHECK(roster.take_back(worker_2, 1));
  CHECK(roster.is_retired(worker_2));
}

TEST_CASE("at the end those are gone that were given up, and no others") {
  WorkerRoster roster(4);

  CHECK(roster.give_up(worker_1));
  CHECK(roster.give_up(worker_2));
  CHECK(roster.call_back(worker_2) == 1);
  CHECK(roster.stop_waiting() == std::vector{worker_1, worker_2});
  CHECK(roster.stop_waiting().empty());
  CHECK(roster.standing(worker_2) == Standing::gone);
  CHECK(roster.is_present(WorkerId{3}));
  CHECK_FALSE(roster.all_present());
}

TEST_CASE("of the loss that was noted last a task can be taken back") {
  WorkerRoster roster(3);
  std::vector<std::size_t> told;
  roster.on_loss([&](const LostWorker& lost) { told.push_back(lost.tasks_again); });

  roster.note({worker_1, "was found dead by MPI", 3});
  roster.tell_of_loss();
  roster.note({worker_2, "did not answer for 10 s", 2});
  roster.runs_no_more();
  roster.tell_of_loss();

  CHECK(told == std::vector<std::size_t>{3, 1});
  REQUIRE(roster.lost().size() == 2);
  CHECK(roster.lost()[0].tasks_again == 3);
}
