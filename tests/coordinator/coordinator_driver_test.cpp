#include "coordinator/coordinator_driver.hpp"

#include "core/wake_flag.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/scripted_cluster.hpp"
#include <joblib_mpi/error.hpp>

#include <string>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

struct DrivenCluster {
  ScriptedCluster cluster{2};
  WakeFlag flag;
  CoordinatorDriver driver{cluster.coordinator, cluster.settings, {false, flag}};

  void submit(CallId call) { driver.submit(call, {0, "fit", Payload{bytes("arguments"), {}}, {}}); }
};

}  // namespace

TEST_CASE("a thread that drives in a loop is woken for every kind of work") {
  DrivenCluster driven;
  driven.driver.wake_for(CoordinatorDriver::WakeFor::every_task);
  const CallId call = driven.driver.start_call({.n_jobs = 1}, driven.cluster.inbox);
  CHECK_FALSE(driven.flag.take());  // a call without tasks causes no work
  driven.submit(call);
  CHECK(driven.flag.take());
  const ObjectId object = driven.driver.share(Payload{bytes("value"), {}});
  CHECK(driven.flag.take());
  driven.driver.drop(object);
  CHECK(driven.flag.take());
  driven.driver.stop_starting(call);
  CHECK(driven.flag.take());
  driven.driver.end_call(call);
  CHECK(driven.flag.take());
}

TEST_CASE("where submitters soon drive themselves, a new task wakes no other thread") {
  DrivenCluster driven;
  driven.driver.wake_for(CoordinatorDriver::WakeFor::everything_else);
  const CallId call = driven.driver.start_call({.n_jobs = 1}, driven.cluster.inbox);
  driven.submit(call);
  CHECK_FALSE(driven.flag.take());
  driven.driver.end_call(call);
  CHECK(driven.flag.take());
}

TEST_CASE("a closed driver refuses new work by name, and lets go of what there was") {
  DrivenCluster driven;
  const CallId call = driven.driver.start_call({.n_jobs = 1}, driven.cluster.inbox);
  const ObjectId object = driven.driver.share(Payload{bytes("value"), {}});
  driven.driver.close();

  const auto refuses = [](auto&& use, const std::string& function) {
    CHECK(error_text<UsageError>(use) == function + " was called after the session had ended");
  };
  refuses([&] { (void)driven.driver.start_call({.n_jobs = 1}, driven.cluster.inbox); }, "start_call");
  refuses([&] { driven.submit(call); }, "submit");
  refuses([&] { driven.driver.submit_and_drive(call, {1, "fit", {}, {}}); }, "submit");
  refuses([&] { (void)driven.driver.share(Payload{bytes("value"), {}}); }, "scatter");
  refuses([&] { (void)driven.driver.object_stats(); }, "object_stats");
  refuses(
      [&] {
        ResultInbox inbox;
        std::vector<FinishedTask> results;
        (void)driven.driver.wait(inbox, results, std::nullopt);
      },
      "wait");

  driven.driver.drop(object);
  driven.driver.stop_starting(call);
  driven.driver.end_call(call);
  driven.driver.lose(WorkerId{1}, "the test says so");
  CHECK_FALSE(driven.driver.results_fill_memory(call));
  CHECK_FALSE(driven.driver.drive());
  CHECK(driven.driver.stop_workers({0, ""}, 0).empty());
  CHECK(driven.cluster.transport.take_sent().empty());  // nothing has reached the coordinator
}
