#include "serialization/exception_codec.hpp"

#include <joblib_mpi/error.hpp>
#include <joblib_mpi/serialization.hpp>

#include <boost/core/demangle.hpp>

#include <mutex>
#include <new>
#include <stdexcept>
#include <system_error>
#include <typeindex>
#include <unordered_map>

namespace joblib_mpi {
namespace {

/// The registered exception types, by the compiler's name of the type, which is the same on all ranks of one program.
class ExceptionTypes {
 public:
  static ExceptionTypes& instance() {
    static ExceptionTypes types;
    return types;
  }

  void add(const std::string& name, detail::MakeException make) {
    const std::lock_guard lock(mutex_);
    make_by_name_.insert_or_assign(name, make);
  }

  [[nodiscard]] detail::MakeException find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = make_by_name_.find(name);
    return found == make_by_name_.end() ? nullptr : found->second;
  }

 private:
  ExceptionTypes() {
    add_all<std::runtime_error, std::range_error, std::overflow_error, std::underflow_error, std::logic_error,
            std::invalid_argument, std::domain_error, std::length_error, std::out_of_range, UsageError,
            SerializationError, TimeoutError>();
  }
  template <class... E>
  void add_all() {
    (make_by_name_.emplace(typeid(E).name(), &detail::make_remote_exception<E>), ...);
  }

  std::mutex mutex_;
  std::unordered_map<std::string, detail::MakeException> make_by_name_;
};

struct Description {
  std::string type;  // the compiler's name; empty if the exception is not a std::exception
  std::string what;
};

Description describe_current_exception() {
  try {
    throw;
  } catch (const std::exception& error) {
    return {typeid(error).name(), error.what()};
  } catch (...) {
    return {"", "an exception that is not a std::exception"};
  }
}

}  // namespace

bool detail::register_exception_type(const std::type_info& type, MakeException make) {
  ExceptionTypes::instance().add(type.name(), make);
  return true;
}

void save_current_exception(PayloadWriter& writer, const std::string& function) {
  const Description description = describe_current_exception();
  save(writer, function);
  save(writer, description.type);
  save(writer, description.what);
}

std::exception_ptr load_exception(PayloadReader& reader, int rank, const std::string& host) {
  const auto function = load<std::string>(reader);
  const auto type = load<std::string>(reader);
  const auto what = load<std::string>(reader);
  TaskFailure failure(function, rank, host, type.empty() ? "unknown" : boost::core::demangle(type.c_str()), what);
  if (const detail::MakeException make = ExceptionTypes::instance().find(type)) return make(std::move(failure));
  return std::make_exception_ptr(TaskError(std::move(failure)));
}

}  // namespace joblib_mpi
