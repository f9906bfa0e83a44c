#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <unistd.h>

namespace joblib_mpi {

/// Releases the GIL as long as it lives, in place of nanobind's `gil_scoped_release`. If the interpreter ends before
/// then, the thread waits for the end of the process, as it does in Python 3.14: earlier versions end it by an
/// exception that no destructor lets through, so that the process would be aborted.
class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;
  ~WithoutGil() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      for (;;) pause();
    }
  }

 private:
  PyThreadState* state_;
};

/// Returns what `function` returns, which is called without the GIL.
template <class Function>
[[nodiscard]] auto without_gil(const Function& function) {
  const WithoutGil release;
  return function();
}

/// Deletes an object without the GIL, because its destructor may wait for a thread, a process or the disk. Must be
/// called with the GIL.
template <class Object>
struct DeleteWithoutGil {
  void operator()(Object* object) const {
    const WithoutGil release;
    delete object;
  }
};

/// A pointer to what belongs to one Python object and whose destructor may wait.
template <class Object>
using PtrDeletedWithoutGil = std::unique_ptr<Object, DeleteWithoutGil<Object>>;

}  // namespace joblib_mpi
