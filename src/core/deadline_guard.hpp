#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace joblib_mpi {

/// Ends this process, and its job, if something takes too long: for calls that wait for other ranks, without a limit of
/// their own, when one of these may be dead. Lives as long as what it guards; its destruction disarms it.
class DeadlineGuard {
 public:
  struct Options {
    double seconds = 0;
    /// What is waited for, as in "rank 2 on n1: MPI_Init".
    std::string operation;
    /// What may be the reason, and what to do.
    std::string advice = {};
    /// With which status the process then ends.
    int exit_status = 1;
  };
  /// Called with the text for people instead of ending the process, from the guard's thread.
  using Expiry = std::function<void(const std::string& text, int exit_status)>;

  explicit DeadlineGuard(Options options, Expiry expiry = end_process);
  DeadlineGuard(const DeadlineGuard&) = delete;
  DeadlineGuard& operator=(const DeadlineGuard&) = delete;
  ~DeadlineGuard();

  /// Prints `text` as a line on stderr, and ends the job as far as it can from here (Open MPI's launcher, if it is the
  /// parent) and this process at once: no destructor, no exit handler.
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
