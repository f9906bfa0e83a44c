#pragma once

#include "coordinator/coordinator.hpp"
#include "protocol/wire_format.hpp"
#include "support/bytes.hpp"
#include "support/scripted_store.hpp"
#include "support/scripted_transport.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi::test {

class Inbox final : public CompletionSink {
 public:
  void finished(FinishedTask task) override { tasks.push_back(std::move(task)); }
  std::vector<FinishedTask> tasks;
};

/// Rank 0 of a cluster in which the test plays the workers, which have begun and not said Hello yet.
struct ScriptedCluster {
  explicit ScriptedCluster(int workers, Settings given = {}) : settings(given), transport(0, workers + 1) {
    progress();
    (void)transport.take_sent();  // the workers begin
  }

  Settings settings;
  ScriptedTransport transport;
  ScriptedStore store;
  Coordinator coordinator{transport, store, settings};
  Inbox inbox;
  std::size_t frames_sent = 0;

  void submit(CallId call, std::uint64_t index, std::vector<ObjectId> objects = {}, std::uint32_t items = 1) {
    const std::string name = "fit_" + std::to_string(index);
    coordinator.submit(call, {index, name, Payload{bytes("arguments"), {}}, std::move(objects), {}, items});
  }
  void progress() {
    while (coordinator.progress()) {
    }
  }
  /// Returns the messages sent to `worker` since the last call; those to other workers are kept.
  std::vector<MessageToWorker> told(int worker) {
    progress();
    for (auto& sent : transport.take_sent()) {
      ++frames_sent;
      for (FrameReader reader({sent.frame.body, sent.frame.parts}); !reader.at_end();) {
        by_worker_[sent.destination].push_back(reader.next_to_worker());
      }
    }
    return std::exchange(by_worker_[worker], {});
  }
  std::vector<to_worker::RunTask> tasks_of(int worker) {
    std::vector<to_worker::RunTask> tasks;
    for (auto& message : told(worker)) tasks.push_back(std::get<to_worker::RunTask>(std::move(message)));
    return tasks;
  }
  void finish(int worker, TaskId task, TaskEnding ending = TaskEnding::returned, double seconds = 1.0) {
    says(worker, to_coordinator::TaskFinished{task, ending, seconds, Payload{bytes("result"), {part("large")}}});
  }
  /// Queues a message from the worker, which the next progress() receives.
  template <class Message>
  void arrives(int worker, Message message) {
    Frame frame;
    append(frame, std::move(message));
    transport.arrives(worker, std::move(frame));
  }
  template <class Message>
  void says(int worker, Message message) {
    arrives(worker, std::move(message));
    progress();
  }

 private:
  std::map<int, std::vector<MessageToWorker>> by_worker_;
};

}  // namespace joblib_mpi::test
