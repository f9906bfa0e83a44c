#include <joblib_mpi/serialization.hpp>

#include <boost/core/demangle.hpp>

#include <string>

namespace joblib_mpi::detail {

void throw_serialization_error(const std::type_info& type, const char* doing, const char* what) {
  throw SerializationError(std::string("cannot ") + doing + " a " + boost::core::demangle(type.name()) + ": " + what);
}

}  // namespace joblib_mpi::detail
