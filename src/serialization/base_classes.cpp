#include "serialization/base_classes.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cstddef>

namespace joblib_mpi {
namespace {

using Class = const std::type_info*;

/// Returns the public base classes that are named in the definition of `type` (Itanium C++ ABI, section 2.9.5).
std::vector<Class> direct_bases(Class type) {
  if (const auto* single = dynamic_cast<const abi::__si_class_type_info*>(type)) return {single->__base_type};
  std::vector<Class> bases;
  if (const auto* several = dynamic_cast<const abi::__vmi_class_type_info*>(type)) {
    for (unsigned index = 0; index < several->__base_count; ++index) {
      const abi::__base_class_type_info& base = several->__base_info[index];
      if (base.__is_public_p()) bases.push_back(base.__base_type);
    }
  }
  return bases;
}

}  // namespace

std::vector<std::string> names_of_class_and_bases(const std::type_info& type) {
  std::vector<Class> classes{&type};
  for (std::size_t next = 0; next < classes.size(); ++next) {
    for (const Class base : direct_bases(classes[next])) {
      const bool known = std::ranges::any_of(classes, [&](Class other) { return *other == *base; });
      if (!known) classes.push_back(base);
    }
  }
  std::vector<std::string> names;
  for (const Class found : classes) names.emplace_back(found->name());
  return names;
}

}  // namespace joblib_mpi
