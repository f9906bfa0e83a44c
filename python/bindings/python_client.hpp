#pragma once

#include "client/client.hpp"
#include "core/file_identity.hpp"
#include "core/file_refusal.hpp"
#include "without_gil.hpp"

#include <nanobind/nanobind.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace joblib_mpi {

/// Implements `_core.Client`; _core.pyi describes the functions. Every function is called with the GIL, except those
/// that bind_coordinator calls without it.
class PythonClient {
 public:
  PythonClient(const std::variant<int, std::string>& path, const std::string& identity, double patience_seconds,
               double resume_seconds);

  /// Throws UsageError after `leave_to_parent`.
  [[nodiscard]] Client& coordinator() const;
  [[nodiscard]] const std::vector<std::string>& hosts() const { return coordinator().hosts(); }
  [[nodiscard]] CallId start_call(const CallOptions& options) { return coordinator().start_call(options); }
  [[nodiscard]] std::vector<FileRefusal> compare_file(const FileIdentity& file) {
    return coordinator().compare_file(file);
  }
  [[nodiscard]] std::vector<FinishedTask> next_results(double seconds) { return coordinator().next_results(seconds); }
  void wake() { coordinator().wake(); }

  [[nodiscard]] nanobind::bytes description() const;
  [[nodiscard]] bool is_gone() const { return client_ == nullptr || client_->is_gone(); }
  [[nodiscard]] bool wait_until_cut(double seconds) const;
  void resume(int descriptor, double patience_seconds) const;
  void give_up(std::string why) { coordinator().give_up(std::move(why)); }
  void close();
  void leave_to_parent() noexcept;

 private:
  PtrDeletedWithoutGil<Client> client_;
};

/// Adds the type `Client` to the module.
void bind_client(nanobind::module_& module);

}  // namespace joblib_mpi
