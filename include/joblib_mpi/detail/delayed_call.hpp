#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/detail/arguments.hpp>
#include <joblib_mpi/detail/different_functions.hpp>
#include <joblib_mpi/detail/function_registry.hpp>
#include <joblib_mpi/detail/signature.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace joblib_mpi::detail {

/// The call of `function` with arguments from a payload. They are decoded in the order of the parameters: braces
/// evaluate from left to right.
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

/// The id of `function`. Naming it anywhere in the program registers the function on every rank before `main`.
template <auto function, class Parameters, class StoredTypes>
inline const FunctionId function_id = FunctionRegistry::instance().add(
    {Invocation<function, Parameters, StoredTypes>::name(), &Invocation<function, Parameters, StoredTypes>::invoke});

/// A call that has not run yet: `function` and its arguments. Made by `delayed`.
template <auto function, class StoredTypes>
class Delayed final : public Task {
  using Function = Signature<std::remove_const_t<decltype(function)>>;
  using Parameters = typename Function::template Parameters<std::tuple>;

 public:
  using result_type = std::remove_cvref_t<typename Function::Result>;

  template <class... A>
  explicit Delayed(std::in_place_t, A&&... arguments) : arguments_(std::forward<A>(arguments)...) {}

  [[nodiscard]] std::string_view name() const override {
    return FunctionRegistry::instance().at(function_id<function, Parameters, StoredTypes>).name;
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
    writer.write(function_id<function, Parameters, StoredTypes>);
    save_all(writer, arguments, backend, std::make_index_sequence<std::tuple_size_v<StoredTypes>>{});
    return arguments;
  }

  [[nodiscard]] Payload view(ObjectHome& home) const override {
    Payload payload;
    PayloadWriter writer(payload, PayloadWriter::Use::compare);
    writer.write(function_id<function, Parameters, StoredTypes>);
    std::apply([&](const auto&... argument) { (view_argument(writer, argument, home), ...); }, arguments_);
    return payload;
  }

  [[nodiscard]] std::unique_ptr<Task> move_to_heap() override { return std::make_unique<Delayed>(std::move(*this)); }

  /// Does not compile: it explains `std::vector{delayed<f>(1), delayed<g>(2)}`, which the compiler takes for a number
  /// of elements and their value, because the elements of a list have one type.
  template <std::same_as<std::size_t> Count>
  operator Count() const {  // NOLINT(google-explicit-constructor): a constructor's parameter is converted implicitly
    DifferentFunctions<Delayed>::explain();
    return 0;
  }

  /// Returns the size of those arguments that are arrays of plain values, in bytes.
  [[nodiscard]] std::size_t array_bytes() const {
    return std::apply([](const auto&... argument) { return (std::size_t{0} + ... + bytes_of_array(argument)); },
                      arguments_);
  }

 private:
  template <class S>
  static std::size_t bytes_of_array([[maybe_unused]] const S& stored) {
    if constexpr (is_plain_array<S>) return stored.size() * sizeof(typename S::value_type);
    return 0;
  }

  template <std::size_t index>
  decltype(auto) argument() {
    using P = std::tuple_element_t<index, Parameters>;
    auto& stored = std::get<index>(arguments_);
    if constexpr (is_shared<std::remove_cvref_t<decltype(stored)>>) {
      return *stored;
    } else if constexpr (std::is_lvalue_reference_v<P>) {
      return static_cast<P>(stored);
    } else {
      return std::move(stored);
    }
  }

  /// Returns true if all arguments keep their values in `call`: moving from plain bytes does not change them.
  template <std::size_t... index>
  static constexpr bool stays_whole(std::index_sequence<index...>) {
    return ((std::is_lvalue_reference_v<std::tuple_element_t<index, Parameters>> ||
             is_shared<std::tuple_element_t<index, StoredTypes>> ||
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
    (save_argument<std::tuple_element_t<index, Parameters>>(writer, std::move(std::get<index>(arguments_)), arguments,
                                                            backend),
     ...);
  }

  StoredTypes arguments_;
};

}  // namespace joblib_mpi::detail
