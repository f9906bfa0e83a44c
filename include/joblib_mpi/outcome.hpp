#pragma once

#include <exception>
#include <utility>
#include <variant>

namespace joblib_mpi {

/// The result of a task, or the exception with which it failed. See `Parallel::outcomes`.
template <class R>
class Outcome {
 public:
  /// Holds the result of a task that succeeded.
  explicit Outcome(R value) : content_(std::in_place_index<0>, std::move(value)) {}
  /// Holds the exception of a task that failed. `error` must not be null.
  explicit Outcome(std::exception_ptr error) : content_(std::in_place_index<1>, std::move(error)) {}

  /// Returns true if the task succeeded.
  [[nodiscard]] bool has_value() const noexcept { return content_.index() == 0; }
  /// Returns true if the task succeeded, as `has_value` does.
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  /// Returns the result, or throws the task's exception.
  [[nodiscard]] const R& value() const& {
    rethrow_error();
    return **this;
  }
  /// Returns the result for moving, or throws the task's exception.
  [[nodiscard]] R&& value() && {
    rethrow_error();
    return std::get<0>(std::move(content_));
  }
  /// Returns the result, without a check: `has_value()` must be true.
  [[nodiscard]] const R& operator*() const noexcept { return *std::get_if<0>(&content_); }
  /// Gives access to a member of the result, without a check: `has_value()` must be true.
  [[nodiscard]] const R* operator->() const noexcept { return std::get_if<0>(&content_); }
  /// Returns the exception; null if the task succeeded.
  [[nodiscard]] std::exception_ptr error() const noexcept { return has_value() ? nullptr : *std::get_if<1>(&content_); }

 private:
  void rethrow_error() const {
    if (!has_value()) std::rethrow_exception(error());
  }

  std::variant<R, std::exception_ptr> content_;
};

/// The outcome of a task whose function returns nothing.
template <>
class Outcome<void> {
 public:
  /// Holds the success of a task.
  Outcome() = default;
  /// Holds the exception of a task that failed, or success if `error` is null.
  explicit Outcome(std::exception_ptr error) : error_(std::move(error)) {}

  /// Returns true if the task succeeded.
  [[nodiscard]] bool has_value() const noexcept { return error_ == nullptr; }
  /// Returns true if the task succeeded, as `has_value` does.
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
  /// Throws the task's exception if there is one.
  void value() const {
    if (error_) std::rethrow_exception(error_);
  }
  /// Returns the exception; null if the task succeeded.
  [[nodiscard]] std::exception_ptr error() const noexcept { return error_; }

 private:
  std::exception_ptr error_;
};

}  // namespace joblib_mpi
