#include "support/catch.hpp"
#include "support/round_trip.hpp"
#include <joblib_mpi/serialization.hpp>

#include <boost/serialization/split_free.hpp>
#include <boost/serialization/split_member.hpp>

#include <array>
#include <complex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using detail::HasSerializeFunction;
using detail::HasSerializeMember;
using detail::PlainBytes;

// All these classes are trivially copyable. Their `serialize` adds 1000 when it loads, so that it shows if it was used.
namespace serialize_test {

template <class Archive>
void serialize_number(Archive& archive, int& number) {
  archive& number;
  if (Archive::is_loading::value) number += 1000;
}

struct Without {
  int number = 1;
};
struct Flagged {
  int number = 1;
  bool serialize = true;
};
struct Public {
  int number = 1;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    serialize_number(archive, number);
  }
};
struct Inheriting : Public {};
struct Final final {
  int number = 1;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    serialize_number(archive, number);
  }
};
class Private {
 public:
  int number = 1;

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    serialize_number(archive, number);
  }
};
class Split {
 public:
  int number = 1;

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    archive << number;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    archive >> number;
    number += 1000;
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
};
class FinalWithPrivateMembers final {
  [[maybe_unused]] int number_ = 1;
};

struct OfFunction {
  int number = 1;
};
template <class Archive>
void serialize(Archive& archive, OfFunction& value, const unsigned) {
  serialize_number(archive, value.number);
}
template <class T>
struct OfTemplate {
  T number = 1;
};
template <class Archive, class T>
void serialize(Archive& archive, OfTemplate<T>& value, unsigned) {
  serialize_number(archive, value.number);
}
struct OfBoost {
  int number = 1;
};
struct OfSplitFunction {
  int number = 1;
};
template <class T>
concept Marked = requires { typename T::marked; };
struct OfConstrainedFunction {
  using marked = void;
  int number = 1;
};
template <class Archive, Marked T>
void serialize(Archive& archive, T& value, const unsigned) {
  serialize_number(archive, value.number);
}

/// What a function may ask of an archive.
template <class T>
concept BoostArchive = requires(T& archive, int number) {
  typename T::is_loading;
  typename T::is_saving;
  archive& number;
};
struct OfFunctionForArchives {
  int number = 1;
};
template <BoostArchive Archive>
void serialize(Archive& archive, OfFunctionForArchives& value, const unsigned) {
  serialize_number(archive, value.number);
}
struct FinalForArchives final {
  int number = 1;
  template <BoostArchive Archive>
  void serialize(Archive& archive, unsigned) {
    serialize_number(archive, number);
  }
};

struct Declared {
  int number = 1;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    serialize_number(archive, number);
  }
};
struct Holder {
  Public member;
  int number = 1;
};

/// A view of an arena, which `serialize` builds anew: it owns nothing, and its pointer means nothing elsewhere.
struct Vector3 {
  int size = 0;
  double* values = nullptr;
  static inline std::array<double, 3> arena{};
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& size;
    if constexpr (Archive::is_loading::value) values = arena.data();
    for (int index = 0; index < size; ++index) archive& values[index];
  }
};

}  // namespace serialize_test
using namespace serialize_test;

BOOST_IS_BITWISE_SERIALIZABLE(serialize_test::Declared)
BOOST_SERIALIZATION_SPLIT_FREE(serialize_test::OfSplitFunction)

namespace boost::serialization {
template <class Archive>
void serialize(Archive& archive, serialize_test::OfBoost& value, const unsigned) {
  serialize_test::serialize_number(archive, value.number);
}
template <class Archive>
void save(Archive& archive, const serialize_test::OfSplitFunction& value, unsigned) {
  archive << value.number;
}
template <class Archive>
void load(Archive& archive, serialize_test::OfSplitFunction& value, unsigned) {
  archive >> value.number;
  value.number += 1000;
}
}  // namespace boost::serialization

namespace {

template <class T>
void check_serialize_is_used() {
  static_assert(std::is_trivially_copyable_v<T> && !PlainBytes<T> && Serializable<T>);
  CHECK(there_and_back(T()).number == 1001);
  CHECK(there_and_back(std::vector<T>(2)).at(1).number == 1001);
  CHECK(there_and_back(std::array<T, 2>()).at(1).number == 1001);
  CHECK(there_and_back(std::optional<T>(T())).value().number == 1001);
  CHECK(there_and_back(std::pair<int, T>()).second.number == 1001);
  CHECK(std::get<1>(there_and_back(std::tuple<int, T>())).number == 1001);
}

template <class T>
void check_bytes_are_used() {
  static_assert(PlainBytes<T> && Serializable<T>);
  CHECK(there_and_back(T()).number == 1);
  CHECK(there_and_back(std::vector<T>(2)).at(1).number == 1);
}

}  // namespace

TEST_CASE("a serialize member is used for a trivially copyable class wherever a value of it stands") {
  check_serialize_is_used<Public>();
  check_serialize_is_used<Private>();
  check_serialize_is_used<Split>();
  check_serialize_is_used<Final>();
  check_serialize_is_used<Inheriting>();
  check_serialize_is_used<FinalForArchives>();
}

TEST_CASE("a serialize function is used for a trivially copyable class wherever it is declared") {
  check_serialize_is_used<OfFunction>();
  check_serialize_is_used<OfTemplate<int>>();
  check_serialize_is_used<OfConstrainedFunction>();
  check_serialize_is_used<OfBoost>();
  check_serialize_is_used<OfSplitFunction>();
  check_serialize_is_used<OfFunctionForArchives>();
}

TEST_CASE("a trivially copyable class without serialize or declared bitwise is sent as its bytes") {
  check_bytes_are_used<Without>();
  check_bytes_are_used<Flagged>();
  check_bytes_are_used<Declared>();
}

TEST_CASE("a class with a member that has a serialize is not sent as bytes") {
  static_assert(!PlainBytes<Holder> && !Serializable<Holder>);
  static_assert(!PlainBytes<std::optional<Public>> && !PlainBytes<std::array<Public, 2>>);
  static_assert(PlainBytes<std::optional<Without>> && PlainBytes<std::array<Without, 2>>);
  static_assert(!PlainBytes<FinalWithPrivateMembers> && !Serializable<FinalWithPrivateMembers>);
  static_assert(PlainBytes<std::complex<double>> && PlainBytes<std::array<std::complex<float>, 2>>);
  CHECK(there_and_back(std::complex<double>(1, 2)) == std::complex<double>(1, 2));
}

TEST_CASE("serialize functions and members are told from what has the name by chance") {
  static_assert(HasSerializeMember<Private> && !HasSerializeFunction<Private>);
  static_assert(HasSerializeFunction<OfBoost> && !HasSerializeMember<OfBoost>);
  static_assert(!HasSerializeMember<Flagged> && !HasSerializeFunction<Flagged>);
  static_assert(!HasSerializeFunction<std::set<int>>);  // its header is not included
  CHECK(there_and_back(Flagged{3, false}).number == 3);
}

TEST_CASE("a trivially copyable view that serialize builds anew arrives with its values") {
  std::array<double, 2> values{1, 2};
  const Vector3 loaded = there_and_back(Vector3{2, values.data()});
  values = {};
  CHECK(loaded.values == Vector3::arena.data());
  CHECK(loaded.values[0] + loaded.values[1] == 3);
}
