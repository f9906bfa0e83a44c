#pragma once

#include "core/frame.hpp"
#include "core/ids.hpp"
#include "protocol/wire_format.hpp"
#include "transport/transport.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// The coordinator's messages to the workers, from the decision to send them until the transport has them. Small tasks
/// share frames. Messages to a worker that was given up are discarded.
class Outbox {
 public:
  /// At most `tasks_per_message` small tasks share a frame.
  Outbox(Transport& transport, std::size_t tasks_per_message);

  /// Adds a message to the worker's next frame. The message is urgent.
  template <class Message>
  void tell(WorkerId worker, Message&& message) {
    Line& line = this->line(worker);
    if (line.given_up) return;
    if (line.frames.empty()) line.frames.emplace_back();
    note_unsent(worker, line);
    append(line.frames.back(), std::forward<Message>(message));
    urgent_ = true;
  }
  template <class Message>
  void tell_all(const Message& message) {
    for (int rank = 1; rank < transport_->size(); ++rank) tell(WorkerId{rank}, message);
  }
  /// Adds a task to the worker's next message. The task is urgent unless its worker has enough to do and its frame has
  /// room for more.
  void add_task(WorkerId worker, to_worker::RunTask& task);

  /// Returns whether there is nothing to send.
  [[nodiscard]] bool empty() const noexcept { return unsent_.empty(); }
  /// Returns whether there is a message that should not wait for more tasks.
  [[nodiscard]] bool is_urgent() const noexcept { return urgent_; }
  /// Sends all messages or, with `tasks_may_wait`, keeps tasks that are not urgent for a later call. Calls
  /// `sent(worker)` for each worker that now holds tasks.
  template <class Sent>
  void flush(bool tasks_may_wait, Sent&& sent) {
    urgent_ = false;
    std::erase_if(unsent_, [&](WorkerId worker) {
      Line& line = this->line(worker);
      if (tasks_may_wait && can_wait(line)) return false;
      send(worker, line);
      if (line.tasks_sent > 0) sent(worker);
      return true;
    });
  }

  /// Returns the number of tasks that the worker has been sent and that have not come back.
  [[nodiscard]] std::size_t tasks_sent(WorkerId worker) const { return line(worker).tasks_sent; }
  /// Notes that one of the worker's tasks has come back.
  void task_came_back(WorkerId worker) { --line(worker).tasks_sent; }
  /// Notes that none of the worker's tasks will come back, although the worker is still there.
  void forget_tasks(WorkerId worker) { line(worker).tasks_sent = 0; }
  /// Returns the number of tasks, for all workers, that are queued or sent and have not come back.
  [[nodiscard]] std::size_t tasks_under_way() const;

  void give_up(WorkerId worker);
  /// Takes back a worker that was given up.
  void take_back(WorkerId worker) { line(worker) = {}; }

 private:
  struct Line {
    std::vector<Frame> frames = {};
    std::size_t tasks_in_last = 0;    // in the last frame
    std::size_t tasks_in_frames = 0;  // in all frames
    std::size_t tasks_sent = 0;
    bool unsent = false;  // whether the worker is in `unsent_`
    bool given_up = false;
  };

  [[nodiscard]] Line& line(WorkerId worker) { return lines_[static_cast<std::size_t>(worker.value)]; }
  [[nodiscard]] const Line& line(WorkerId worker) const { return lines_[static_cast<std::size_t>(worker.value)]; }
  void note_unsent(WorkerId worker, Line& line) {
    if (!std::exchange(line.unsent, true)) unsent_.push_back(worker);
  }
  [[nodiscard]] bool can_wait(const Line& line) const {
    return line.frames.size() == 1 && line.tasks_in_last < tasks_per_message_ &&
           line.tasks_sent >= (tasks_per_message_ + 1) / 2;
  }
  void send(WorkerId worker, Line& line) {
    for (Frame& frame : line.frames) transport_->send(worker.value, frame);
    line.frames.resize(1);  // keeps its memory for the next message
    line.tasks_sent += std::exchange(line.tasks_in_frames, 0);
    line.tasks_in_last = 0;
    line.unsent = false;
  }

  Transport* transport_;
  std::size_t tasks_per_message_;
  std::vector<Line> lines_;  // by rank; rank 0's is unused
  std::vector<WorkerId> unsent_;
  bool urgent_ = false;
};

}  // namespace joblib_mpi
