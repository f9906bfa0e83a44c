#include "spill/hdf5_numpy_type.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace joblib_mpi {
namespace {

/// The most bytes that the encoded type of a dataset may take in its header.
constexpr std::size_t most_encoded_bytes = 60'000;

/// Thrown for a type that HDF5 cannot express; never leaves this file.
struct NotExpressible {};

Hdf5Handle copy_of_type(hid_t type) {
  return {H5Tcopy(type), H5Tclose, "copying a type"};
}

Hdf5Handle integer(const NumpyType& type) {
  const bool is_signed = type.kind == 'i';
  switch (type.item_size) {
    case 1:
      return copy_of_type(is_signed ? H5T_STD_I8LE : H5T_STD_U8LE);
    case 2:
      return copy_of_type(type.big_endian ? (is_signed ? H5T_STD_I16BE : H5T_STD_U16BE)
                                          : (is_signed ? H5T_STD_I16LE : H5T_STD_U16LE));
    case 4:
      return copy_of_type(type.big_endian ? (is_signed ? H5T_STD_I32BE : H5T_STD_U32BE)
                                          : (is_signed ? H5T_STD_I32LE : H5T_STD_U32LE));
    case 8:
      return copy_of_type(type.big_endian ? (is_signed ? H5T_STD_I64BE : H5T_STD_U64BE)
                                          : (is_signed ? H5T_STD_I64LE : H5T_STD_U64LE));
    default:
      throw NotExpressible{};
  }
}

Hdf5Handle half_precision(bool big_endian) {
  Hdf5Handle type = copy_of_type(big_endian ? H5T_IEEE_F32BE : H5T_IEEE_F32LE);
  check_hdf5(H5Tset_fields(type.get(), 15, 10, 5, 0, 10), "setting the fields of a floating-point type");
  check_hdf5(H5Tset_size(type.get(), 2), "setting the size of a floating-point type");
  check_hdf5(H5Tset_ebias(type.get(), 15), "setting the exponent bias of a floating-point type");
  return type;
}

Hdf5Handle real(std::size_t size, bool big_endian) {
  switch (size) {
    case 2:
      return half_precision(big_endian);
    case 4:
      return copy_of_type(big_endian ? H5T_IEEE_F32BE : H5T_IEEE_F32LE);
    case 8:
      return copy_of_type(big_endian ? H5T_IEEE_F64BE : H5T_IEEE_F64LE);
    case sizeof(long double):
      if (!big_endian) return copy_of_type(H5T_NATIVE_LDOUBLE);
      break;
    default:
      break;
  }
  throw NotExpressible{};
}

Hdf5Handle compound(std::size_t size) {
  if (size == 0) throw NotExpressible{};
  return {H5Tcreate(H5T_COMPOUND, size), H5Tclose, "creating a compound type"};
}

void insert(const Hdf5Handle& into, const std::string& name, std::size_t offset, const Hdf5Handle& member) {
  check_hdf5(H5Tinsert(into.get(), name.c_str(), offset, member.get()), "adding a member to a compound type");
}

Hdf5Handle boolean() {
  Hdf5Handle type(H5Tenum_create(H5T_STD_I8LE), H5Tclose, "creating an enumeration");
  for (const signed char value : {0, 1}) {
    check_hdf5(H5Tenum_insert(type.get(), value == 0 ? "FALSE" : "TRUE", &value), "adding a value to an enumeration");
  }
  return type;
}

Hdf5Handle complex(const NumpyType& type) {
  const std::size_t half = type.item_size / 2;
  const Hdf5Handle part = real(half, type.big_endian);
  Hdf5Handle both = compound(type.item_size);
  insert(both, "r", 0, part);
  insert(both, "i", half, part);
  return both;
}

Hdf5Handle fixed_text(std::size_t size) {
  if (size == 0) throw NotExpressible{};
  Hdf5Handle type = copy_of_type(H5T_C_S1);
  check_hdf5(H5Tset_size(type.get(), size), "setting the size of a string type");
  check_hdf5(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "setting the padding of a string type");
  return type;
}

/// Returns an opaque type, for which h5py uses the numpy type that follows "NUMPY:" in the tag.
Hdf5Handle opaque(const NumpyType& type) {
  if (type.item_size == 0) throw NotExpressible{};
  Hdf5Handle bytes(H5Tcreate(H5T_OPAQUE, type.item_size), H5Tclose, "creating an opaque type");
  std::string tag;
  if (type.kind != 'V') {
    tag = std::string("NUMPY:") + (type.big_endian ? '>' : '<') + type.kind +
          std::to_string(type.kind == 'U' ? type.item_size / 4 : type.item_size);
    if (!type.unit.empty()) tag += "[" + type.unit + "]";
  }
  if (tag.size() >= H5T_OPAQUE_TAG_MAX) throw NotExpressible{};
  check_hdf5(H5Tset_tag(bytes.get(), tag.c_str()), "naming an opaque type");
  return bytes;
}

Hdf5Handle with_shape(const NumpyType& type);

Hdf5Handle structure(const NumpyType& type) {
  Hdf5Handle whole = compound(type.item_size);
  std::set<std::string> names;
  for (const NumpyType::Field& field : type.fields) {
    const bool fits = !field.name.empty() && field.name.find('\0') == std::string::npos;
    if (!fits || !names.insert(field.name).second) throw NotExpressible{};
    insert(whole, field.name, field.offset, with_shape(field.type));
  }
  return whole;
}

Hdf5Handle without_shape(const NumpyType& type) {
  switch (type.kind) {
    case 'b':
      if (type.item_size != 1) throw NotExpressible{};
      return boolean();
    case 'i':
    case 'u':
      return integer(type);
    case 'f':
      return real(type.item_size, type.big_endian);
    case 'c':
      return complex(type);
    case 'S':
      return fixed_text(type.item_size);
    case 'U':
    case 'M':
    case 'm':
      return opaque(type);
    case 'V':
      return type.fields.empty() ? opaque(type) : structure(type);
    default:
      throw NotExpressible{};
  }
}

Hdf5Handle with_shape(const NumpyType& type) {
  Hdf5Handle element = without_shape(type);
  if (type.shape.empty()) return element;
  const bool is_empty = std::ranges::find(type.shape, 0u) != type.shape.end();
  if (is_empty || type.shape.size() > H5S_MAX_RANK) throw NotExpressible{};
  const std::vector<hsize_t> lengths(type.shape.begin(), type.shape.end());
  return {H5Tarray_create2(element.get(), static_cast<unsigned>(lengths.size()), lengths.data()), H5Tclose,
          "creating an array type"};
}

}  // namespace

std::optional<Hdf5Handle> hdf5_type_of(const NumpyType& type) {
  try {
    Hdf5Handle result = with_shape(type);
    std::size_t encoded_bytes = 0;
    check_hdf5(H5Tencode(result.get(), nullptr, &encoded_bytes), "measuring the encoded size of a type");
    if (encoded_bytes > most_encoded_bytes) return std::nullopt;
    return result;
  } catch (const NotExpressible&) {
    return std::nullopt;
  }
}

}  // namespace joblib_mpi
