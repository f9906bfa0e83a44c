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

/// A zygote whose executors do what the heads of their tasks say (see forked_executor.cpp).
[[nodiscard]] std::unique_ptr<Zygote> fork_zygote(ZygoteOptions options = {});

/// A rank's worker without a rank: runs tasks in executor processes, one after another.
class WorkerSide {
 public:
  explicit WorkerSide(ZygoteOptions options = {}, double grace_seconds = 30);

  /// Starts a task and waits for what comes of it.
  ExecutedTask run(std::string_view what, std::vector<SharedBytes> parts = {}, TaskLimits limits = {});
  void start(std::string_view what, std::vector<SharedBytes> parts = {}, TaskLimits limits = {},
             std::vector<ObjectInput> objects = {});
  ExecutedTask wait_for_result();
  /// Waits until the running task has created the file, which it does when it is under way.
  void wait_for_file(const std::string& path);

  [[nodiscard]] pid_t executor_pid();

  std::unique_ptr<Zygote> zygote;
  SegmentPool pool;
  IsolatedExecutor executor;

 private:
  std::uint32_t next_slot_ = 0;
};

/// The text in a result's head.
[[nodiscard]] std::string head_text(const ExecutedTask& task);

/// Waits until the process is gone; zombies are, too.
void wait_until_gone(pid_t process);

/// A name for a file in the folder for temporary files that no other test has.
[[nodiscard]] std::string new_file_name();

[[nodiscard]] std::size_t open_files();

}  // namespace joblib_mpi::test
