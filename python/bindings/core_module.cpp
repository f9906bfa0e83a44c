// The compiled part of the Python package that needs no MPI. _core.pyi in the package describes it.

#include "buffer.hpp"
#include "content_hash.hpp"
#include "core/version.hpp"
#include "python_client.hpp"
#include "python_finished_task.hpp"
#include "python_journal.hpp"
#include "python_zygote.hpp"
#include "segments/memory_room.hpp"
#include "spill/folder_reaper.hpp"
#include "without_gil.hpp"
#include <joblib_mpi/error.hpp>

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>

#include <exception>
#include <filesystem>
#include <system_error>

namespace nb = nanobind;

namespace {

/// A FolderReaper whose end waits for the removal without the GIL.
class PythonFolderReaper {
 public:
  explicit PythonFolderReaper(const std::filesystem::path& folder) : reaper_(new joblib_mpi::FolderReaper(folder)) {}

 private:
  joblib_mpi::PtrDeletedWithoutGil<joblib_mpi::FolderReaper> reaper_;
};

/// Lets an error of the operating system arrive as OSError, with its number.
void translate_system_error(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::system_error& error) {
    const nb::object arguments = nb::make_tuple(error.code().value(), error.what());
    PyErr_SetObject(PyExc_OSError, arguments.ptr());
  }
}

/// Adds the Python exception as which `Error` arrives, with its docstring, and returns it.
template <class Error>
nb::object bind_error(nb::module_& module, const char* name, nb::handle base, const char* documentation) {
  const nb::exception<Error> type(module, name, base);
  type.attr("__doc__") = documentation;
  return type;
}

void bind_errors(nb::module_& module) {
  nb::register_exception_translator(&translate_system_error);
  // The handler that is registered last is tried first, so derived exceptions follow their base.
  const nb::object session_error = bind_error<joblib_mpi::Error>(
      module, "SessionError", PyExc_RuntimeError,
      "The session is impossible: because of MPI, another rank or the way in which the program was started.\n\n"
      "The text says what to do.");
  bind_error<joblib_mpi::VersionMismatch>(
      module, "VersionMismatchError", session_error,
      "Two ranks run different programs or versions, both of which the text names.");
  bind_error<joblib_mpi::CheckpointError>(module, "CheckpointError", session_error,
                                          "A checkpoint cannot be used.\n\n"
                                          "It cannot be written, is in use, or holds results of another program, "
                                          "version or task. The file is left as it is.");
  bind_error<joblib_mpi::SpillError>(
      module, "SpillError", session_error,
      "A large result has no place, neither in a file in ``spill_dir`` nor in rank 0's memory.\n\n"
      "The text says what is needed.");
}

}  // namespace

NB_MODULE(_core, module) {
  nb::set_leak_warnings(false);  // a thread that is here when the interpreter ends never gives back what it has
  module.attr("__version__") = joblib_mpi::version;
  bind_errors(module);
  joblib_mpi::bind_buffer(module);
  joblib_mpi::bind_content_hash(module);
  joblib_mpi::bind_finished_task(module);
  joblib_mpi::bind_client(module);
  joblib_mpi::bind_journal(module);
  joblib_mpi::bind_zygote(module);
  nb::class_<PythonFolderReaper>(module, "FolderReaper")
      .def(nb::init<const std::filesystem::path&>(), nb::arg("folder"));
  module.def("memory_room", [] { return joblib_mpi::memory_room().bytes; });
}
