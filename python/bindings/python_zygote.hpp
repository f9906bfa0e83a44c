#pragma once

#include "executor/executor_port.hpp"
#include "executor/zygote.hpp"
#include "python_task_loop.hpp"
#include "without_gil.hpp"

#include <nanobind/nanobind.h>

#include <memory>
#include <utility>

namespace joblib_mpi {

/// Implements `_core.Zygote`, which holds a zygote until the session takes it over.
struct PythonZygote {
  PtrDeletedWithoutGil<Zygote> zygote;
};

/// Implements `_core.ExecutorPort`: the task loop of an executor process on its port.
class PythonExecutorPort {
 public:
  explicit PythonExecutorPort(std::unique_ptr<ExecutorPort> port) : port_(std::move(port)), loop_(*port_) {}

  [[nodiscard]] PythonTaskLoop& loop() { return loop_; }

 private:
  std::unique_ptr<ExecutorPort> port_;
  PythonTaskLoop loop_;
};

/// Adds `fork_zygote`, and the two types that it returns, to the module.
void bind_zygote(nanobind::module_& module);

}  // namespace joblib_mpi
