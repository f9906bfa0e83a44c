#pragma once

#include "session/threaded_session.hpp"
#include "without_gil.hpp"

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace joblib_mpi {

/// Implements `_mpi.CoordinatorSession`, the session of rank 0, in terms of Python objects; _mpi.pyi describes the
/// functions. Every function is called with the GIL and releases it while it may wait for the driver, the disk or
/// messages.
class PythonCoordinatorSession {
 public:
  /// Takes over the session, which must be that of rank 0.
  explicit PythonCoordinatorSession(std::unique_ptr<ThreadedSession> session) : session_(session.release()) {}

  [[nodiscard]] const ThreadedSession& session() const noexcept { return *session_; }

  [[nodiscard]] std::uint64_t start_call(const CallOptions& options);
  void submit(std::uint64_t call, std::uint64_t index, std::string name, const nanobind::bytes& head,
              nanobind::handle buffers, nanobind::handle objects);
  void stop_starting(std::uint64_t call);
  void end_call(std::uint64_t call);
  [[nodiscard]] std::uint64_t scatter(const nanobind::bytes& head, nanobind::handle buffers);
  void drop(std::uint64_t object);
  [[nodiscard]] nanobind::dict object_stats();
  [[nodiscard]] std::size_t unfinished_tasks();
  [[nodiscard]] bool results_fill_memory(std::uint64_t call);
  [[nodiscard]] std::uint64_t room_elsewhere();
  [[nodiscard]] nanobind::list compare_file(const std::string& path, bool for_writing, const std::string& mark);
  [[nodiscard]] std::uint64_t worker_returns();
  [[nodiscard]] nanobind::list next_results(double seconds);
  void wake() { session_->wake(); }
  void close(int status);

 private:
  PtrDeletedWithoutGil<ThreadedSession> session_;
};

/// Adds the type `CoordinatorSession` to the module.
void bind_coordinator_session(nanobind::module_& module);

}  // namespace joblib_mpi
