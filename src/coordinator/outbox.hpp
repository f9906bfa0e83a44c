#pragma once

#include "core/frame.hpp"
#include "core/ids.hpp"
#include "protocol/wire_format.hpp"
#include "transport/transport.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// Rank 0's messages to the workers, from the moment at which they are decided until the transport has them. Small
/// tasks share frames. A worker that is given up gets nothing any more.
class Outbox {
 public:
  /// `tasks_per_message` small tasks share a frame at the most.
  Outbox(Transport& transport, std::size_t tasks_per_message);

  /// Adds a message to the worker's next frame. It is urgent.
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
  /// Adds a task. It is urgent unless its worker has enough to do and its frame has room for more.
  void add_task(WorkerId worker, to_worker::RunTask& task);

  /// Whether there is anything to send.
  [[nodiscard]] bool empty() const noexcept { return unsent_.empty(); }
  /// Whether there is a message that should not wait for more tasks.
  [[nodiscard]] bool is_urgent() const noexcept { return urgent_; }
  /// Sends what there is, or, with `tasks_may_wait`, leaves tasks that are not urgent for a later call. Calls
  /// `sent(worker)` for each worker that now holds tasks.
  template <class Sent>
  void flush(bool tasks_may_wait, Sent&& sent) {
    urgent_ = false;
    std::erase_if(unsent_, [&](WorkerId worker) {
      if (tasks_may_wait && can_wait(line(worker))) return false;
      send(worker);
      if (tasks_sent(worker) > 0) sent(worker);
      return true;
    });
  }

  /// The tasks that the worker has been sent and that have not come back.
  [[nodiscard]] std::size_t tasks_sent(WorkerId worker) const { return line(worker).tasks_sent; }
  /// One of those has come back.
  void task_came_back(WorkerId worker) { --line(worker).tasks_sent; }
  /// None of those comes back any more, although the worker is there.
  void forget_tasks(WorkerId worker) { line(worker).tasks_sent = 0; }
  /// All tasks, of all workers, that are to be sent or have been sent and have not come back.
  [[nodiscard]] std::size_t tasks_under_way() const;

  void give_up(WorkerId worker);

 private:
  struct Line {
    std::vector<Frame> frames = {};
    std::size_t tasks_in_last = 0;    // frame
    std::size_t tasks_in_frames = 0;  // all of them
    std::size_t tasks_sent = 0;
    bool unsent = false;  // is in `unsent_`
    bool given_up = false;
  };

  [[nodiscard]] Line& line(WorkerId worker) { return lines_[static_cast<std::size_t>(worker.value)]; }
  [[nodiscard]] const Line& line(WorkerId worker) const { return lines_[static_cast<std::size_t>(worker.value)]; }
  void note_unsent(WorkerId worker, Line& line) {
    if (!std::exchange(line.unsent, true)) unsent_.push_back(worker);
  }
  [[nodiscard]] bool can_wait(const Line& line) const;
  void send(WorkerId worker);

  Transport* transport_;
  std::size_t tasks_per_message_;
  std::vector<Line> lines_;  // by rank; rank 0's is unused
  std::vector<WorkerId> unsent_;
  bool urgent_ = false;
};

}  // namespace joblib_mpi
