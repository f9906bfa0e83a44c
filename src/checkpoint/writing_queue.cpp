#include "checkpoint/writing_queue.hpp"

#include <utility>

namespace joblib_mpi {

WritingQueue::WritingQueue(Limits limits, Write write) : limits_(limits), write_(std::move(write)) {
  thread_ = std::jthread([this] { write_groups(); });
}

void WritingQueue::append(UnwrittenResult unwritten) {
  std::unique_lock lock(mutex_);
  written_.wait(lock, [&] { return stopped_ || bytes_ <= 2 * limits_.group_bytes; });
  if (stopped_) return;
  bytes_ += unwritten.record.size;
  results_.push_back(std::move(unwritten));
  appended_.notify_all();
}

void WritingQueue::write_at_once() {
  {
    const std::lock_guard lock(mutex_);
    at_once_ = true;
  }
  appended_.notify_all();
}

void WritingQueue::flush() {
  std::unique_lock lock(mutex_);
  flush_requested_ = true;
  appended_.notify_all();
  written_.wait(lock, [&] { return stopped_ || (results_.empty() && !is_writing_); });
}

void WritingQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  appended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void WritingQueue::wait_for_group(std::unique_lock<std::mutex>& lock) {
  appended_.wait(lock, [&] { return closing_ || flush_requested_ || !results_.empty(); });
  appended_.wait_for(lock, limits_.flush_after,
                     [&] { return closing_ || flush_requested_ || at_once_ || bytes_ > limits_.group_bytes; });
  flush_requested_ = false;
}

void WritingQueue::write_groups() {
  std::unique_lock lock(mutex_);
  while (true) {
    wait_for_group(lock);
    if (results_.empty() || stopped_) {
      written_.notify_all();
      if (closing_) return;
      continue;
    }
    is_writing_ = true;
    std::deque<UnwrittenResult> group = std::exchange(results_, {});
    const std::size_t bytes = bytes_;
    lock.unlock();
    const bool succeeded = write_(std::move(group));
    lock.lock();
    is_writing_ = false;
    bytes_ -= bytes;
    if (!succeeded) {
      stopped_ = true;
      results_.clear();
      bytes_ = 0;
    }
    written_.notify_all();
  }
}

}  // namespace joblib_mpi
