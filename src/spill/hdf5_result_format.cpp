#include "spill/hdf5_result_format.hpp"

#include "files/hdf5_file_image.hpp"
#include "files/hdf5_handle.hpp"
#include "spill/hdf5_compression.hpp"
#include "spill/hdf5_numpy_type.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace joblib_mpi {
namespace {

/// The alignment of arrays in the file, so that elements of any numpy or C++ type may be read in place.
constexpr hsize_t alignment_bytes = 64;

/// The space for HDF5's headers of a file and, besides its type, of each dataset; all headers come before the first
/// array.
constexpr hsize_t file_header_bytes = 16 * 1024;
constexpr hsize_t dataset_header_bytes = 2 * 1024;
/// The space for a type, per character of its text: a field of a structure takes at least 13 characters and up to 200
/// bytes.
constexpr hsize_t header_bytes_per_letter = 32;
/// HDF5 keeps texts of variable size in blocks of 4096 bytes that it places like arrays. All headers come first only if
/// one block is enough, so function names are cut to this size and other texts have a fixed size.
constexpr std::size_t most_name_bytes = 1500;
constexpr hsize_t most_attribute_bytes = 60'000;  // HDF5 allows 64 KiB for an attribute

/// A dataset in the form in which HDF5 stores it.
struct DatasetShape {
  Hdf5Handle type;
  std::vector<hsize_t> shape;
  bool is_array = true;  // false for bytes of a type that HDF5 lacks

  [[nodiscard]] bool is_empty() const { return std::ranges::find(shape, 0u) != shape.end(); }
};

Hdf5Handle byte_type() {
  return {H5Tcopy(H5T_NATIVE_UINT8), H5Tclose, "copying a number type"};
}

DatasetShape shape_of_bytes(std::uint64_t bytes) {
  return {byte_type(), {bytes}, false};
}

/// Returns whether an array of this shape has `bytes` bytes.
bool has_size(std::uint64_t bytes, std::uint64_t item_bytes, const std::vector<std::uint64_t>& shape) {
  if (std::ranges::find(shape, 0u) != shape.end()) return bytes == 0;
  std::uint64_t expected = item_bytes;
  for (const std::uint64_t length : shape) {
    if (expected > std::numeric_limits<std::uint64_t>::max() / length) return false;
    expected *= length;
  }
  return expected == bytes;
}

DatasetShape shape_of(const ResultContent::Array& array) {
  const auto& [text, shape, fortran_order] = array.layout;
  const std::optional<NumpyType> type = text.empty() ? std::nullopt : parse_numpy_type(text);
  if (!type || shape.size() > H5S_MAX_RANK || !has_size(array.bytes, type->size(), shape)) {
    return shape_of_bytes(array.bytes);
  }
  std::optional<Hdf5Handle> hdf5_type = hdf5_type_of(*type);
  if (!hdf5_type) return shape_of_bytes(array.bytes);
  DatasetShape result{std::move(*hdf5_type), {shape.begin(), shape.end()}};
  if (fortran_order) std::ranges::reverse(result.shape);
  return result;
}

template <class Value>
void write_attribute(const Hdf5Handle& where, const char* name, hid_t type, const Value* values,
                     std::optional<hsize_t> count = {}) {
  const Hdf5Handle space(count ? H5Screate_simple(1, &*count, nullptr) : H5Screate(H5S_SCALAR), H5Sclose,
                         "creating the dataspace of an attribute");
  const Hdf5Handle attribute(H5Acreate2(where.get(), name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                             "creating an attribute");
  if (!count || *count > 0) check_hdf5(H5Awrite(attribute.get(), type, values), "writing an attribute");
}

/// Writes an attribute that h5py reads as `str`.
void write_text(const Hdf5Handle& where, const char* name, const std::string& text) {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "copying a string type");
  check_hdf5(H5Tset_size(type.get(), H5T_VARIABLE), "setting the size of a string type");
  check_hdf5(H5Tset_cset(type.get(), H5T_CSET_UTF8), "setting the character set of a string type");
  const char* const letters = text.c_str();
  write_attribute(where, name, type.get(), &letters);
}

/// Writes an attribute that h5py reads as `bytes`.
void write_fixed_text(const Hdf5Handle& where, const char* name, const std::string& text) {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "copying a string type");
  check_hdf5(H5Tset_size(type.get(), std::max<std::size_t>(text.size(), 1)), "setting the size of a string type");
  check_hdf5(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "setting the padding of a string type");
  write_attribute(where, name, type.get(), text.c_str());
}

void write_true(const Hdf5Handle& where, const char* name) {
  NumpyType boolean;
  boolean.kind = 'b';
  boolean.item_size = 1;
  const std::optional<Hdf5Handle> type = hdf5_type_of(boolean);
  const signed char value = 1;
  write_attribute(where, name, type->get(), &value);
}

void write_attributes(const Hdf5Handle& where, const ResultAttributes& attributes) {
  write_text(where, "function", attributes.function.substr(0, most_name_bytes));
  write_attribute(where, "task", H5T_NATIVE_UINT64, &attributes.index);
  write_attribute(where, "rank", H5T_NATIVE_INT, &attributes.rank);
  write_attribute(where, "seconds", H5T_NATIVE_DOUBLE, &attributes.seconds);
}

/// A result file that is being built. It must be destroyed before its image.
class ResultMaker {
 public:
  ResultMaker(Hdf5FileImage& image, const ResultContent& content, std::optional<Hdf5Compression> compression)
      : content_(content), compression_(compression) {
    hsize_t header_bytes = file_header_bytes;
    for (const ResultContent::Array& array : content.arrays) {
      header_bytes += dataset_header_bytes + 16 * array.layout.shape.size();
      header_bytes += std::min<hsize_t>(header_bytes_per_letter * array.layout.type.size(), 2 * most_attribute_bytes);
    }
    const Hdf5Handle access = image.properties();
    check_hdf5(H5Pset_alignment(access.get(), 1, alignment_bytes), "aligning arrays");
    check_hdf5(H5Pset_meta_block_size(access.get(), header_bytes), "reserving space for headers");
    check_hdf5(H5Pset_small_data_block_size(access.get(), 0), "turning off blocks for small data");
    file_ = {H5Fcreate("a result in memory", H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose,
             "creating a result file"};
    write_text(file_, "format", "joblib_mpi result");
    write_attributes(file_, content.attributes);
    if (content.arrays.empty()) return;
    const Hdf5Handle group(H5Gcreate2(file_.get(), "arrays", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose,
                           "creating a group");
  }

  /// Keeps the datasets that it has added open, so that HDF5 writes their metadata once.
  const Hdf5Handle& add_head() { return add("head", shape_of_bytes(content_.head_bytes)); }
  const Hdf5Handle& add_array(std::size_t number) {
    const ResultContent::Array& array = content_.arrays[number];
    DatasetShape shape = shape_of(array);
    const bool is_array = shape.is_array;
    const Hdf5Handle& dataset = add("arrays/" + std::to_string(number), std::move(shape));
    const auto& [type, lengths, fortran_order] = array.layout;
    if (fortran_order && lengths.size() > 1) write_true(dataset, "fortran_order");
    if (!is_array && !type.empty()) {
      write_fixed_text(dataset, "dtype", type.substr(0, most_attribute_bytes));
      write_attribute(dataset, "shape", H5T_NATIVE_UINT64, lengths.data(), lengths.size());
    }
    return dataset;
  }

  /// Returns an upper bound of the file's size.
  [[nodiscard]] std::uint64_t file_bytes() const {
    hsize_t bytes = 0;
    check_hdf5(H5Fget_filesize(file_.get(), &bytes), "reading the size of a file");
    return bytes;
  }

  void close() {
    for (Hdf5Handle& dataset : datasets_) dataset.close("closing a dataset");
    file_.close("closing a result file");
  }

 private:
  const Hdf5Handle& add(const std::string& name, DatasetShape dataset) {
    const int rank = static_cast<int>(dataset.shape.size());
    const Hdf5Handle space(rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, dataset.shape.data(), nullptr),
                           H5Sclose, "creating a dataspace");
    const Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "creating a dataset's properties");
    if (compression_ && rank > 0 && !dataset.is_empty()) {
      set_compression(properties.get(), *compression_, dataset.shape, H5Tget_size(dataset.type.get()));
    } else if (!compression_) {
      // The dataset's offset must be known now; its bytes are written without HDF5.
      check_hdf5(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY), "requesting early allocation of a dataset");
    }
    check_hdf5(H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER), "turning off fill values of a dataset");
    datasets_.emplace_back(H5Dcreate2(file_.get(), name.c_str(), dataset.type.get(), space.get(), H5P_DEFAULT,
                                      properties.get(), H5P_DEFAULT),
                           H5Dclose, "creating a dataset");
    if (name == main_dataset(content_.arrays.size())) write_attributes(datasets_.back(), content_.attributes);
    return datasets_.back();
  }

  const ResultContent& content_;
  std::optional<Hdf5Compression> compression_;
  Hdf5Handle file_;
  std::vector<Hdf5Handle> datasets_;
};

std::uint64_t place_of(const Hdf5Handle& dataset, std::uint64_t bytes) {
  if (bytes == 0) return 0;
  const haddr_t offset = H5Dget_offset(dataset.get());
  if (offset == HADDR_UNDEF) throw Hdf5Error("HDF5 has allocated no space in the file for a dataset of a result");
  return offset;
}

void write_bytes(const Hdf5Handle& dataset, ByteView bytes) {
  if (bytes.empty()) return;
  const Hdf5Handle type(H5Dget_type(dataset.get()), H5Tclose, "reading the type of a dataset");
  check_hdf5(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), "writing a dataset");
}

Bytes read_bytes(const Hdf5Handle& file, const std::string& name) {
  const Hdf5Handle dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose, "opening a dataset");
  const Hdf5Handle type(H5Dget_type(dataset.get()), H5Tclose, "reading the type of a dataset");
  const Hdf5Handle space(H5Dget_space(dataset.get()), H5Sclose, "reading the dataspace of a dataset");
  const hssize_t items = H5Sget_simple_extent_npoints(space.get());
  if (items < 0) throw Hdf5Error("a dataset in a result file has no size");
  Bytes bytes(static_cast<std::size_t>(items) * H5Tget_size(type.get()));
  if (bytes.empty()) return bytes;
  check_hdf5(H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), "reading a dataset");
  return bytes;
}

}  // namespace

ResultStructure Hdf5ResultFormat::lay_out(const ResultContent& content) const {
  const auto lock = lock_hdf5();
  ResultStructure structure;
  Hdf5FileImage image(1);  // does not grow beyond what was written
  {
    ResultMaker file(image, content, {});
    structure.head_offset = place_of(file.add_head(), content.head_bytes);
    for (std::size_t number = 0; number < content.arrays.size(); ++number) {
      structure.array_offsets.push_back(place_of(file.add_array(number), content.arrays[number].bytes));
    }
    structure.file_bytes = file.file_bytes();
    file.close();
  }
  std::uint64_t data_offset = image.size();
  if (content.head_bytes > 0) data_offset = structure.head_offset;
  for (std::size_t number = 0; number < content.arrays.size(); ++number) {
    if (content.arrays[number].bytes > 0) data_offset = std::min(data_offset, structure.array_offsets[number]);
  }
  if (image.size() > data_offset)
    throw Hdf5Error("the HDF5 headers of a result file take more space than was reserved for them before its arrays");
  structure.bytes = image.bytes(0, image.size());
  return structure;
}

Bytes Hdf5ResultFormat::compress(const ResultContent& content, const Payload& result,
                                 const std::string& compression) const {
  const auto lock = lock_hdf5();
  Hdf5FileImage image;
  {
    ResultMaker file(image, content, hdf5_compression(compression));
    write_bytes(file.add_head(), result.packed());
    for (std::size_t number = 0; number < content.arrays.size(); ++number) {
      write_bytes(file.add_array(number), result.parts.at(number).view());
    }
    file.close();
  }
  return image.bytes(0, image.size());
}

Payload Hdf5ResultFormat::decompress(ByteView content) const {
  const auto lock = lock_hdf5();
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "creating a file's access properties");
  check_hdf5(H5Pset_fapl_core(access.get(), Hdf5FileImage::default_growth_bytes, 0),
             "choosing the in-memory file driver");
  void* const bytes = const_cast<std::byte*>(content.data());  // HDF5 copies the bytes
  check_hdf5(H5Pset_file_image(access.get(), bytes, content.size()), "passing a file image to HDF5");
  const Hdf5Handle file(H5Fopen("a result in memory", H5F_ACC_RDONLY, access.get()), H5Fclose, "opening a result file");
  Payload result;
  result.set_packed(SharedBytes(read_bytes(file, "head")));
  if (H5Lexists(file.get(), "arrays", H5P_DEFAULT) <= 0) return result;
  const Hdf5Handle group(H5Gopen2(file.get(), "arrays", H5P_DEFAULT), H5Gclose, "opening a group");
  for (std::size_t number = 0; H5Lexists(group.get(), std::to_string(number).c_str(), H5P_DEFAULT) > 0; ++number) {
    result.parts.emplace_back(read_bytes(group, std::to_string(number)));
  }
  return result;
}

Bytes Hdf5ResultFormat::index(const std::vector<IndexEntry>& entries) const {
  const auto lock = lock_hdf5();
  Hdf5FileImage image;
  {
    Hdf5Handle file(H5Fcreate("an index in memory", H5F_ACC_TRUNC, H5P_DEFAULT, image.properties().get()), H5Fclose,
                    "creating an index file");
    write_text(file, "format", "joblib_mpi index");
    Hdf5Handle group(H5Gcreate2(file.get(), "result", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose,
                     "creating a group");
    for (const auto& [index, path, dataset] : entries) {
      check_hdf5(H5Lcreate_external(path.c_str(), dataset.c_str(), group.get(), std::to_string(index).c_str(),
                                    H5P_DEFAULT, H5P_DEFAULT),
                 "linking a result");
    }
    group.close("closing a group");
    file.close("closing an index file");
  }
  return image.bytes(0, image.size());
}

void Hdf5ResultFormat::require_compression(const std::string& compression) const {
  const auto lock = lock_hdf5();
  (void)hdf5_compression(compression);
}

}  // namespace joblib_mpi
