#pragma once

#include <joblib_mpi/detail/elements.hpp>
#include <joblib_mpi/detail/has_serialize.hpp>
#include <joblib_mpi/detail/plain_bytes.hpp>

#include <tuple>
#include <type_traits>

namespace joblib_mpi::detail {

template <class T>
constexpr bool can_be_serialized();
template <class... T>
constexpr bool all_can_be_serialized(Types<T...>) {
  return (can_be_serialized<T>() && ...);
}
template <class T>
inline constexpr bool has_const_element = false;
template <class... T>
inline constexpr bool has_const_element<std::tuple<T...>> = (std::is_const_v<T> || ...);

template <class T>
constexpr bool can_be_serialized() {
  if constexpr (refers_elsewhere<T> || has_const_element<T>) {
    return false;
  } else if constexpr (PlainBytes<T>) {
    return true;
  } else if constexpr (is_shared_ptr<T>) {
    using Pointee = std::remove_const_t<typename T::element_type>;
    return HasSerializeFunction<T> && PointeeOfBoost<Pointee> && all_can_be_serialized(typename ElementsOf<T>::type{});
  } else {
    constexpr bool is_known = is_plain_array<T> || is_composed<T> || is_unique_ptr<T>;
    return (is_known || HasSerializeMember<T> ||
            HasSerializeFunction<T>)&&all_can_be_serialized(typename ElementsOf<T>::type{});
  }
}

template <class...>
inline constexpr bool never = false;

/// The answer of a check that finds nothing wrong. Any other answer is a class whose `explain` stops the compilation
/// with a message; the template arguments of that class are in the message, too.
struct NoProblem {};

template <class T>
struct RefersElsewhere {
  static constexpr void explain() {
    static_assert(never<T>, "pointers, references and views mean nothing on another rank: pass the value itself");
  }
};
template <class T>
struct HasNoSerialize {
  static constexpr void explain() {
    static_assert(never<T>,
                  "the class T has no `serialize`: give it `template <class A> void serialize(A& archive, unsigned) { "
                  "archive & first & second; }`, or include Boost's header for it, such as "
                  "<boost/serialization/set.hpp>");
  }
};

template <class T>
struct HidesMembers {
  static constexpr void explain() {
    static_assert(never<T>,
                  "the class T holds a pointer, or a union, optional or variant in which there may be one, behind a "
                  "constructor, a base class or private members: give it a `serialize`, or write "
                  "BOOST_IS_BITWISE_SERIALIZABLE(T) if its bytes are its value");
  }
};
template <class T>
struct HasConstElement {
  static constexpr void explain() {
    static_assert(never<T>, "a tuple with a const element cannot be filled on another rank: remove the const");
  }
};

template <class T>
struct HasNoDefaultConstructor {
  static constexpr void explain() {
    static_assert(never<T>, "a value that travels between ranks needs a default constructor");
  }
};

/// Returns the first of some problems.
template <class First, class... Rest>
constexpr auto first_problem(First first, [[maybe_unused]] Rest... rest) {
  if constexpr (!std::is_same_v<First, NoProblem> || sizeof...(Rest) == 0) {
    return first;
  } else {
    return first_problem(rest...);
  }
}

template <class T>
constexpr auto serialization_problem();
template <class... T>
constexpr auto problem_of_elements(Types<T...>) {
  return first_problem(serialization_problem<T>()..., NoProblem());
}
/// Returns what keeps a `T` from being serialized; the problem names the type to mend, `T` or that of an element.
template <class T>
constexpr auto serialization_problem() {
  if constexpr (can_be_serialized<T>()) {
    return NoProblem();
  } else if constexpr (refers_elsewhere<T>) {
    return RefersElsewhere<T>();
  } else if constexpr (!all_can_be_serialized(typename ElementsOf<T>::type{})) {
    return problem_of_elements(typename ElementsOf<T>::type{});
  } else if constexpr (has_const_element<T>) {
    return HasConstElement<T>();
  } else if constexpr (Bare<T> && !KnownAggregate<T> && HidesPointerOrUnion<T>) {
    return HidesMembers<T>();
  } else {
    return HasNoSerialize<T>();
  }
}

/// Returns what keeps a `T` from being made on another rank, of the type to mend.
template <class T>
constexpr auto transfer_problem() {
  if constexpr (can_be_serialized<T>() && !std::is_default_constructible_v<T>) {
    return HasNoDefaultConstructor<T>();
  } else {
    return serialization_problem<T>();
  }
}

}  // namespace joblib_mpi::detail
