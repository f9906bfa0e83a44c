#include "serialization/standard_exceptions.hpp"

#include <joblib_mpi/serialization.hpp>

#include <any>
#include <array>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <regex>
#include <set>
#include <stdexcept>
#include <system_error>
#include <typeinfo>
#include <utility>
#include <variant>

namespace joblib_mpi {
namespace {

/// A category that is not known in this process: it has the name of the one on the task's rank.
class CategoryOfRank final : public std::error_category {
 public:
  explicit CategoryOfRank(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] const char* name() const noexcept override { return name_.c_str(); }
  [[nodiscard]] std::string message(int value) const override { return name_ + " error " + std::to_string(value); }
  friend bool operator<(const CategoryOfRank& left, const CategoryOfRank& right) { return left.name_ < right.name_; }

 private:
  std::string name_;
};

const std::error_category& category_named(const std::string& name) {
  const std::array<const std::error_category*, 4> known{&std::generic_category(), &std::system_category(),
                                                        &std::iostream_category(), &std::future_category()};
  for (const std::error_category* category : known) {
    if (name == category->name()) return *category;
  }
  static std::mutex mutex;
  static std::set<CategoryOfRank> others;  // an error code refers to its category without end
  const std::lock_guard lock(mutex);
  return *others.emplace(name).first;
}

void save_code(PayloadWriter& writer, const std::error_code& code) {
  save(writer, std::string(code.category().name()));
  save(writer, code.value());
}

std::error_code load_code(PayloadReader& reader) {
  const auto category = load<std::string>(reader);
  return {load<int>(reader), category_named(category)};
}

/// An exception that has no more than its type.
template <class E>
struct Bare {
  static void save(const std::exception&, PayloadWriter&) {}
  static std::exception_ptr load(TaskFailure failure, PayloadReader&) {
    return std::make_exception_ptr(RemoteException<E>(E(), std::move(failure)));
  }
};

/// An exception with an error code, made from the code and, where it takes one, a text.
template <class E>
struct Coded {
  static void save(const std::exception& error, PayloadWriter& writer) {
    save_code(writer, dynamic_cast<const E&>(error).code());
  }
  static std::exception_ptr load(TaskFailure failure, PayloadReader& reader) {
    return std::make_exception_ptr(RemoteException<E>(make(load_code(reader), failure), std::move(failure)));
  }
  static E make(const std::error_code& code, const TaskFailure& failure) {
    if constexpr (std::is_same_v<E, std::future_error>) {
      return E(static_cast<std::future_errc>(code.value()));
    } else if constexpr (std::is_same_v<E, std::system_error>) {
      return E(code, failure.remote_what());
    } else {
      return E(failure.remote_what(), code);
    }
  }
};

struct Filesystem {
  using Error = std::filesystem::filesystem_error;
  static void save(const std::exception& thrown, PayloadWriter& writer) {
    const auto& error = dynamic_cast<const Error&>(thrown);
    save_code(writer, error.code());
    joblib_mpi::save(writer, error.path1().native());
    joblib_mpi::save(writer, error.path2().native());
  }
  static std::exception_ptr load(TaskFailure failure, PayloadReader& reader) {
    const std::error_code code = load_code(reader);
    const auto path1 = joblib_mpi::load<std::string>(reader);
    const auto path2 = joblib_mpi::load<std::string>(reader);
    return std::make_exception_ptr(
        RemoteException<Error>(Error(failure.remote_what(), path1, path2, code), std::move(failure)));
  }
};

struct Regex {
  static void save(const std::exception& error, PayloadWriter& writer) {
    writer.write(dynamic_cast<const std::regex_error&>(error).code());
  }
  static std::exception_ptr load(TaskFailure failure, PayloadReader& reader) {
    const auto code = reader.read<std::regex_constants::error_type>();
    return std::make_exception_ptr(RemoteException<std::regex_error>(std::regex_error(code), std::move(failure)));
  }
};

class Types {
 public:
  template <class... E>
  void add_texts() {
    (by_name_.emplace(typeid(E).name(), detail::travelling<E>()), ...);
  }
  template <class... E>
  void add_bare() {
    (add<E, Bare<E>>(), ...);
  }
  template <class E, class Form>
  void add() {
    by_name_.emplace(typeid(E).name(), detail::TravellingException{&Form::save, &Form::load});
  }
  [[nodiscard]] std::unordered_map<std::string, detail::TravellingException> take() { return std::move(by_name_); }

 private:
  std::unordered_map<std::string, detail::TravellingException> by_name_;
};

}  // namespace

std::unordered_map<std::string, detail::TravellingException> standard_exceptions() {
  Types types;
  types.add_texts<std::runtime_error, std::range_error, std::overflow_error, std::underflow_error, std::logic_error,
                  std::invalid_argument, std::domain_error, std::length_error, std::out_of_range>();
  types.add_texts<Error, UsageError, MpiError, VersionMismatch, SerializationError, SessionAborted, CheckpointError,
                  SpillError, TimeoutError>();
  types.add_bare<std::bad_alloc, std::bad_array_new_length, std::bad_cast, std::bad_typeid, std::bad_exception,
                 std::bad_function_call, std::bad_weak_ptr, std::bad_any_cast, std::bad_optional_access,
                 std::bad_variant_access>();
  types.add<std::system_error, Coded<std::system_error>>();
  types.add<std::ios_base::failure, Coded<std::ios_base::failure>>();
  types.add<std::future_error, Coded<std::future_error>>();
  types.add<std::filesystem::filesystem_error, Filesystem>();
  types.add<std::regex_error, Regex>();
  return types.take();
}

}  // namespace joblib_mpi
