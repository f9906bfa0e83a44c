#include "python_finished_task.hpp"

#include "python_payload.hpp"

namespace nb = nanobind;

namespace joblib_mpi {
namespace {

/// Returns the type, which `_core` has made.
PyTypeObject* finished_task_type() {
  static const nb::handle type = nb::object(nb::module_::import_("joblib_mpi._core").attr("FinishedTask")).release();
  return reinterpret_cast<PyTypeObject*>(type.ptr());
}

/// Returns the name of an ending, always as one and the same string object: the caller compares by identity, and no
/// string is made for each task.
PyObject* ending_name(TaskEnding ending) {
  static PyObject* const returned = PyUnicode_InternFromString("returned");
  static PyObject* const raised = PyUnicode_InternFromString("raised");
  static PyObject* const timed_out = PyUnicode_InternFromString("timed out");
  static PyObject* const cancelled = PyUnicode_InternFromString("cancelled");
  static PyObject* const spill_failed = PyUnicode_InternFromString("spill failed");
  static PyObject* const no_room = PyUnicode_InternFromString("no room");
  static PyObject* const lost = PyUnicode_InternFromString("lost");
  switch (ending) {
    case TaskEnding::returned:
      return returned;
    case TaskEnding::raised:
      return raised;
    case TaskEnding::timed_out:
      return timed_out;
    case TaskEnding::cancelled:
      return cancelled;
    case TaskEnding::spill_failed:
      return spill_failed;
    case TaskEnding::no_room:
      return no_room;
    case TaskEnding::spilled:  // turned into the result before it gets here
    case TaskEnding::lost:
      break;
  }
  return lost;
}

/// Returns the function's name if the error message will contain it, otherwise None: a string for each result would
/// cost more than the rest of the tuple.
nb::object function_name(const FinishedTask& task) {
  const bool has_answer = task.ending == TaskEnding::returned || task.ending == TaskEnding::raised;
  if (has_answer) return nb::none();
  return nb::str(task.name.view().data(), task.name.view().size());
}

}  // namespace

nb::object finished_task(const FinishedTask& task) {
  nb::object result = nb::steal(PyStructSequence_New(finished_task_type()));
  if (!result.is_valid()) throw nb::python_error();
  Py_ssize_t next = 0;
  const auto set = [&](nb::object value) { PyStructSequence_SetItem(result.ptr(), next++, value.release().ptr()); };
  set(nb::int_(task.call.value));
  set(nb::int_(task.index));
  set(nb::int_(task.worker.value));
  set(nb::borrow(ending_name(task.ending)));
  set(nb::int_(task.attempts));
  set(function_name(task));
  set(head_of(task.result));
  set(buffers_of(task.result, !task.result.read_only));
  set(nb::int_(task.items.first));
  set(nb::int_(task.items.count));
  return result;
}

void bind_finished_task(nb::module_& module) {
  static PyStructSequence_Field fields[] = {
      {"call", "The id of its call."},
      {"task_index", "The index that it was submitted with: that of the task, or of the first task of a batch."},
      {"rank", "The rank of the last attempt; 0 if there was none."},
      {"ending", "\"returned\", \"raised\", \"lost\", \"timed out\", \"cancelled\", \"spill failed\" or \"no room\"."},
      {"attempts", "How often it was started."},
      {"name", "The name of its function if the task has no answer, else None."},
      {"head", "What `run` returned, or the reason why there is no answer as UTF-8 text."},
      {"buffers", "The buffers that `run` returned."},
      {"first_item", "The first item of the batch that this is about; 0 if several workers have not shared the batch."},
      {"items", "The number of items that this is about; 1 for a task that is no batch."},
      {nullptr, nullptr},
  };
  static PyStructSequence_Desc description{"joblib_mpi._core.FinishedTask", "A task that `next_results` has given.",
                                           fields, 10};
  const nb::object type = nb::steal(reinterpret_cast<PyObject*>(PyStructSequence_NewType(&description)));
  if (!type.is_valid()) throw nb::python_error();
  module.attr("FinishedTask") = type;
}

}  // namespace joblib_mpi
