#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace joblib_mpi {

/// Ends this process and its job if an operation takes too long. It guards calls that wait for other ranks without a
/// time limit, since one of these ranks may be dead. The guard lives as long as the operation; its destructor disarms
/// it.
class DeadlineGuard {
 public:
  struct Options {
    /// The time limit.
    double seconds = 0;
    /// The operation, as in "rank 2 on n1: MPI_Init".
    std::string operation;
    /// A possible cause and what to do about it; empty to say nothing.
    std::string advice = {};
    /// The status with which the process then ends.
    int exit_status = 1;
  };
  /// The function that is called in place of `end_process` when time is up, on the guard's thread, with the text for
  /// the user.
  using Expiry = std::function<void(const std::string& text, int exit_status)>;

  /// Starts the thread that watches the time.
  explicit DeadlineGuard(Options options, Expiry expiry = end_process);
  DeadlineGuard(const DeadlineGuard&) = delete;
  DeadlineGuard& operator=(const DeadlineGuard&) = delete;
  ~DeadlineGuard();

  /// Prints `text` as one line on stderr, asks Open MPI's launcher to end the job if it is the parent of this process,
  /// and ends this process at once, without destructors or exit handlers.
  [[noreturn]] static void end_process(const std::string& text, int exit_status);

 private:
  void watch();

  Options options_;
  Expiry expiry_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool disarmed_ = false;
  std::thread thread_;
};

}  // namespace joblib_mpi
