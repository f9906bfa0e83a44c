#include "python_zygote.hpp"

#include "session/file_formats.hpp"
#include "without_gil.hpp"
#include <joblib_mpi/error.hpp>

#include <nanobind/stl/string.h>

#include <string>
#include <variant>

namespace nb = nanobind;

namespace joblib_mpi {
namespace {

/// The state of the zygote's thread while it waits for commands without the GIL, so that libraries which `prepare` has
/// imported may have threads. The zygote takes the GIL for each fork, and an executor starts with it.
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

ZygoteOptions options_with(const nb::callable& prepare) {
  return {fork_hooks(), [&prepare] { prepare_with(prepare); }};
}

PythonExecutorPort executor(std::unique_ptr<ExecutorPort> port) {
  port->spill_with(session_result_format());
  return PythonExecutorPort(std::move(port));
}

nb::object fork_zygote(const nb::callable& prepare) {
  auto forked = Zygote::fork(options_with(prepare));
  if (auto* port = std::get_if<std::unique_ptr<ExecutorPort>>(&forked)) return nb::cast(executor(std::move(*port)));
  auto& zygote = std::get<std::unique_ptr<Zygote>>(forked);
  {
    const WithoutGil release;
    zygote->wait_until_prepared();
  }
  return nb::cast(PythonZygote{PtrDeletedWithoutGil<Zygote>(zygote.release())});
}

nb::tuple zygote_with_keeper_elsewhere() {
  auto [zygote, lifeline] = Zygote::with_keeper_elsewhere();
  return nb::make_tuple(PythonZygote{PtrDeletedWithoutGil<Zygote>(zygote.release())}, lifeline.region.release(),
                        lifeline.requests.release());
}

PythonExecutorPort keep_executors(int region, int requests, pid_t rank_process, const nb::callable& prepare) {
  return executor(Zygote::keep({Descriptor(region), Descriptor(requests)}, options_with(prepare), rank_process));
}

}  // namespace

void bind_zygote(nb::module_& module) {
  nb::class_<PythonZygote>(module, "Zygote", nb::is_final()).def("start", [](PythonZygote& self) {
    const WithoutGil release;
    self.zygote->start();
    self.zygote->wait_until_prepared();
  });
  auto port = nb::class_<PythonExecutorPort>(module, "ExecutorPort", nb::is_final());
  bind_running_task(port);
  port.def(
      "serve",
      [](PythonExecutorPort& self, const nb::callable& run, const nb::callable& forget) {
        self.loop().serve(run, forget);
      },
      nb::arg("run"), nb::arg("forget"));
  module.def("fork_zygote", &fork_zygote, nb::arg("prepare"));
  module.def("zygote_with_keeper_elsewhere", &zygote_with_keeper_elsewhere);
  module.def("keep_executors", &keep_executors, nb::arg("region"), nb::arg("requests"), nb::arg("rank_process"),
             nb::arg("prepare"));
}

}  // namespace joblib_mpi
