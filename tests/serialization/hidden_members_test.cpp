#include "support/catch.hpp"
#include "support/round_trip.hpp"
#include <joblib_mpi/detail/plain_bytes.hpp>
#include <joblib_mpi/detail/serializable.hpp>
#include <joblib_mpi/serialization.hpp>

#include <array>
#include <complex>
#include <cstddef>
#include <optional>
#include <random>
#include <source_location>
#include <string>
#include <system_error>
#include <tuple>
#include <typeindex>
#include <utility>
#include <variant>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using detail::PlainBytes;

namespace hidden_members_test {

/// A class with a constructor and a private member.
template <class T>
class Hides {
 public:
  constexpr Hides() {}
  constexpr explicit Hides(int number) : number(number) {}
  int number = 0;

 private:
  T member_{};
};

template <class T>
struct DerivesFrom : T {
  int number = 0;
};

/// An aggregate with more members than are visited.
struct Many {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af;
  const char* text;
};
struct Long {
  double numbers[1200] = {};
  const double* pointer = nullptr;
};
union Either {
  int whole;
  const char* text;
};
struct Tagged {
  int tag;
  Either either;
};
struct DeclaredPlain {
  int tag = 0;
  Either either{};
};
enum class Colour : short { red, green };
class Bits {
 public:
  constexpr Bits() {}

 private:
  [[maybe_unused]] unsigned low_ : 3 = 0;
  [[maybe_unused]] bool flag_ = false;
};

/// A class that cannot be made in a constant expression, so that it is not looked into.
class MadeAtRunTime {
 public:
  MadeAtRunTime() {}

 private:
  [[maybe_unused]] double number_ = 0;
};

#if !defined(__clang__)
static_assert(!PlainBytes<Hides<const char*>> && !PlainBytes<Hides<std::optional<double>>>);
static_assert(!PlainBytes<Hides<void (*)()>> && !PlainBytes<Hides<int Many::*>>);
static_assert(!PlainBytes<Hides<Hides<const char*>>> && !PlainBytes<Hides<std::array<Either, 2>>>);
static_assert(!PlainBytes<DerivesFrom<Hides<const char*>>> && !PlainBytes<Many> && !PlainBytes<Long>);
static_assert(!PlainBytes<Either> && !PlainBytes<Tagged> && !PlainBytes<std::optional<Tagged>>);
static_assert(!PlainBytes<std::vector<int>::iterator> && !PlainBytes<std::source_location>);
static_assert(!Serializable<Hides<const char*>> && !Serializable<std::vector<Tagged>>);
#endif
static_assert(!Serializable<std::error_code> && !Serializable<std::vector<std::error_condition>>);
static_assert(!Serializable<std::optional<std::type_index>>);

static_assert(PlainBytes<Hides<double>> && PlainBytes<Hides<std::complex<double>>> && PlainBytes<Hides<long double>>);
static_assert(PlainBytes<Hides<Colour>> && PlainBytes<Bits> && PlainBytes<DerivesFrom<Hides<std::array<float, 3>>>>);
static_assert(PlainBytes<MadeAtRunTime> && PlainBytes<std::mt19937> && PlainBytes<std::normal_distribution<double>>);
static_assert(PlainBytes<Hides<std::array<char, 100'000>>>);

static_assert(!Serializable<std::tuple<const int, std::string>> && Serializable<std::tuple<int, std::string>>);

}  // namespace hidden_members_test

BOOST_IS_BITWISE_SERIALIZABLE(hidden_members_test::DeclaredPlain)

namespace hidden_members_test {

TEST_CASE("a class whose hidden members are no pointers is sent as its bytes, and so is one that is declared to be") {
  CHECK(there_and_back(Hides<double>(7)).number == 7);
  STATIC_REQUIRE(PlainBytes<DeclaredPlain>);
  DeclaredPlain declared;
  declared.either.whole = 8;
  CHECK(there_and_back(declared).either.whole == 8);
}

TEST_CASE("values in const places of the standard library arrive") {
  CHECK(there_and_back(std::optional<const std::string>("text")).value() == "text");
  CHECK(*there_and_back(std::make_unique<const std::string>("text")) == "text");
  using Variant = std::variant<int, const std::string>;
  CHECK(std::get<1>(there_and_back(Variant(std::in_place_index<1>, "text"))) == "text");
}

}  // namespace hidden_members_test
