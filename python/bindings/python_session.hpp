#pragma once

#include "python_task_loop.hpp"
#include "python_zygote.hpp"
#include "session/threaded_session.hpp"

#include <nanobind/nanobind.h>

#include <optional>
#include <pthread.h>
#include <string>

namespace joblib_mpi {

/// `_core.Session`, as described in _core.pyi: a ThreadedSession in terms of Python's objects. Every function is called
/// with the GIL and gives it away while it waits.
class PythonSession {
 public:
  /// Takes what `zygote` holds, if one is given; the worker's tasks then run in its executors.
  PythonSession(std::string identity, PythonZygote* zygote);

  [[nodiscard]] int rank() const { return session_.rank(); }
  [[nodiscard]] int size() const { return static_cast<int>(session_.hosts().size()); }
  [[nodiscard]] const std::string& host(int rank) const;

  [[nodiscard]] std::uint64_t start_call(std::size_t max_running, unsigned retries, bool retry_exceptions,
                                         double task_seconds, std::uint64_t memory_bytes, SpillOptions spill);
  void submit(std::uint64_t call, std::uint64_t ticket, std::string name, const nanobind::bytes& head,
              nanobind::handle buffers, nanobind::handle objects);
  void stop_starting(std::uint64_t call);
  void end_call(std::uint64_t call);
  [[nodiscard]] std::uint64_t scatter(const nanobind::bytes& head, nanobind::handle buffers);
  void drop(std::uint64_t object);
  [[nodiscard]] nanobind::dict object_stats();
  [[nodiscard]] bool results_fill_memory(std::uint64_t call);
  [[nodiscard]] nanobind::list next_results(double seconds);
  void wake() { session_.wake(); }
  void close(int status);

  [[nodiscard]] int serve(const nanobind::callable& run, const nanobind::callable& forget);
  [[nodiscard]] int wait_until_closed();
  [[nodiscard]] PythonTaskLoop& loop();

 private:
  void require_rank_0(const char* function) const;
  void require_worker(const char* function) const;

  std::atomic<bool> serving_{false};
  pthread_t serving_thread_{};
  bool closed_ = false;
  std::optional<PythonTaskLoop> loop_;
  ThreadedSession session_;  // last: its thread uses what is above
};

void bind_session(nanobind::module_& module);

}  // namespace joblib_mpi
