#include "python_journal.hpp"

#include "core/settings.hpp"
#include "python_payload.hpp"
#include "session/file_formats.hpp"
#include "checkpoint/journal.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace nb = nanobind;

namespace joblib_mpi {
namespace {

/// `_core.Journal`. What waits for the disk waits without the GIL.
class PythonJournal {
 public:
  PythonJournal(const std::string& path, std::string identity)
      : settings_(settings_from_environment()),
        journal_((nb::gil_scoped_release{},
                  Journal::Options{.path = path,
                                   .identity = std::move(identity),
                                   .layout = session_journal_layout(),
                                   .flush_after = std::chrono::duration<double>(settings_.checkpoint_seconds)})) {}

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  [[nodiscard]] Journal& journal() noexcept { return journal_; }

  [[nodiscard]] const char* find(std::uint64_t call, std::uint64_t task, std::uint64_t function,
                                 std::uint64_t arguments) const {
    switch (journal_.find({call, task}, {function, arguments})) {
      case Journal::Known::result:
        return "result";
      case Journal::Known::other_function:
        return "other function";
      case Journal::Known::other_arguments:
        return "other arguments";
      case Journal::Known::nothing:
        break;
    }
    return "nothing";
  }

  [[nodiscard]] nb::object load(std::uint64_t call, std::uint64_t task) {
    std::optional<Payload> result;
    {
      const nb::gil_scoped_release release;
      result = journal_.load({call, task});
    }
    if (!result) return nb::none();
    return nb::make_tuple(head_of(*result), buffers_of(*result, true));
  }

  void append(std::uint64_t call, std::uint64_t task, std::uint64_t function, std::uint64_t arguments,
              const std::string& name, const nb::bytes& head, nb::handle buffers) {
    Payload result = payload_from(head, buffers);
    const nb::gil_scoped_release release;
    journal_.append({call, task}, {function, arguments}, name, std::move(result));
  }

 private:
  Settings settings_;
  Journal journal_;
};

}  // namespace

void bind_journal(nb::module_& module) {
  using Release = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<PythonJournal>(module, "Journal", nb::is_final())
      .def(nb::init<const std::string&, std::string>(), nb::arg("path"), nb::arg("identity"))
      .def("find", &PythonJournal::find, nb::arg("call"), nb::arg("task"), nb::arg("function"), nb::arg("arguments"))
      .def("load", &PythonJournal::load, nb::arg("call"), nb::arg("task"))
      .def(
          "function_at",
          [](PythonJournal& self, std::uint64_t call, std::uint64_t task) {
            return self.journal().function_at({call, task});
          },
          nb::arg("call"), nb::arg("task"))
      .def("append", &PythonJournal::append, nb::arg("call"), nb::arg("task"), nb::arg("function"),
           nb::arg("arguments"), nb::arg("name"), nb::arg("head"), nb::arg("buffers"))
      .def(
          "request_flush", [](PythonJournal& self) { self.journal().request_flush(); }, Release())
      .def(
          "flush", [](PythonJournal& self) { self.journal().flush(); }, Release())
      .def(
          "finish", [](PythonJournal& self) { self.journal().finish(); }, Release())
      .def("take_warnings", [](PythonJournal& self) { return self.journal().take_warnings(); })
      .def_prop_ro("grace_seconds", [](const PythonJournal& self) { return self.settings().checkpoint_grace_seconds; })
      .def_prop_ro("requeue_status", [](const PythonJournal& self) { return self.settings().requeue_status; });
}

}  // namespace joblib_mpi
