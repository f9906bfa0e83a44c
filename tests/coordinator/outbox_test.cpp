#include "coordinator/outbox.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/scripted_transport.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr WorkerId one{1};
constexpr WorkerId two{2};

struct Sender {
  ScriptedTransport transport{0, 3};
  Outbox outbox{transport, 4};
  std::vector<WorkerId> busy;

  void add_task(WorkerId worker, std::size_t bytes = 1) {
    to_worker::RunTask task{{}, {}, {}, {}, Payload{Bytes(bytes), {}}};
    outbox.add_task(worker, task);
  }
  std::size_t flush(bool tasks_may_wait = false) {
    busy.clear();
    outbox.flush(tasks_may_wait, [this](WorkerId worker) { busy.push_back(worker); });
    return transport.take_sent().size();
  }
};

}  // namespace

TEST_CASE("small tasks share a frame up to a number, large ones do not") {
  Sender sender;
  for (int task = 0; task < 5; ++task) sender.add_task(one);
  CHECK(sender.flush() == 2);
  CHECK(sender.outbox.tasks_sent(one) == 5);
  for (int task = 0; task < 2; ++task) sender.add_task(one, 3500);
  CHECK(sender.flush() == 2);
  CHECK(sender.busy == std::vector{one});
}

TEST_CASE("a task waits for others only while its worker has enough to do") {
  Sender sender;
  sender.add_task(one);
  CHECK(sender.outbox.is_urgent());
  sender.add_task(one);
  CHECK(sender.flush(true) == 1);
  CHECK_FALSE(sender.outbox.is_urgent());

  sender.add_task(one);  // the worker holds two tasks, half of what fits into a frame
  CHECK_FALSE(sender.outbox.is_urgent());
  CHECK(sender.flush(true) == 0);
  CHECK_FALSE(sender.outbox.empty());
  CHECK(sender.outbox.tasks_under_way() == 3);
  CHECK(sender.flush() == 1);
  CHECK(sender.outbox.empty());
}

TEST_CASE("messages other than tasks are urgent and go to all, and workers without tasks are not busy") {
  Sender sender;
  sender.outbox.tell_all(to_worker::Ping{true});
  CHECK(sender.outbox.is_urgent());
  CHECK(sender.flush(true) == 2);
  CHECK(sender.busy.empty());
}

TEST_CASE("a worker that is given up gets nothing, and its tasks are under way no more") {
  Sender sender;
  sender.add_task(one);
  CHECK(sender.flush() == 1);
  sender.add_task(one);
  sender.add_task(two);
  sender.outbox.give_up(one);
  sender.outbox.tell_all(to_worker::Ping{true});
  CHECK(sender.outbox.tasks_under_way() == 1);
  const auto frames = (sender.outbox.flush(false, [](WorkerId) {}), sender.transport.take_sent());
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].destination == two.value);
  sender.outbox.take_back(one);
  sender.add_task(one);
  CHECK(sender.flush() == 1);
  CHECK(sender.outbox.tasks_sent(one) == 1);
}

TEST_CASE("tasks that have come back, or never will, are not counted") {
  Sender sender;
  for (int task = 0; task < 3; ++task) sender.add_task(two);
  (void)sender.flush();
  sender.outbox.task_came_back(two);
  CHECK(sender.outbox.tasks_sent(two) == 2);
  sender.outbox.forget_tasks(two);
  CHECK(sender.outbox.tasks_under_way() == 0);
}
