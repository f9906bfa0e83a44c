#include "session/loss_log.hpp"

#include "support/captured_stderr.hpp"
#include "support/catch.hpp"
#include "support/scripted_cluster.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

const std::vector<std::string> hosts{"n0", "n1", "n2"};

}  // namespace

TEST_CASE("a worker that is lost in one run is lost in the next, and the loss is told once") {
  LossLog log;
  ScriptedCluster first(2);
  log.watch(first.coordinator, hosts);
  const std::string warning = captured_stderr([&] { first.coordinator.lose(WorkerId{2}, "did not answer for 10 s"); });
  CHECK_THAT(warning, contains("rank 2 on n2 was lost (did not answer for 10 s)"));
  REQUIRE(log.lost().size() == 1);

  ScriptedCluster second(2);
  CHECK(captured_stderr([&] { log.watch(second.coordinator, hosts); }).empty());
  CHECK(second.coordinator.lost_workers().size() == 1);
  CHECK(log.lost().size() == 1);
}

TEST_CASE("a worker that comes back is lost no more, but later runs make no broadcasts") {
  LossLog log;
  ScriptedCluster first(2);
  log.watch(first.coordinator, hosts);
  (void)captured_stderr([&] { first.coordinator.give_up(WorkerId{2}, "did not answer for 10 s"); });
  CHECK(log.lost().size() == 1);
  const std::string line = captured_stderr([&] {
    first.says(2, to_coordinator::Pong{});
    first.says(2, to_coordinator::Hello{true, 1, {}});
  });
  CHECK_THAT(line, contains("rank 2 on n2 is back and gets tasks again"));
  CHECK(log.lost().empty());

  ScriptedCluster second(2);
  log.watch(second.coordinator, hosts);
  CHECK(second.coordinator.lost_workers().empty());
  CHECK(second.store.broadcasts_ended);
}

TEST_CASE("a worker that only runs no more tasks is not among the lost") {
  LossLog log;
  ScriptedCluster cluster(2);
  log.watch(cluster.coordinator, hosts);
  const std::string warning =
      captured_stderr([&] { cluster.coordinator.retire(WorkerId{1}, "its executors do not start"); });
  CHECK_THAT(warning, contains("rank 1 on n1 can run no more tasks"));
  CHECK(log.lost().empty());
}

TEST_CASE("a rank that the transport has found dead is added once") {
  LossLog log;
  log.add(WorkerId{1});
  log.add(WorkerId{2});
  log.add(WorkerId{1});
  REQUIRE(log.lost().size() == 2);
  CHECK(log.lost()[0].worker == WorkerId{1});
  CHECK(log.lost()[1].worker == WorkerId{2});
}
