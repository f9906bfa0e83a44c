#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/detail/function_registry.hpp>
#include <joblib_mpi/detail/loaded_view.hpp>
#include <joblib_mpi/detail/signature.hpp>
#include <joblib_mpi/scatter.hpp>
#include <joblib_mpi/serialization.hpp>

#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace joblib_mpi::detail {

/// Appends an argument that is not needed here any more, and notes the shared object that it names.
template <class P, class S>
void save_argument(PayloadWriter& writer, S&& stored, TaskArguments& arguments, Backend& backend) {
  if constexpr (is_shared<std::remove_cvref_t<S>>) {
    const ObjectId object = stored.publish(backend);
    writer.write(object);
    arguments.objects.push_back(object);
  } else {
    save_consumed(writer, std::move(stored));
  }
}

// The two forms that a shared object may have in a process; TaskObjects tells them apart by these functions.
template <class T>
std::shared_ptr<const void> make_shared_value(PayloadReader& payload) {
  return std::make_shared<const T>(load<T>(payload));
}
template <class Array>
std::shared_ptr<const void> make_shared_view(PayloadReader& payload) {
  return std::make_shared<const LoadedView<typename Array::value_type>>(load_view<Array>(payload));
}

/// Appends an argument for Task::view, which leaves it as it is.
template <class S>
void view_argument(PayloadWriter& writer, const S& stored, [[maybe_unused]] ObjectHome& home) {
  if constexpr (is_shared<S>) {
    writer.write(stored.publish(home));
  } else {
    save_owned(writer, std::shared_ptr<const S>(std::shared_ptr<const void>(), &stored));  // without an owner
  }
}

/// An argument on the rank that runs the task; binds to the parameter `P`.
template <class P, class S>
class LoadedArgument {
 public:
  LoadedArgument(PayloadReader& reader, TaskObjects&) : value_(load<S>(reader)) {}
  P get() { return static_cast<P>(std::move(value_)); }

 private:
  S value_;
};
template <class P, class S>
  requires std::is_lvalue_reference_v<P>
class LoadedArgument<P, S> {
 public:
  LoadedArgument(PayloadReader& reader, TaskObjects&) : value_(load<S>(reader)) {}
  P get() { return value_; }

 private:
  S value_;
};
template <class P, class T>
class LoadedArgument<P, Shared<T>> {
 public:
  LoadedArgument(PayloadReader& reader, TaskObjects& objects)
      : value_(static_cast<const T*>(objects.resolve(reader.read<ObjectId>(), &make_shared_value<T>))) {}
  const T& get() { return *value_; }

 private:
  const T* value_;
};

/// A `std::span<const T>` of a scattered array of `T`, or a `std::string_view` of a scattered string.
template <class P, class Array>
concept ViewOf = is_plain_array<Array> && (std::is_same_v<P, std::span<const typename Array::value_type>> ||
                                           std::is_same_v<P, std::basic_string_view<typename Array::value_type>>);

template <class P, class T>
  requires ViewOf<std::remove_cvref_t<P>, T>
class LoadedArgument<P, Shared<T>> {
  using Element = typename T::value_type;

 public:
  LoadedArgument(PayloadReader& reader, TaskObjects& objects)
      : view_(static_cast<const LoadedView<Element>*>(objects.resolve(reader.read<ObjectId>(), &make_shared_view<T>))) {
  }
  std::remove_cvref_t<P> get() { return {view_->elements.data(), view_->elements.size()}; }

 private:
  const LoadedView<Element>* view_;
};

}  // namespace joblib_mpi::detail
