// Tests of compression by plugins of HDF5.

#include "spill/hdf5_result_format.hpp"
#include "support/catch.hpp"

#include <cstdlib>

using namespace joblib_mpi;

namespace {

/// HDF5 reads the variable once, when it starts.
[[maybe_unused]] const int path_is_set = setenv("HDF5_PLUGIN_PATH", HDF5_PLUGIN_FOLDER, 1);

}  // namespace

TEST_CASE("a plugin compresses results") {
  const Hdf5ResultFormat format;
  CHECK_NOTHROW(format.require_compression("zstd"));
}

TEST_CASE("a plugin that calls HDF5 is refused if it does not reach the HDF5 that loads it") {
  const Hdf5ResultFormat format;
#ifdef HDF5_IS_PRIVATE
  CHECK_THROWS_WITH(
      format.require_compression("blosc"),
      "unknown spill compression \"blosc\"; known here: \"none\", \"gzip\", \"zstd\"; a level may follow the "
      "name of one that has levels, as in \"gzip:6\"");
#else
  CHECK_NOTHROW(format.require_compression("blosc"));
#endif
}
