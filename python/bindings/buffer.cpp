#include "buffer.hpp"

namespace nb = nanobind;

namespace joblib_mpi {
namespace {

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Buffer* buffer = nb::inst_ptr<Buffer>(self);
  const ByteView bytes = buffer->bytes.view();
  // Writable buffers were received for one task alone; nothing else refers to them.
  return PyBuffer_FillInfo(view, self, const_cast<std::byte*>(bytes.data()), static_cast<Py_ssize_t>(bytes.size()),
                           buffer->writable ? 0 : 1, flags);
}

PyType_Slot slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(&get_buffer)}, {0, nullptr}};

}  // namespace

void bind_buffer(nb::module_& module) {
  nb::class_<Buffer>(module, "Buffer", nb::type_slots(slots), nb::is_final()).def("__len__", [](const Buffer& buffer) {
    return buffer.bytes.size();
  });
}

}  // namespace joblib_mpi
