#include "python_zygote.hpp"

#include "spill/hdf5_result_format.hpp"
#include <joblib_mpi/error.hpp>

#include <nanobind/stl/string.h>

#include <string>
#include <variant>

namespace nb = nanobind;

namespace joblib_mpi {
namespace {

/// The zygote waits for commands without the GIL, so that what `prepare` has imported may have threads; it takes the
/// GIL for each fork, and an executor starts with it.
PyThreadState* released = nullptr;
bool is_zygote = false;

ForkHooks fork_hooks() {
  return {.before =
              [] {
                if (is_zygote) PyEval_RestoreThread(std::exchange(released, nullptr));
                PyOS_BeforeFork();
              },
          .in_parent =
              [] {
                PyOS_AfterFork_Parent();
                if (is_zygote) released = PyEval_SaveThread();
              },
          .in_child =
              [] {
                PyOS_AfterFork_Child();
                is_zygote = false;
              }};
}

void prepare_with(const nb::callable& prepare) {
  try {
    prepare();
  } catch (const nb::python_error& error) {
    throw Error(nb::cast<std::string>(nb::str(error.value())));
  }
  is_zygote = true;
  released = PyEval_SaveThread();
}

nb::object fork_zygote(const nb::callable& prepare) {
  auto forked = Zygote::fork({fork_hooks(), [&prepare] { prepare_with(prepare); }});
  if (auto* port = std::get_if<std::unique_ptr<ExecutorPort>>(&forked)) {
    (*port)->spill_with(result_format());
    return nb::cast(PythonExecutorPort(std::move(*port)));
  }
  auto& zygote = std::get<std::unique_ptr<Zygote>>(forked);
  {
    const nb::gil_scoped_release release;
    zygote->wait_until_prepared();
  }
  return nb::cast(PythonZygote{std::move(zygote)});
}

}  // namespace

void bind_zygote(nb::module_& module) {
  nb::class_<PythonZygote>(module, "Zygote", nb::is_final());
  nb::class_<PythonExecutorPort>(module, "ExecutorPort", nb::is_final())
      .def(
          "serve",
          [](PythonExecutorPort& port, const nb::callable& run, const nb::callable& forget) {
            port.loop().serve(run, forget);
          },
          nb::arg("run"), nb::arg("forget"))
      .def(
          "object", [](PythonExecutorPort& port, std::uint64_t object) { return port.loop().object(object); },
          nb::arg("object_id"))
      .def(
          "copy_on_write",
          [](PythonExecutorPort& port, std::uint64_t object, std::size_t part, std::size_t offset, std::size_t bytes) {
            return port.loop().copy_on_write(object, part, offset, bytes);
          },
          nb::arg("object_id"), nb::arg("part"), nb::arg("offset"), nb::arg("nbytes"))
      .def("interrupt_requested", [](PythonExecutorPort& port) { return port.loop().interrupt_requested(); });
  module.def("fork_zygote", &fork_zygote, nb::arg("prepare"));
}

}  // namespace joblib_mpi
