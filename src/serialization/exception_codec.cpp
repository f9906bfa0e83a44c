#include "serialization/exception_codec.hpp"

#include "serialization/base_classes.hpp"
#include "serialization/standard_exceptions.hpp"
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/serialization.hpp>

#include <boost/core/demangle.hpp>
#include <cxxabi.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <sstream>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace joblib_mpi {
namespace {

using detail::TravellingException;

/// The known exception types, by the compiler's name of the type, which is the same on all ranks of one program.
class ExceptionTypes {
 public:
  static ExceptionTypes& instance() {
    static ExceptionTypes types;
    return types;
  }

  void add(const std::string& name, TravellingException type) {
    const std::lock_guard lock(mutex_);
    by_name_.insert_or_assign(name, type);
  }

  [[nodiscard]] std::optional<TravellingException> find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, TravellingException> by_name_ = standard_exceptions();
};

struct KnownType {
  std::string name;
  TravellingException type;
};

/// Returns the first of these types that is known; the first one is the type of the exception, the others its bases.
/// TaskError, as which it arrives otherwise, is a std::runtime_error and has the name of its type.
std::optional<KnownType> nearest_known(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name == typeid(std::runtime_error).name() && name != names.front()) continue;
    if (const auto type = ExceptionTypes::instance().find(name)) return KnownType{name, *type};
  }
  return std::nullopt;
}

/// Returns the names of the exception's class and its bases, without what std::throw_with_nested adds.
std::vector<std::string> names_of(const std::exception& error) {
  std::vector<std::string> names = names_of_class_and_bases(typeid(error));
  if (dynamic_cast<const std::nested_exception*>(&error) != nullptr) {
    std::erase(names, typeid(std::nested_exception).name());
    if (names.size() > 1 && names.front().starts_with("St17_Nested_exception")) names.erase(names.begin());
  }
  return names;
}

struct Description {
  std::vector<std::string> types;  // the compiler's names of the class and its bases
  std::string what;
  std::string members;  // the name of the type whose members follow, empty if there are none
  Payload content = {};
};

void append_members(Description& description, const std::exception& error) {
  const auto known = nearest_known(description.types);
  if (!known || known->type.save == nullptr) return;
  try {
    Payload content;
    PayloadWriter writer(content);
    known->type.save(error, writer);
    description.members = known->name;
    description.content = std::move(content);
  } catch (...) {  // it travels as its text, then
  }
}

/// Returns the value that is being handled as text, if it is of one of these types.
template <class First, class... Rest>
std::optional<std::string> text_of_current_as() {
  try {
    throw;
  } catch (const First& value) {
    std::ostringstream text;
    text << std::boolalpha << value;
    return text.str();
  } catch (...) {
    if constexpr (sizeof...(Rest) > 0) return text_of_current_as<Rest...>();
    return std::nullopt;
  }
}

/// Describes what is being handled if it is no std::exception.
Description describe_other() {
  constexpr const char* what_it_is = "an exception that is not a std::exception";
  const std::type_info* type = abi::__cxa_current_exception_type();
  const auto value =
      text_of_current_as<int, unsigned, long, unsigned long, long long, unsigned long long, short, unsigned short, char,
                         bool, float, double, long double, const char*, char*, std::string, std::string_view>();
  return {.types = {type != nullptr ? type->name() : ""},
          .what = value ? *value + " (" + what_it_is + ")" : what_it_is,
          .members = {}};
}

/// Returns a text such as "; caused by std::out_of_range: index 5" if the exception has another one nested in it.
std::string text_of_cause(const std::exception& error) {
  try {
    std::rethrow_if_nested(error);
    return {};
  } catch (const std::exception& cause) {
    return "; caused by " + boost::core::demangle(names_of(cause).front().c_str()) + ": " + cause.what() +
           text_of_cause(cause);
  } catch (...) {
    const Description cause = describe_other();
    return "; caused by " + boost::core::demangle(cause.types.front().c_str()) + ": " + cause.what;
  }
}

Description describe_current_exception() {
  try {
    throw;
  } catch (const std::exception& error) {
    Description description{.types = names_of(error), .what = error.what() + text_of_cause(error), .members = {}};
    append_members(description, error);
    return description;
  } catch (...) {
    return describe_other();
  }
}

}  // namespace

bool detail::register_exception_type(const std::type_info& type, TravellingException how) {
  ExceptionTypes::instance().add(type.name(), how);
  return true;
}

void save_current_exception(PayloadWriter& writer, const std::string& function) {
  const Description description = describe_current_exception();
  save(writer, function);
  save(writer, description.types);
  save(writer, description.what);
  save(writer, description.members);
  writer.write_bytes(description.content.head.data(), description.content.head.size());
  for (const SharedBytes& part : description.content.parts) writer.write_part(part);
}

std::exception_ptr load_exception(PayloadReader& reader, int rank, const std::string& host) {
  const auto function = load<std::string>(reader);
  const auto types = load<std::vector<std::string>>(reader);
  const auto what = load<std::string>(reader);
  const auto members = load<std::string>(reader);
  const std::string type = types.empty() || types.front().empty() ? "" : types.front();
  TaskFailure failure(function, rank, host, type.empty() ? "unknown" : boost::core::demangle(type.c_str()), what);
  if (const auto known = nearest_known(types)) {
    const bool has_members = known->type.save != nullptr;
    if (!has_members || members == known->name) return known->type.load(std::move(failure), reader);
  }
  return std::make_exception_ptr(TaskError(std::move(failure)));
}

}  // namespace joblib_mpi
