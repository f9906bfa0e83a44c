#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/function_registry.hpp>
#include <joblib_mpi/scatter.hpp>
#include <joblib_mpi/serialization.hpp>

#include <memory>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace joblib_mpi {

namespace detail {

template <class Function>
struct Signature : Signature<decltype(&Function::operator())> {};  // a lambda without captures
template <class R, class... P>
struct Signature<R (*)(P...)> {
  using Result = R;
  template <template <class...> class Template>
  using Parameters = Template<P...>;
};
template <class R, class... P>
struct Signature<R (*)(P...) noexcept> : Signature<R (*)(P...)> {};
template <class R, class Class, class... P>
struct Signature<R (Class::*)(P...) const> : Signature<R (*)(P...)> {};
template <class R, class Class, class... P>
struct Signature<R (Class::*)(P...) const noexcept> : Signature<R (*)(P...)> {};

/// How an argument `A` for a parameter `P` waits and travels: as the parameter's own type, or as a shared object.
template <class P, class A>
using Stored = std::conditional_t<is_shared<std::remove_cvref_t<A>>, std::remove_cvref_t<A>, std::remove_cvref_t<P>>;

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

// One function for each form that a shared object may have in a process: TaskObjects tells them apart by it.
template <class T>
std::shared_ptr<const void> make_shared_value(PayloadReader& payload) {
  return std::make_shared<const T>(load<T>(payload));
}
template <class Array>
std::shared_ptr<const void> make_shared_view(PayloadReader& payload) {
  return std::make_shared<const LoadedView<typename Array::value_type>>(load_view<Array>(payload));
}

template <class T>
inline constexpr bool may_have_padding =
    std::is_class_v<T> && PlainBytes<T> && !std::has_unique_object_representations_v<T>;

template <class T>
inline constexpr bool has_padded_elements = false;
template <class T, class Allocator>
inline constexpr bool has_padded_elements<std::vector<T, Allocator>> = may_have_padding<T>;

/// Zeroes the bytes of `value` that are not part of its value, where the compiler can.
template <class T>
void clear_padding([[maybe_unused]] T& value) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
  __builtin_clear_padding(&value);
#endif
#endif
}

/// Appends an argument for whoever only looks, see Task::view.
template <class S>
void view_argument(PayloadWriter& writer, const S& stored, [[maybe_unused]] ObjectHome& home) {
  if constexpr (is_shared<S>) {
    writer.write(stored.publish(home));
  } else if constexpr (may_have_padding<S>) {
    S copy = stored;
    clear_padding(copy);
    save(writer, copy);
  } else if constexpr (has_padded_elements<S>) {
    S copy = stored;
    for (auto& element : copy) clear_padding(element);
    save(writer, copy);
  } else {
    save_owned(writer, std::shared_ptr<const S>(std::shared_ptr<const void>(), &stored));  // nobody keeps it
  }
}

/// An argument as it is on the rank that runs the task; binds to the parameter `P`.
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

/// Decodes in the order of the parameters: braces evaluate from left to right.
template <auto function, class Parameters, class StoredTypes>
struct Invocation;
template <auto function, class... P, class... S>
struct Invocation<function, std::tuple<P...>, std::tuple<S...>> {
  static void invoke(PayloadReader& reader, TaskObjects& objects, PayloadWriter& result) {
    std::tuple<LoadedArgument<P, S>...> arguments{LoadedArgument<P, S>(reader, objects)...};
    std::apply(
        [&](auto&... argument) {
          using Result = std::invoke_result_t<decltype(function), decltype(argument.get())...>;
          if constexpr (std::is_void_v<Result>) {
            function(argument.get()...);
          } else {
            save_consumed(result, std::remove_cvref_t<Result>(function(argument.get()...)));
          }
        },
        arguments);
  }

  static std::string name() { return function_name(__PRETTY_FUNCTION__); }
};

/// Naming it anywhere registers the function, on every rank, before `main`.
template <auto function, class Parameters, class StoredTypes>
inline const FunctionId function_id = FunctionRegistry::instance().add(
    {Invocation<function, Parameters, StoredTypes>::name(), &Invocation<function, Parameters, StoredTypes>::invoke});

template <class Tuple, class... A>
struct StoredTupleOf;
template <class... P, class... A>
struct StoredTupleOf<std::tuple<P...>, A...> {
  static_assert(sizeof...(P) == sizeof...(A), "delayed<function>(…) needs one argument for each parameter");
  static_assert((!(std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>)&&...),
                "a task works on its own copy of the arguments: take them by value or const&, and return the result");
  using type = std::tuple<Stored<P, A>...>;
};

}  // namespace detail

/// A call that has not happened yet: `function` and its arguments, as joblib's `delayed(function)(arguments…)`.
template <auto function, class StoredTypes>
class Delayed final : public Task {
  using Function = detail::Signature<std::remove_const_t<decltype(function)>>;
  using Parameters = typename Function::template Parameters<std::tuple>;

 public:
  using result_type = std::remove_cvref_t<typename Function::Result>;

  template <class... A>
  explicit Delayed(std::in_place_t, A&&... arguments) : arguments_(std::forward<A>(arguments)...) {}

  [[nodiscard]] std::string_view name() const override {
    return detail::FunctionRegistry::instance().at(detail::function_id<function, Parameters, StoredTypes>).name;
  }

  [[nodiscard]] std::shared_ptr<void> run() override {
    return call(std::make_index_sequence<std::tuple_size_v<StoredTypes>>{});
  }

  [[nodiscard]] bool can_run_again() const override {
    return stays_whole(std::make_index_sequence<std::tuple_size_v<StoredTypes>>{});
  }

  [[nodiscard]] TaskArguments save(Backend& backend) override {
    TaskArguments arguments;
    PayloadWriter writer(arguments.payload);
    writer.write(detail::function_id<function, Parameters, StoredTypes>);
    save_all(writer, arguments, backend, std::make_index_sequence<std::tuple_size_v<StoredTypes>>{});
    return arguments;
  }

  [[nodiscard]] Payload view(ObjectHome& home) const override {
    Payload payload;
    PayloadWriter writer(payload);
    writer.write(detail::function_id<function, Parameters, StoredTypes>);
    std::apply([&](const auto&... argument) { (detail::view_argument(writer, argument, home), ...); }, arguments_);
    return payload;
  }

  [[nodiscard]] std::unique_ptr<Task> move_to_heap() override { return std::make_unique<Delayed>(std::move(*this)); }

 private:
  template <std::size_t index>
  decltype(auto) argument() {
    using P = std::tuple_element_t<index, Parameters>;
    auto& stored = std::get<index>(arguments_);
    if constexpr (detail::is_shared<std::remove_cvref_t<decltype(stored)>>) {
      return *stored;
    } else if constexpr (std::is_lvalue_reference_v<P>) {
      return static_cast<P>(stored);
    } else {
      return std::move(stored);
    }
  }

  /// Of arguments that `argument` moves, those that are plain bytes stay what they are.
  template <std::size_t... index>
  static constexpr bool stays_whole(std::index_sequence<index...>) {
    return ((std::is_lvalue_reference_v<std::tuple_element_t<index, Parameters>> ||
             detail::is_shared<std::tuple_element_t<index, StoredTypes>> ||
             std::is_trivially_copyable_v<std::tuple_element_t<index, StoredTypes>>)&&...);
  }

  template <std::size_t... index>
  std::shared_ptr<void> call(std::index_sequence<index...>) {
    if constexpr (std::is_void_v<result_type>) {
      function(argument<index>()...);
      return nullptr;
    } else {
      return std::make_shared<result_type>(function(argument<index>()...));
    }
  }

  template <std::size_t... index>
  void save_all([[maybe_unused]] PayloadWriter& writer, [[maybe_unused]] TaskArguments& arguments,
                [[maybe_unused]] Backend& backend, std::index_sequence<index...>) {
    (detail::save_argument<std::tuple_element_t<index, Parameters>>(writer, std::move(std::get<index>(arguments_)),
                                                                    arguments, backend),
     ...);
  }

  StoredTypes arguments_;
};

/// Notes a call of `function` for `Parallel`. As `joblib.delayed`.
///
/// `function` is a plain function or a lambda without captures; the program that runs on the other ranks knows it by
/// having been compiled from the same source. Arguments are converted to the parameters' types and kept by value; a
/// `Shared<T>` stands for a `const T&`, and for a view where `T` is a plain array.
template <auto function, class... A>
[[nodiscard]] auto delayed(A&&... arguments) {
  using Function = detail::Signature<std::remove_const_t<decltype(function)>>;
  using Parameters = typename Function::template Parameters<std::tuple>;
  using StoredTypes = typename detail::StoredTupleOf<Parameters, A...>::type;
  return Delayed<function, StoredTypes>(std::in_place, std::forward<A>(arguments)...);
}

}  // namespace joblib_mpi
