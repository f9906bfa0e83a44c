#include "support/catch.hpp"
#include <joblib_mpi/detail/members.hpp>

#include <array>
#include <chrono>
#include <complex>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

using namespace joblib_mpi::detail;

namespace members_test {

template <class... T>
struct List {};
template <class T>
using members = decltype(visit_members(
    std::declval<const T&>(), [](const auto&... member) { return List<std::remove_cvref_t<decltype(member)>...>(); }));
template <class T, class... Member>
inline constexpr bool has = std::is_same_v<members<T>, List<Member...>>;

enum class Color { red, green };
struct Point {
  double x = 0;
  double y = 0;
};
class Closed {
 public:
  [[nodiscard]] int value() const { return value_; }

 private:
  int value_ = 1;
};
struct Constructed {
  Constructed() = default;
  explicit Constructed(int number) : value(number) {}
  int value = 0;
};
struct Empty {};
struct Derived : Point {
  int z = 0;
};
struct DerivedFromEmpty : Empty {
  int z = 0;
};
union Either {
  int whole;
  double real;
};

struct Arrays {
  int three[3];
  Point point;
  char name[64];
  Point points[2];
  int matrix[2][2];
  std::array<int, 4> four;
  const char* texts[2];
  int one[1];
  int last;
};
static_assert(
    has<Arrays, int[3], Point, char[64], Point[2], int[2][2], std::array<int, 4>, const char* [2], int[1], int>);

struct Large {
  double values[900];
  char letters[10];
  int last;
};
static_assert(has<Large, double[900], char[10], int>);

struct Views {
  std::string_view text;
  std::span<int> numbers;
  int* pointer;
  int Views::*member;
  void (*function)(int);
  std::nullptr_t null;
};
static_assert(has<Views, std::string_view, std::span<int>, int*, int Views::*, void (*)(int), std::nullptr_t>);

struct Standard {
  Color color;
  std::optional<double> number;
  std::optional<Point> point;
  std::optional<std::optional<int>> twice;
  std::variant<int, double> either;
  std::variant<std::monostate, int, std::string> any;
  std::pair<int, double> pair;
  std::tuple<int, float> tuple;
  std::complex<double> complex;
  std::complex<float> complexes[2];
  std::chrono::milliseconds time;
  bool flag;
  long double large;
  std::string text;
  std::vector<int> list;
};
static_assert(has<Standard, Color, std::optional<double>, std::optional<Point>, std::optional<std::optional<int>>,
                  std::variant<int, double>, std::variant<std::monostate, int, std::string>, std::pair<int, double>,
                  std::tuple<int, float>, std::complex<double>, std::complex<float>[2], std::chrono::milliseconds, bool,
                  long double, std::string, std::vector<int>>);

struct Classes {
  Constructed constructed;
  Constructed several[3];
  Closed closed;
  Empty empty;
  Derived derived;
  int last;
};
static_assert(has<Classes, Constructed, Constructed[3], Closed, Empty, Derived, int>);

struct Bits {
  unsigned low : 3;
  unsigned high : 5;
  int last;
};
static_assert(has<Bits, unsigned, unsigned, int>);

struct Tagged {
  int tag;
  union {
    int whole;
    double real;
  };
};
struct WithUnions {
  int tag;
  Either values[2];
};
struct Huge {
  double values[100'000];
  int last;
};
static_assert(!HasKnownMembers<Tagged> && !HasKnownMembers<WithUnions> && !HasKnownMembers<Either>);
static_assert(!HasKnownMembers<Derived> && !HasKnownMembers<DerivedFromEmpty> && !HasKnownMembers<Empty>);
static_assert(!HasKnownMembers<Closed> && !HasKnownMembers<Constructed> && !HasKnownMembers<Huge>);

struct Most {
  int m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16;
  int m17, m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32;
};
struct TooMany {
  Most most;
  int m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16;
  int m17, m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32;
};
static_assert(HasKnownMembers<Most> && !HasKnownMembers<TooMany>);

}  // namespace members_test
using namespace members_test;

TEST_CASE("the members of an aggregate are visited in their order") {
  const Bits bits{.low = 5, .high = 17, .last = -1};
  const auto list = [](const auto&... member) { return std::vector<int>{static_cast<int>(member)...}; };
  CHECK(visit_members(bits, list) == std::vector{5, 17, -1});
  const Most most{1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                  17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};
  CHECK(visit_members(most, list).at(31) == 32);
}
