#include "python_journal.hpp"

#include "checkpoint/journal.hpp"
#include "checkpoint/journaled_call.hpp"
#include "checkpoint/mac_key.hpp"
#include "checkpoint/written_at_signals.hpp"
#include "core/settings.hpp"
#include "python_payload.hpp"
#include "session/file_formats.hpp"
#include "without_gil.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace nb = nanobind;

namespace joblib_mpi {
namespace {

/// Implements `_core.Journal`. Functions that wait for the disk release the GIL.
class PythonJournal {
 public:
  PythonJournal(const std::string& path, std::string identity)
      : settings_(settings_from_environment()),
        journal_((WithoutGil{},
                  new Journal({.path = path,
                               .identity = std::move(identity),
                               .layout = session_journal_layout(),
                               .flush_after = std::chrono::duration<double>(settings_.checkpoint_seconds),
                               .guard = settings_.checkpoint_is_shared ? Guard::shared : Guard::own,
                               .key = mac_key_for(settings_),
                               .patience = std::chrono::duration<double>(settings_.checkpoint_wait_seconds)}))) {}

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  [[nodiscard]] Journal& journal() noexcept { return *journal_; }

  void heed_signals() { written_at_signals_.emplace(*journal_); }
  void leave_signals() { written_at_signals_.reset(); }

 private:
  Settings settings_;
  PtrDeletedWithoutGil<Journal> journal_;
  std::optional<WrittenAtSignals> written_at_signals_;
};

/// Implements `_core.JournaledCall`.
class PythonJournaledCall {
 public:
  /// Starts the call with this number. `journal` must outlive it.
  PythonJournaledCall(PythonJournal& journal, std::uint64_t number) : call_(journal.journal(), number) {}

  [[nodiscard]] nb::object find(std::size_t index, std::uint64_t function, std::uint64_t arguments, std::string name) {
    std::optional<Payload> result;
    {
      const WithoutGil release;
      result = call_.find(index, {function, arguments}, std::move(name));
    }
    if (!result) return nb::none();
    return nb::make_tuple(head_of(*result), buffers_of(*result, true));
  }

  void keep(std::size_t index, nb::handle head, nb::handle buffers) {
    Payload result = payload_from(head, buffers);
    const WithoutGil release;
    call_.keep(index, std::move(result));
  }

  void forget(std::size_t index) { call_.forget(index); }
  [[nodiscard]] bool has_tasks_under_way() const { return call_.has_tasks_under_way(); }

 private:
  JournaledCall call_;
};

}  // namespace

void bind_journal(nb::module_& module) {
  using Release = nb::call_guard<WithoutGil>;
  nb::class_<PythonJournal>(module, "Journal", nb::is_final())
      .def(nb::init<const std::string&, std::string>(), nb::arg("path"), nb::arg("identity"))
      .def("heed_signals", &PythonJournal::heed_signals, Release(),
           "Have SIGUSR1 and SIGTERM write the results at once, before the handlers that the process has for them run.")
      .def("leave_signals", &PythonJournal::leave_signals, Release(), "Undo `heed_signals`.")
      .def(
          "flush", [](PythonJournal& self) { self.journal().flush(); }, Release())
      .def(
          "finish", [](PythonJournal& self) { self.journal().finish(); }, Release())
      .def("take_warnings", [](PythonJournal& self) { return self.journal().take_warnings(); })
      .def_prop_ro("grace_seconds", [](const PythonJournal& self) { return self.settings().checkpoint_grace_seconds; })
      .def_prop_ro("requeue_status", [](const PythonJournal& self) { return self.settings().requeue_status; });
  nb::class_<PythonJournaledCall>(module, "JournaledCall", nb::is_final())
      .def(nb::init<PythonJournal&, std::uint64_t>(), nb::arg("journal"), nb::arg("number"), nb::keep_alive<1, 2>())
      .def("find", &PythonJournaledCall::find, nb::arg("index"), nb::arg("function"), nb::arg("arguments"),
           nb::arg("name"))
      .def("keep", &PythonJournaledCall::keep, nb::arg("index"), nb::arg("head"), nb::arg("buffers"))
      .def("forget", &PythonJournaledCall::forget, nb::arg("index"))
      .def_prop_ro("has_tasks_under_way", &PythonJournaledCall::has_tasks_under_way);
}

}  // namespace joblib_mpi
