#pragma once

#include "core/receive_memory.hpp"
#include "executor/large_results.hpp"
#include "executor/message_channel.hpp"
#include "executor/shared_region.hpp"
#include "executor/task_port.hpp"
#include "executor/task_process.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment_pool.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>

namespace joblib_mpi {

/// An executor process's end of its connection with its worker.
///
/// Large arrays of arguments lie in memory that is private to the task, those of scattered objects are read-only; both
/// are the worker's pages. They stay valid while their SharedBytes exist, even after the task.
///
/// A child that a task forks has neither the region nor the socket, and ends if it returns from the task.
class ExecutorPort final : public TaskPort {
 public:
  /// Created by Zygote::fork, once in a process.
  ExecutorPort(SharedRegion& region, std::uint32_t generation, Descriptor socket);
  ~ExecutorPort() override;

  /// Waits for the next task. The first call tells the worker that this process is ready.
  [[nodiscard]] Work next_task() override;
  void finish(ExecutedTask task) override;
  [[nodiscard]] bool interrupt_requested() const noexcept override;
  [[nodiscard]] std::optional<std::uint32_t> next_item() override {
    return process_.is_here() ? region_->items.claim() : std::nullopt;
  }
  [[nodiscard]] std::optional<SharedBytes> copy_on_write(ByteView bytes) const override {
    return channel_.copy_on_write(bytes);
  }

  /// Lets large results go to files from now on, according to their tasks' limits. `format` must outlive the port.
  void spill_with(const ResultFormat& format) { large_results_.spill_with(format); }

  /// Returns memory for results: large arrays that are made in it reach the worker without a copy.
  [[nodiscard]] ReceiveMemory& result_memory() noexcept { return pool_; }

 private:
  void handle(ExecutorMessage message, Work& work);
  void wait_for_message();
  /// Asks the worker for the folder of the running task's result, and waits for its place.
  void wait_for_spill_folder();

  SharedRegion* region_;
  const std::uint32_t generation_;
  const TaskProcess process_;
  SegmentPool pool_;
  MessageChannel channel_;
  std::unordered_map<ObjectId, std::shared_ptr<const Payload>> objects_;
  std::atomic<std::uint64_t> running_{0};  // the number of the running task; 0 if there is none
  LargeResults large_results_;
  TaskLimits limits_;                  // the limits of the running task
  ResultPlace place_;                  // the place of its result
  std::deque<ExecutorMessage> later_;  // messages that came while a result waited for its folder
  bool closed_ = false;
};

}  // namespace joblib_mpi
