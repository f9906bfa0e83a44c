#include "backends/sequential_backend.hpp"

#include "backends/run_here.hpp"

#include <cassert>
#include <deque>
#include <utility>

namespace joblib_mpi {
namespace {

class SequentialCall final : public BackendCall {
 public:
  SequentialCall(const CallOptions& options, ResultSink& sink) : options_(options), sink_(&sink) {}

  void submit(std::size_t index, Task& task) override { tasks_.push_back({index, task.move_to_heap()}); }

  bool wait(Deadline) override {
    assert(!tasks_.empty());
    const auto [index, task] = std::move(tasks_.front());
    tasks_.pop_front();
    deliver(run_here(*task, options_), index, *sink_);
    return true;
  }

  void stop_starting() override {
    for (const Waiting& waiting : std::exchange(tasks_, {})) sink_->withdraw(waiting.index);
  }

 private:
  struct Waiting {
    std::size_t index;
    std::unique_ptr<Task> task;
  };
  CallOptions options_;
  ResultSink* sink_;
  std::deque<Waiting> tasks_;
};

}  // namespace

int SequentialBackend::effective_n_jobs(int n_jobs) const {
  (void)count_n_jobs(n_jobs, 1);
  return 1;
}

std::unique_ptr<BackendCall> SequentialBackend::start_call(const CallOptions& options, ResultSink& sink) {
  return std::make_unique<SequentialCall>(options, sink);
}

}  // namespace joblib_mpi
