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

  char kind = 'V';                        ///< Numpy's kind: b i u f c S U V O m M; V with fields is a structure.
  bool big_endian = false;                ///< Tells the byte order of types that have one.
  std::size_t item_size = 0;              ///< The size in bytes of one element, without `shape`.
  std::string unit = {};                  ///< The unit of a time: "ns", "25s".
  std::vector<std::uint64_t> shape = {};  ///< The shape of a field that is itself an array.
  std::vector<Field> fields;  ///< The fields of a structure, in the order of their offsets, without padding.

  /// Returns the size in bytes of one element, including `shape`.
  [[nodiscard]] std::size_t size() const noexcept;
};

struct NumpyType::Field {
  std::string name;
  std::size_t offset;  ///< The offset in bytes.
  NumpyType type;
};

/// Parses `numpy.lib.format.dtype_to_descr(dtype)` as text: "<f8", or "[('x', '<i4'), ('y', '<c16', (3,))]" for a
/// structured type. Returns nothing if the text is neither, or if it describes more bytes than memory can hold.
[[nodiscard]] std::optional<NumpyType> parse_numpy_type(std::string_view text);

}  // namespace joblib_mpi
