#pragma once

#include "executor/executor_port.hpp"
#include "executor/zygote.hpp"
#include "python_task_loop.hpp"

#include <nanobind/nanobind.h>

#include <memory>
#include <utility>

namespace joblib_mpi {

/// `_core.Zygote`, until the session takes what it holds.
struct PythonZygote {
  std::unique_ptr<Zygote> zygote;
};

/// `_core.ExecutorPort`: an executor process's loop, on its own port.
class PythonExecutorPort {
 public:
  explicit PythonExecutorPort(std::unique_ptr<ExecutorPort> port) : port_(std::move(port)), loop_(*port_) {}

  [[nodiscard]] PythonTaskLoop& loop() { return loop_; }

 private:
  std::unique_ptr<ExecutorPort> port_;
  PythonTaskLoop loop_;
};

void bind_zygote(nanobind::module_& module);

}  // namespace joblib_mpi
