#include "python_task_loop.hpp"

#include "python_payload.hpp"

#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <tuple>
#include <utility>

namespace nb = nanobind;

namespace joblib_mpi {

void PythonTaskLoop::serve(const nb::callable& run, const nb::callable& forget) {
  while (true) {
    TaskPort::Work work;
    {
      const nb::gil_scoped_release release;
      work = port_->next_task();
    }
    if (work.closed) return;
    if (!work.forgotten.empty()) {
      nb::list objects;
      for (const ObjectId object : work.forgotten) objects.append(object.value);
      forget(objects);
      release_done_buffers();
    }
    if (!work.task) continue;
    running_ = std::move(work.task);
    port_->finish(run_task(run));
    running_.reset();
    release_done_buffers();
  }
}

ExecutedTask PythonTaskLoop::run_task(const nb::callable& run) const {
  const auto begin = std::chrono::steady_clock::now();
  const nb::object answer = run(head_of(running_->arguments), buffers_of(running_->arguments, true));
  const std::chrono::duration<double> duration = std::chrono::steady_clock::now() - begin;
  const auto [returned, head, buffers] = nb::cast<std::tuple<bool, nb::bytes, nb::object>>(answer);
  return {running_->task, returned ? TaskEnding::returned : TaskEnding::raised, duration.count(),
          payload_from(head, buffers)};
}

nb::tuple PythonTaskLoop::object(std::uint64_t object) const {
  if (running_) {
    const auto input = std::ranges::find(running_->objects, ObjectId{object}, &ObjectInput::object);
    if (input != running_->objects.end())
      return nb::make_tuple(head_of(*input->value), buffers_of(*input->value, false));
  }
  throw nb::key_error(("the running task does not name the scattered object " + std::to_string(object)).c_str());
}

}  // namespace joblib_mpi
