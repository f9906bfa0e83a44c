#include "python_task_loop.hpp"

#include "buffer.hpp"
#include "python_payload.hpp"
#include "without_gil.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <tuple>
#include <utility>

namespace nb = nanobind;

namespace joblib_mpi {
namespace {

/// Converts the last value that `run` returns: None, or the function's name and a tuple (type, shape, fortran_order)
/// for each buffer.
ResultNotes notes_from(const nb::object& notes) {
  ResultNotes result;
  if (notes.is_none()) return result;
  auto [function, layouts] = nb::cast<std::tuple<std::string, nb::list>>(notes);
  result.function = std::move(function);
  for (const nb::handle layout : layouts) {
    auto [type, shape, fortran_order] = nb::cast<std::tuple<std::string, std::vector<std::uint64_t>, bool>>(layout);
    result.layouts.push_back({std::move(type), std::move(shape), fortran_order});
  }
  return result;
}

}  // namespace

void PythonTaskLoop::serve(const nb::callable& run, const nb::callable& forget) {
  while (true) {
    TaskPort::Work work;
    {
      const WithoutGil release;
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
    ExecutedTask done = run_task(run);
    {
      const WithoutGil release;
      port_->finish(std::move(done));
    }
    running_.reset();
    release_done_buffers();
  }
}

ExecutedTask PythonTaskLoop::run_task(const nb::callable& run) const {
  const auto begin = std::chrono::steady_clock::now();
  const nb::object answer = run(head_of(running_->arguments), buffers_of(running_->arguments, true));
  const std::chrono::duration<double> duration = std::chrono::steady_clock::now() - begin;
  const auto [returned, head, buffers, notes] = nb::cast<std::tuple<bool, nb::bytes, nb::object, nb::object>>(answer);
  return {running_->task, returned ? TaskEnding::returned : TaskEnding::raised, duration.count(),
          payload_from(head, buffers), notes_from(notes)};
}

const Payload& PythonTaskLoop::named(std::uint64_t object) const {
  if (running_) {
    const auto input = std::ranges::find(running_->objects, ObjectId{object}, &ObjectInput::object);
    if (input != running_->objects.end()) return *input->value;
  }
  throw nb::key_error(("the running task does not name the shared object " + std::to_string(object)).c_str());
}

nb::tuple PythonTaskLoop::object(std::uint64_t object) const {
  const Payload& value = named(object);
  return nb::make_tuple(head_of(value), buffers_of(value, false));
}

nb::object PythonTaskLoop::copy_on_write(std::uint64_t object, std::size_t part, std::size_t offset,
                                         std::size_t bytes) const {
  const Payload& value = named(object);
  if (part >= value.parts.size() || offset > value.parts[part].size() || bytes > value.parts[part].size() - offset) {
    throw nb::index_error("a shared object has no such bytes");
  }
  std::optional<SharedBytes> own = port_->copy_on_write(value.parts[part].view().subspan(offset, bytes));
  return own ? nb::cast(Buffer{std::move(*own), true}) : nb::none();
}

}  // namespace joblib_mpi
