#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace joblib_mpi {

/// The type of an array's elements, as numpy describes it.
struct NumpyType {
  struct Field;

  char kind = 'V';                        ///< numpy's: b i u f c S U V O m M; V with fields is a structure
  bool big_endian = false;                ///< where bytes have an order
  std::size_t item_size = 0;              ///< in bytes, of one element without `shape`
  std::string unit = {};                  ///< of times: "ns", "25s"
  std::vector<std::uint64_t> shape = {};  ///< of a field that is an array itself
  std::vector<Field> fields;              ///< of a structure, in the order of their offsets, without padding

  /// With `shape`.
  [[nodiscard]] std::size_t size() const noexcept;
};

struct NumpyType::Field {
  std::string name;
  std::size_t offset;  ///< in bytes
  NumpyType type;
};

/// Understands `numpy.lib.format.dtype_to_descr(dtype)` as text: "<f8", or "[('x', '<i4'), ('y', '<c16', (3,))]" of a
/// structured type. Nothing if the text is none of these, or if it describes more bytes than memory can have.
[[nodiscard]] std::optional<NumpyType> parse_numpy_type(std::string_view text);

}  // namespace joblib_mpi
