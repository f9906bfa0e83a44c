#pragma once

#include "client/client_messages.hpp"
#include "client/frame_link.hpp"
#include "client/greeting.hpp"
#include "client/wake_event.hpp"
#include "coordinator/coordinator_driver.hpp"
#include "core/finished_task.hpp"
#include "core/frame.hpp"
#include "core/ids.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

namespace joblib_mpi {

/// One client as rank 0 has it: its connection, its calls and its objects. Not thread-safe, except that tasks finish
/// on the thread that drives the coordinator.
///
/// Tasks of the client wait here while it has too many results that it has not taken.
class ServedClient {
 public:
  using Clock = std::chrono::steady_clock;

  /// `number` is that of the client in the job. `event` is notified when a task has finished. The driver and the event
  /// must outlive the client.
  ServedClient(std::uint64_t number, CoordinatorDriver& driver, WakeEvent& event, std::size_t most_untaken_bytes)
      : number_(number), driver_(&driver), event_(&event), most_untaken_bytes_(most_untaken_bytes) {}
  ServedClient(const ServedClient&) = delete;
  ServedClient& operator=(const ServedClient&) = delete;
  /// Ends all calls of the client and drops its objects.
  ~ServedClient();

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] FrameLink& link() noexcept { return link_; }

  /// Carries out what a frame of the client asks for. Throws SerializationError if it is no frame, and UsageError if
  /// the session has ended.
  void take(const Frame& frame);
  /// Sends what has finished, and answers questions whose answers are there; submits tasks that have waited.
  void go_on(Clock::time_point now);
  /// Tells the client that the session has ended.
  void end_session(std::string reason);

  /// Returns whether the client has said goodbye.
  [[nodiscard]] bool has_left() const noexcept { return has_left_; }
  /// Returns whether a question of the client waits for workers, which nothing announces.
  [[nodiscard]] bool waits_for_workers() const noexcept { return !file_questions_.empty(); }

 private:
  /// A call of the client, under the number that it has there.
  class Call final : public CompletionSink {
   public:
    Call(ServedClient& client, CallId number) : client_(&client), number_(number) {}
    void finished(FinishedTask task) override;

    CallId call{};  ///< the number that it has here

   private:
    ServedClient* client_;
    CallId number_;
  };
  using Waiting = std::variant<to_rank0::SubmitTask, to_rank0::DropObject>;
  struct FileQuestion {
    std::uint64_t of_client;
    std::uint64_t of_workers;
    Clock::time_point deadline;
  };

  void handle(to_rank0::StartCall&& message);
  void handle(to_rank0::SubmitTask&& message);
  void handle(const to_rank0::StopStarting& message);
  void handle(const to_rank0::EndCall& message);
  void handle(to_rank0::ShareObject&& message);
  void handle(to_rank0::ShareBlock&& message);
  void handle(const to_rank0::DropObject& message);
  void handle(const to_rank0::Ask& message);
  void handle(to_rank0::CompareFile&& message);
  void handle(const to_rank0::Goodbye&) { has_left_ = true; }

  void submit(to_rank0::SubmitTask&& message);
  void share(ObjectId object, Payload value);
  void drop(const to_rank0::DropObject& message);
  [[nodiscard]] bool must_wait() const { return link_.unacknowledged_bytes() > most_untaken_bytes_; }
  [[nodiscard]] to_client::CallStarted start(const to_rank0::StartCall& message);
  [[nodiscard]] std::vector<std::uint64_t> fact(const to_rank0::Ask& message);
  void send_finished();
  void answer_file_questions(Clock::time_point now);

  const std::uint64_t number_;
  CoordinatorDriver* driver_;
  WakeEvent* event_;
  const std::size_t most_untaken_bytes_;
  FrameLink link_;
  std::unordered_map<CallId, std::unique_ptr<Call>> calls_;  // by the client's number
  std::unordered_set<ObjectId> objects_;
  std::deque<Waiting> waiting_;
  std::vector<FileQuestion> file_questions_;
  Frame outgoing_;
  bool has_left_ = false;

  std::mutex mutex_;
  std::vector<FinishedTask> finished_;
};

}  // namespace joblib_mpi
