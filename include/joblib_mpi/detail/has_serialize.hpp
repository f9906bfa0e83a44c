#pragma once

#include <boost/mpl/bool.hpp>
#include <boost/serialization/serialization.hpp>

#include <concepts>
#include <type_traits>

namespace joblib_mpi::detail {

/// The result of a call of `serialize` for which the program has no function.
struct NoSerializeFunction {};
/// An archive that only takes part in the lookup of `serialize`. It has what a function may require of an archive.
struct LookupArchive {
  using is_saving = boost::mpl::bool_<true>;
  using is_loading = boost::mpl::bool_<false>;
  template <class T>
  LookupArchive& operator&(T&& value);
  template <class T>
  LookupArchive& operator<<(T&& value);
  template <class T>
  LookupArchive& operator>>(T&& value);
  template <class T>
  void register_type(T* type = nullptr);
  [[nodiscard]] unsigned get_library_version() const;
};
/// Is declared for the lookup alone. It is preferred to Boost's template for every type, and to none of the program's
/// functions: a function for a class is more specialised, and a call with any other one is ambiguous.
template <class Archive, class T>
  requires std::same_as<Archive, LookupArchive>
NoSerializeFunction serialize(Archive& archive, T& value, const unsigned int version);

/// A class for which there is a function `serialize(archive, value, version)` in the namespace of the class or of
/// Boost.Serialization. The call below is Boost's: its last argument brings in Boost's namespace.
template <class T>
concept HasSerializeFunction = (std::is_class_v<T> || std::is_union_v<T>)&&!requires(
    LookupArchive& archive, T& value, boost::serialization::version_type version) {
  { serialize(archive, value, version) } -> std::same_as<NoSerializeFunction>;
};

struct SerializeName {
  int serialize;
};
/// Has two members named `serialize` if `T` has one; looking the name up is then ambiguous, whether or not the member
/// is private.
template <class T>
struct WithSerializeName : T, SerializeName {};

template <class T>
concept CanBeBase = std::is_class_v<T> && !std::is_final_v<T>;

/// A class with a member function `serialize`, which may be private. A private one of a final class or of a union is
/// not found.
template <class T>
concept HasSerializeMember =
    (
        CanBeBase<T> && !requires { &WithSerializeName<T>::serialize; } &&
        !requires { requires std::is_member_object_pointer_v<decltype(&T::serialize)>; }) ||
    (!CanBeBase<T> && requires(T& value, LookupArchive& archive) { value.serialize(archive, 0U); });

}  // namespace joblib_mpi::detail
