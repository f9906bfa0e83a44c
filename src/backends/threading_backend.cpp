#include "backends/threading_backend.hpp"

#include "backends/run_here.hpp"
#include "core/usable_cores.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace joblib_mpi {
namespace {

class ThreadingCall final : public BackendCall {
 public:
  ThreadingCall(const CallOptions& options, ResultSink& sink) : options_(options), sink_(&sink) {
    for (int thread = 0; thread < options.n_jobs; ++thread) threads_.emplace_back([this] { work(); });
  }

  /// Drops the tasks that have not started, and waits for those that run.
  ~ThreadingCall() override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.clear();
      closed_ = true;
    }
    task_added_.notify_all();
    threads_.clear();  // joins the threads
  }

  void submit(std::size_t index, Task& task) override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back({index, task.move_to_heap()});
    }
    task_added_.notify_one();
  }

  bool wait(Deadline deadline) override {
    std::deque<Done> done;
    {
      std::unique_lock lock(mutex_);
      const auto some_done = [this] { return !done_.empty(); };
      if (!deadline) {
        task_done_.wait(lock, some_done);
      } else if (!task_done_.wait_until(lock, *deadline, some_done)) {
        return false;
      }
      done.swap(done_);
    }
    for (Done& task : done) deliver(std::move(task.outcome), task.index, *sink_);
    return true;
  }

  void stop_starting() override {
    std::deque<Waiting> waiting;
    {
      const std::lock_guard lock(mutex_);
      waiting.swap(waiting_);
    }
    for (const Waiting& task : waiting) sink_->withdraw(task.index);
  }

 private:
  struct Waiting {
    std::size_t index;
    std::unique_ptr<Task> task;
  };
  struct Done {
    std::size_t index;
    HereOutcome outcome;
  };

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      task_added_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      HereOutcome outcome = run_here(*next.task, options_);
      lock.lock();
      done_.push_back({next.index, std::move(outcome)});
      task_done_.notify_one();
    }
  }

  const CallOptions options_;
  ResultSink* sink_;
  std::mutex mutex_;
  std::condition_variable task_added_;
  std::condition_variable task_done_;
  std::deque<Waiting> waiting_;
  std::deque<Done> done_;
  bool closed_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace

int ThreadingBackend::effective_n_jobs(int n_jobs) const {
  return count_n_jobs(n_jobs, usable_cores());
}

std::unique_ptr<BackendCall> ThreadingBackend::start_call(const CallOptions& options, ResultSink& sink) {
  return std::make_unique<ThreadingCall>(options, sink);
}

}  // namespace joblib_mpi
