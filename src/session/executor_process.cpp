#include "session/executor_process.hpp"

#include "backends/sequential_backend.hpp"
#include "executor/executor_port.hpp"
#include "executor/registered_function_runner.hpp"
#include "session/file_formats.hpp"
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/error.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

namespace joblib_mpi {
namespace {

const ExecutorPort* interrupted_port = nullptr;

/// Ends this process if its task was interrupted. The signal may come late, when the task that it was meant for is
/// over.
void leave_if_interrupted(int) {
  if (interrupted_port->interrupt_requested()) _exit(128 + SIGINT);
}

void work_off(ExecutorPort& port) {
  RegisteredFunctionRunner runner;
  while (true) {
    const TaskPort::Work work = port.next_task();
    for (const ObjectId object : work.forgotten) runner.forget(object);
    if (work.closed) return;
    if (!work.task) continue;
    Payload result;
    std::vector<ArrayLayout> layouts;
    const auto begin = std::chrono::steady_clock::now();
    const bool returned = runner.run(*work.task, result, layouts);
    const std::chrono::duration<double> duration = std::chrono::steady_clock::now() - begin;
    std::cout.flush();
    std::fflush(stdout);  // the process may be killed before its buffer is full
    port.finish({work.task->task,
                 returned ? TaskEnding::returned : TaskEnding::raised,
                 duration.count(),
                 std::move(result),
                 {runner.function_name(), std::move(layouts)}});
  }
}

[[noreturn]] void live_as_executor(ExecutorPort& port) {
  interrupted_port = &port;
  port.spill_with(session_result_format());
  std::signal(SIGINT, leave_if_interrupted);
  register_backend("mpi", std::make_shared<SequentialBackend>());  // for calls that a task makes
  try {
    work_off(port);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "joblib_mpi: an executor process ends after an error: %s\n", error.what());
    _exit(EXIT_FAILURE);
  }
  _exit(EXIT_SUCCESS);  // without destroying the program's static objects, which belong to the rank
}

}  // namespace

Isolation isolation_from_environment() {
  const char* const value = std::getenv("JOBLIB_MPI_ISOLATION");
  if (value == nullptr || std::string_view(value) == "none") return Isolation::none;
  if (std::string_view(value) == "process") return Isolation::process;
  throw UsageError("JOBLIB_MPI_ISOLATION=\"" + std::string(value) +
                   "\" is neither \"none\" nor \"process\"; correct or unset it");
}

bool may_become_worker() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK"}) {
    if (const char* rank = std::getenv(name)) return std::string_view(rank) != "0";
  }
  return true;
}

std::unique_ptr<Zygote> fork_zygote_of_registered_functions() {
  auto side = Zygote::fork({});
  if (auto* port = std::get_if<std::unique_ptr<ExecutorPort>>(&side)) live_as_executor(**port);
  return std::move(std::get<std::unique_ptr<Zygote>>(side));
}

}  // namespace joblib_mpi
