#pragma once

#include "core/file_identity.hpp"
#include "core/file_refusal.hpp"
#include "server/client_server.hpp"
#include "session/threaded_session.hpp"
#include "without_gil.hpp"

#include <nanobind/nanobind.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi {

/// Implements `_mpi.CoordinatorSession`, the session of rank 0; _mpi.pyi describes the functions. Every function is
/// called with the GIL, except those that bind_coordinator calls without it.
class PythonCoordinatorSession {
 public:
  /// Takes over the session, which must be that of rank 0.
  explicit PythonCoordinatorSession(std::unique_ptr<ThreadedSession> session) : session_(session.release()) {}

  [[nodiscard]] CoordinatorDriver& coordinator() noexcept { return session_->driver(); }
  [[nodiscard]] const std::vector<std::string>& hosts() const noexcept { return session_->hosts(); }
  [[nodiscard]] int rank() const noexcept { return session_->rank(); }
  [[nodiscard]] CallId start_call(const CallOptions& options);
  [[nodiscard]] std::vector<FileRefusal> compare_file(const FileIdentity& file);
  [[nodiscard]] std::vector<FinishedTask> next_results(double seconds) { return session_->next_results(seconds); }
  void wake() { session_->wake(); }

  void listen(const std::string& path, std::string identity, const nanobind::bytes& description);
  [[nodiscard]] std::size_t n_clients() const noexcept { return server_ ? server_->n_clients() : 0; }
  [[nodiscard]] std::size_t n_clients_so_far() const noexcept { return server_ ? server_->n_clients_so_far() : 0; }
  void close(int status);

 private:
  PtrDeletedWithoutGil<ThreadedSession> session_;
  PtrDeletedWithoutGil<ClientServer> server_;  // uses the session
};

/// Adds the type `CoordinatorSession` to the module.
void bind_coordinator_session(nanobind::module_& module);

}  // namespace joblib_mpi
