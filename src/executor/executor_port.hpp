#pragma once

#include "core/receive_memory.hpp"
#include "executor/large_results.hpp"
#include "executor/message_channel.hpp"
#include "executor/shared_region.hpp"
#include "executor/task_port.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment_pool.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <sys/types.h>
#include <unordered_map>

namespace joblib_mpi {

/// An executor process's end of what connects it with its worker.
///
/// Large arrays of arguments lie in memory that is this task's own, those of scattered objects are read-only; both are
/// the worker's pages. They stay valid as long as their SharedBytes do, beyond the task if need be.
class ExecutorPort final : public TaskPort {
 public:
  /// Made by Zygote::fork.
  ExecutorPort(SharedRegion& region, std::uint32_t generation, Descriptor socket);

  /// The first call tells the worker that this process is ready.
  [[nodiscard]] Work next_task() override;
  void finish(ExecutedTask task) override;
  [[nodiscard]] bool interrupt_requested() const noexcept override;
  [[nodiscard]] std::optional<SharedBytes> copy_on_write(ByteView bytes) const override {
    return channel_.copy_on_write(bytes);
  }

  /// Large results go to files from now on, as their tasks' limits say.
  void spill_with(const ResultFormat& format) { large_results_.spill_with(format); }

  /// Large arrays of results that are made here reach the worker without a copy.
  [[nodiscard]] ReceiveMemory& result_memory() noexcept { return pool_; }

 private:
  void handle(ExecutorMessage message, Work& work);
  void wait_for_message();

  SharedRegion* region_;
  const std::uint32_t generation_;
  const pid_t pid_;  // children that the user's code forks do not have the region
  SegmentPool pool_;
  MessageChannel channel_;
  std::unordered_map<ObjectId, std::shared_ptr<const Payload>> objects_;
  std::atomic<std::uint64_t> running_{0};  // its number; 0 is no task
  LargeResults large_results_;
  TaskLimits limits_;  // of the running task
  ResultPlace place_;  // of its result
  bool closed_ = false;
};

}  // namespace joblib_mpi
