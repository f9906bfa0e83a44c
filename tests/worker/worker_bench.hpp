#pragma once

#include "protocol/wire_format.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/scripted_store.hpp"
#include "support/scripted_transport.hpp"
#include "worker/worker.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi::test {

/// An executor that runs what the test lets it run; it refuses a second task beside a running one.
class ScriptedExecutor final : public Executor {
 public:
  void start(ExecutorTask task) override {
    if (running) throw std::logic_error("started a task while another runs");
    running = std::move(task);
    if (at_once) finish(seconds_at_once);
  }
  std::optional<ExecutedTask> take_finished() override { return std::exchange(finished_, std::nullopt); }
  void interrupt() override {
    if (!running) throw std::logic_error("interrupted without a running task");
    ++interrupts;
  }
  [[nodiscard]] std::optional<std::string> broken() const override { return broken_by; }
  void forget(ObjectId object) override { forgotten.push_back(object); }
  [[nodiscard]] ItemRange take_back_items(ItemSeekers seekers) override {
    asked.push_back(seekers);
    return items_left;
  }
  [[nodiscard]] bool wants_spill_folder() const override { return wants_folder; }
  void give_spill_folder(std::shared_ptr<const SpillPlace> place) override {
    if (!std::exchange(wants_folder, false)) throw std::logic_error("given a folder that it does not want");
    given = *place;
  }

  void finish(double seconds, bool returned = true) {
    finished_.emplace(running.value().task, returned ? TaskEnding::returned : TaskEnding::raised, seconds, result);
    running.reset();
  }

  void lose() {
    finished_.emplace(running.value().task, TaskEnding::lost, 0.0, Payload{bytes("signal 9 (SIGKILL)"), {}});
    running.reset();
  }

  bool at_once = false;
  double seconds_at_once = 1e-6;  // that such a task takes
  bool wants_folder = false;
  std::optional<SpillPlace> given;
  Payload result{bytes("result"), {}};
  std::optional<std::string> broken_by;
  std::optional<ExecutorTask> running;
  int interrupts = 0;
  std::vector<ObjectId> forgotten;
  ItemRange items_left{0, 0};  // what is given back of the running batch
  std::vector<ItemSeekers> asked;

 private:
  std::optional<ExecutedTask> finished_;
};

/// Worker 1 of a cluster in which the test plays rank 0.
struct WorkerBench {
  /// Makes a worker that has begun.
  WorkerBench() : WorkerBench(Begun::no) {
    tell(to_worker::Begin{});
    worker.step();
    (void)transport.take_sent();
  }
  enum class Begun { no };
  explicit WorkerBench(Begun) {}

  Settings settings;
  ScriptedTransport transport{1, 2};
  ScriptedStore store;
  ScriptedExecutor executor;
  IdleWaiter waiter{settings, false};
  Worker worker{transport, store, executor, waiter, settings};
  std::size_t frames_sent = 0;

  template <class... Messages>
  void tell(Messages&&... messages) {
    Frame frame;
    (append(frame, std::forward<Messages>(messages)), ...);
    transport.arrives(0, std::move(frame));
  }
  void work() {
    while (worker.step()) {
    }
  }
  /// Returns the messages sent to rank 0 since the last call.
  std::vector<MessageToCoordinator> said() {
    std::vector<MessageToCoordinator> messages;
    for (const auto& sent : transport.take_sent()) {
      CHECK(sent.destination == 0);
      ++frames_sent;
      for (FrameReader reader({sent.frame.body, sent.frame.parts}); !reader.at_end();) {
        messages.push_back(reader.next_to_coordinator());
      }
    }
    return messages;
  }
  std::vector<to_coordinator::TaskFinished> finished() {
    std::vector<to_coordinator::TaskFinished> tasks;
    for (auto& message : said()) tasks.push_back(std::get<to_coordinator::TaskFinished>(std::move(message)));
    return tasks;
  }
};

inline to_worker::RunTask run_task(std::uint32_t slot, std::uint64_t call = 1, std::vector<ObjectId> objects = {}) {
  return {TaskId{slot, 0}, CallId{call}, {}, std::move(objects), Payload{bytes("arguments"), {}}};
}

}  // namespace joblib_mpi::test
