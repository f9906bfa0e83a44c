#include "python_payload.hpp"

#include "buffer.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace nb = nanobind;

namespace joblib_mpi {
namespace {

/// Collects views that the core has dropped, until a thread with the GIL releases them.
class DoneBuffers {
 public:
  void add(std::unique_ptr<Py_buffer> view) {
    const std::lock_guard lock(mutex_);
    views_.push_back(std::move(view));
    any_ = true;
  }

  void release() {
    if (!any_.load(std::memory_order_relaxed)) return;
    std::vector<std::unique_ptr<Py_buffer>> views;
    {
      const std::lock_guard lock(mutex_);
      views.swap(views_);
      any_ = false;
    }
    for (const auto& view : views) PyBuffer_Release(view.get());
  }

 private:
  std::mutex mutex_;
  std::atomic<bool> any_{false};
  std::vector<std::unique_ptr<Py_buffer>> views_;
};

/// Returns the collection. It is never destroyed, since the core may drop views while the interpreter ends.
DoneBuffers& done_buffers() {
  static auto* buffers = new DoneBuffers;
  return *buffers;
}

}  // namespace

SharedBytes bytes_of(nb::handle object) {
  auto view = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(object.ptr(), view.get(), PyBUF_SIMPLE) != 0) throw nb::python_error();
  const ByteView bytes(static_cast<const std::byte*>(view->buf), static_cast<std::size_t>(view->len));
  const std::shared_ptr<const Py_buffer> owner(view.release(), [](const Py_buffer* done) {
    done_buffers().add(std::unique_ptr<Py_buffer>(const_cast<Py_buffer*>(done)));
  });
  return {owner, bytes};
}

Payload payload_from(nb::handle head, nb::handle buffers) {
  release_done_buffers();
  Payload payload;
  if (PyBytes_CheckExact(head.ptr()) != 0 && static_cast<std::size_t>(PyBytes_GET_SIZE(head.ptr())) < min_part_bytes) {
    const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(head.ptr()));
    payload.head = std::as_bytes(std::span(PyBytes_AS_STRING(head.ptr()), size));
  } else {
    payload.set_packed(bytes_of(head));
  }
  for (const nb::handle buffer : buffers) payload.parts.push_back(bytes_of(buffer));
  return payload;
}

nb::object head_of(const Payload& payload) {
  if (payload.long_head.size() == 0) return nb::bytes(payload.head.data(), payload.head.size());
  const nb::object memory = nb::cast(Buffer{payload.long_head, false});
  const nb::object view = nb::steal(PyMemoryView_FromObject(memory.ptr()));
  if (!view.is_valid()) throw nb::python_error();
  return view;
}

nb::list buffers_of(const Payload& payload, bool writable) {
  nb::list buffers;
  for (const SharedBytes& part : payload.parts) buffers.append(nb::cast(Buffer{part, writable}));
  return buffers;
}

void release_done_buffers() {
  done_buffers().release();
}

}  // namespace joblib_mpi
