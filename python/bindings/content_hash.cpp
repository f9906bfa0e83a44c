#include "content_hash.hpp"

#include "core/content_hash.hpp"
#include "python_payload.hpp"
#include "without_gil.hpp"

namespace nb = nanobind;

namespace joblib_mpi {

void bind_content_hash(nb::module_& module) {
  module.def(
      "content_hash",
      [](nb::handle buffer) {
        ContentHash hash;
        {
          const SharedBytes bytes = bytes_of(buffer);
          const WithoutGil release;
          hash = content_hash(bytes.view());
        }
        release_done_buffers();
        return nb::bytes(hash.data(), hash.size());
      },
      nb::arg("buffer"));
}

}  // namespace joblib_mpi
