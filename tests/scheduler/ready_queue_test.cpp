#include "scheduler/ready_queue.hpp"

#include "support/catch.hpp"

using namespace joblib_mpi;

TEST_CASE("ready tasks leave the queue in the order in which they came") {
  ReadyQueue queue;
  CHECK(queue.empty());
  for (std::uint32_t slot = 0; slot < 3; ++slot) queue.push(TaskId{slot, 1});
  CHECK(queue.size() == 3);
  CHECK(queue.pop() == TaskId{0, 1});
  queue.push(TaskId{9, 2});
  CHECK(queue.pop() == TaskId{1, 1});
  CHECK(queue.pop() == TaskId{2, 1});
  CHECK(queue.size() == 1);
  CHECK(queue.pop() == TaskId{9, 2});
  CHECK(queue.empty());
}

TEST_CASE("a task that runs again leaves the queue before those that wait") {
  ReadyQueue queue;
  queue.push(TaskId{1, 0});
  queue.push_front(TaskId{2, 0});
  CHECK(queue.front() == TaskId{2, 0});
  CHECK(queue.pop() == TaskId{2, 0});
  CHECK(queue.pop() == TaskId{1, 0});
}

TEST_CASE("the first task that matches leaves the queue, and the others keep their order") {
  ReadyQueue queue;
  for (std::uint32_t slot = 0; slot < 4; ++slot) queue.push(TaskId{slot, 0});
  const auto is_odd = [](TaskId task) { return task.slot % 2 == 1; };
  CHECK(queue.pop_first(is_odd) == TaskId{1, 0});
  CHECK(queue.pop_first(is_odd) == TaskId{3, 0});
  CHECK_FALSE(queue.pop_first(is_odd));
  CHECK(queue.pop() == TaskId{0, 0});
  CHECK(queue.pop() == TaskId{2, 0});
}
