#pragma once

#include "core/ids.hpp"
#include "core/item_range.hpp"
#include "core/task_ending.hpp"
#include "core/task_name.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>

namespace joblib_mpi {

/// A task that is complete, as its submitter gets it. A batch comes in parts if several workers have shared it.
struct FinishedTask {
  CallId call;
  std::uint64_t index;  ///< The index of the task's TaskRequest.
  WorkerId worker;      ///< The worker of the last attempt; 0 if there was no attempt.
  TaskEnding ending;    ///< Is `cancelled` only after stop_starting, and never `spilled`.
  unsigned attempts;
  TaskName name;  ///< The name in the task's TaskRequest.
  Payload result;
  ItemRange items = {};  ///< The items of the TaskRequest that this is about; those of other ranges come separately.
};

/// Receives the finished tasks of a call. It is called on the thread that drives the coordinator.
class CompletionSink {
 public:
  virtual ~CompletionSink() = default;
  virtual void finished(FinishedTask task) = 0;
};

}  // namespace joblib_mpi
