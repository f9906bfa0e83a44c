#include "spill/hdf5_compression.hpp"

#include "files/hdf5_file_image.hpp"
#include "files/hdf5_handle.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace joblib_mpi {
namespace {

/// Large enough to compress well, small enough to read a part of an array alone. Chosen, not measured.
constexpr std::size_t most_chunk_bytes = std::size_t{1} << 20;

struct Filter {
  const char* name;
  H5Z_filter_t id;
};

/// The filter numbers that The HDF Group has registered.
constexpr Filter filters[] = {
    {"gzip", H5Z_FILTER_DEFLATE}, {"lzf", 32000}, {"bzip2", 307}, {"blosc", 32001}, {"lz4", 32004}, {"zstd", 32015}};

/// Makes a dataset that `filter` compresses, in memory. Throws Hdf5Error.
void try_filter(const Filter& filter) {
  constexpr hsize_t shape[] = {1000};
  Hdf5FileImage image;
  const Hdf5Handle file(H5Fcreate("a trial in memory", H5F_ACC_TRUNC, H5P_DEFAULT, image.properties().get()), H5Fclose,
                        "creating a file");
  const Hdf5Handle space(H5Screate_simple(1, shape, nullptr), H5Sclose, "creating a dataspace");
  const Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "creating a dataset's properties");
  set_compression(properties.get(), {filter.id, {}}, shape, 1);
  const Hdf5Handle dataset(
      H5Dcreate2(file.get(), "trial", H5T_NATIVE_UINT8, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
      H5Dclose, "creating a dataset");
}

/// Returns true if HDF5 can compress with `filter`. A plugin that calls HDF5 itself cannot reach a private HDF5.
bool is_usable(const Filter& filter) {
  const bool there = H5Zfilter_avail(filter.id) > 0;
  H5Eclear2(H5E_DEFAULT);  // clears the errors of the search for a plugin
  if (!there) return false;
  try {
    try_filter(filter);
    return true;
  } catch (const Hdf5Error&) {
    return false;
  }
}

[[noreturn]] void refuse(const std::string& text) {
  std::string known = "\"none\"";
  for (const Filter& filter : filters) {
    if (is_usable(filter)) known += std::string(", \"") + filter.name + "\"";
  }
  throw UsageError("unknown spill compression \"" + text + "\"; known here: " + known +
                   "; a level may follow the name of one that has levels, as in \"gzip:6\"");
}

}  // namespace

std::optional<Hdf5Compression> hdf5_compression(const std::string& text) {
  if (text.empty() || text == "none") return std::nullopt;
  const std::size_t colon = text.find(':');
  const auto* filter = std::ranges::find(filters, text.substr(0, colon), &Filter::name);
  if (filter == std::end(filters) || !is_usable(*filter)) refuse(text);
  Hdf5Compression compression{filter->id, {}};
  if (colon != std::string::npos) {
    unsigned level = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, level);
    const unsigned highest = filter->id == H5Z_FILTER_DEFLATE ? 9 : 100;
    if (error != std::errc{} || stop != end || level > highest) refuse(text);
    compression.level = level;
  }
  return compression;
}

void set_compression(hid_t properties, const Hdf5Compression& compression, std::span<const hsize_t> shape,
                     std::size_t item_bytes) {
  std::vector<hsize_t> chunk(shape.begin(), shape.end());
  std::size_t bytes = item_bytes;
  for (const hsize_t length : chunk) bytes *= length;
  for (hsize_t& length : chunk) {  // slices along the first axis where these are small enough
    while (bytes > most_chunk_bytes && length > 1) {
      bytes = bytes / length * ((length + 1) / 2);
      length = (length + 1) / 2;
    }
  }
  check_hdf5(H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data()), "enabling chunks of a dataset");
  check_hdf5(H5Pset_shuffle(properties), "enabling the shuffle filter");
  constexpr unsigned default_gzip_level = 4;  // the default of h5py
  std::vector<unsigned> parameters;
  if (compression.level) parameters = {*compression.level};
  if (parameters.empty() && compression.filter == H5Z_FILTER_DEFLATE) parameters = {default_gzip_level};
  check_hdf5(H5Pset_filter(properties, compression.filter, H5Z_FLAG_OPTIONAL, parameters.size(), parameters.data()),
             "enabling compression");
}

}  // namespace joblib_mpi
