#pragma once

#include "executor/isolated_executor.hpp"
#include "executor/zygote.hpp"
#include "segments/segment_pool.hpp"
#include "support/bytes.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace joblib_mpi::test {

/// Returns a zygote whose executors carry out the commands in the heads of their tasks (see forked_executor.cpp).
[[nodiscard]] std::unique_ptr<Zygote> fork_zygote(ZygoteOptions options = {});

/// Makes this process the keeper of such a zygote for another process.
[[noreturn]] void keep_executors(Zygote::Lifeline lifeline, pid_t rank_process);

/// A worker without a rank, which runs tasks in executor processes one after another.
class WorkerSide {
 public:
  explicit WorkerSide(ZygoteOptions options = {}, double grace_seconds = 30, double zygote_seconds = 30,
                      const ProcessWear::Limits& wear = {});
  explicit WorkerSide(std::unique_ptr<Zygote> of_rank);

  /// Starts a task and returns its outcome.
  ExecutedTask run(std::string_view what, std::vector<SharedBytes> parts = {}, TaskLimits limits = {});
  void start(std::string_view what, std::vector<SharedBytes> parts = {}, TaskLimits limits = {},
             std::vector<ObjectInput> objects = {});
  ExecutedTask wait_for_result();
  /// Waits until the running task has created the file, as a sign that it is running.
  void wait_for_file(const std::string& path);

  [[nodiscard]] pid_t executor_pid();

  std::unique_ptr<Zygote> zygote;
  SegmentPool pool;
  IsolatedExecutor executor;

 private:
  std::uint32_t next_slot_ = 0;
};

/// Returns the text in a result's head.
[[nodiscard]] std::string head_text(const ExecutedTask& task);

/// Returns the process id of the parent.
[[nodiscard]] pid_t parent_of(pid_t process);

/// Waits until the process has ended; a zombie has ended.
void wait_until_gone(pid_t process);

/// Returns a path in the folder for temporary files that no other test uses.
[[nodiscard]] std::string new_file_name();

[[nodiscard]] std::size_t open_files();

}  // namespace joblib_mpi::test
