#pragma once

#include "checkpoint/journal_format.hpp"
#include "checkpoint/journal_writer.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace joblib_mpi {

/// The results that wait to be written, and the thread that has them written in groups. Thread-safe.
class WritingQueue {
 public:
  struct Limits {
    /// The longest time that a result waits before it is written.
    std::chrono::duration<double> flush_after;
    /// The number of waiting bytes beyond which results are written at once; with twice as many, `append` waits.
    std::size_t group_bytes;
  };
  /// Writes a group, on the queue's thread, and returns whether that has succeeded; must not throw.
  using Write = std::function<bool(std::deque<UnwrittenResult> group)>;

  WritingQueue(Limits limits, Write write);
  WritingQueue(const WritingQueue&) = delete;
  WritingQueue& operator=(const WritingQueue&) = delete;
  ~WritingQueue() { close(); }

  /// Takes ownership of a result, whose record must have its size. Does nothing after writing has failed.
  void append(UnwrittenResult unwritten);
  /// Has results written now, and later ones as soon as they are appended. Does not wait.
  void write_at_once();
  /// Returns when all appended results are written, or writing has failed.
  void flush();
  /// Flushes and ends the thread. One thread at a time may call it; results must not be appended afterwards.
  void close();

 private:
  void write_groups();
  /// Waits until the results that wait are to be written, or the thread is to end.
  void wait_for_group(std::unique_lock<std::mutex>& lock);

  const Limits limits_;
  const Write write_;
  std::mutex mutex_;  // guards the members below, except the thread
  std::condition_variable appended_;
  std::condition_variable written_;
  std::deque<UnwrittenResult> results_;
  std::size_t bytes_ = 0;  // with those that are being written
  bool is_writing_ = false;
  bool flush_requested_ = false;
  bool at_once_ = false;
  bool stopped_ = false;  // because of a failure
  bool closing_ = false;
  std::jthread thread_;
};

}  // namespace joblib_mpi
