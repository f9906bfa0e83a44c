// A plugin of HDF5 that compresses nothing. With CALLS_HDF5, it looks at the dataset's properties as blosc does.

#include <H5PLextern.h>
#include <hdf5.h>

#include <cstddef>

namespace {

std::size_t filter(unsigned, std::size_t, const unsigned[], std::size_t bytes, std::size_t*, void**) {
  return bytes;
}

#ifdef CALLS_HDF5
herr_t look(hid_t properties, hid_t, hid_t) {
  unsigned flags = 0;
  std::size_t no_values = 0;
  return H5Pget_filter_by_id2(properties, FILTER_ID, &flags, &no_values, nullptr, 0, nullptr, nullptr);
}
constexpr H5Z_set_local_func_t set_local = look;
#else
constexpr H5Z_set_local_func_t set_local = nullptr;
#endif

const H5Z_class2_t plugin{H5Z_CLASS_T_VERS, FILTER_ID, 1, 1, "a plugin of a test", nullptr, set_local, filter};

}  // namespace

extern "C" H5PL_type_t H5PLget_plugin_type() {
  return H5PL_TYPE_FILTER;
}

extern "C" const void* H5PLget_plugin_info() {
  return &plugin;
}
