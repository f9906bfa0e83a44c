#include "backends/sequential_backend.hpp"
#include "checkpoint/checkpoint.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/scatter.hpp>
#include <joblib_mpi/serialization.hpp>

#include <array>
#include <complex>
#include <cstddef>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace comparable_test {

struct Padded {
  char letter = 'a';
  double number = 1;
};
struct Case {
  double alpha = 1;
  std::optional<double> tolerance = {};
  std::optional<int> max_steps = {};
};
struct Deep {
  char letter = 'a';
  Case cases[2];
  std::array<std::optional<Padded>, 2> padded;
  std::variant<double, char, std::monostate> either = 'b';
  long double large = 0.1L;
  std::complex<long double> complex{1, 2};
};

int take_case(const Case&) {
  return 0;
}
int take_cases(const std::vector<Case>&) {
  return 0;
}
int take_map(const std::map<std::string, Deep>&) {
  return 0;
}

/// Returns `value` with `size` bytes, those from `first` on, set to `rest`: bytes that are not part of its value.
template <class T>
T with_rest(T value, std::size_t first, std::size_t size, int rest) {
  std::memset(reinterpret_cast<std::byte*>(&value) + first, rest, size);
  return value;
}

/// Returns the place of a part of `whole` in bytes.
template <class T, class Part>
std::size_t place_in(const T& whole, const Part& part) {
  return static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&part) -
                                  reinterpret_cast<const std::byte*>(&whole));
}

/// Returns the bytes that a checkpoint compares.
template <class T>
Bytes compared(const T& value) {
  Payload payload;
  PayloadWriter writer(payload, PayloadWriter::Use::compare);
  save(writer, value);
  return copy_of(payload.head);
}

/// Checks that these bytes, which carry no value, are left out, alone and in containers.
template <class T>
void check_does_not_count(const T& value, std::size_t first, std::size_t size) {
  const T one = with_rest(value, first, size, 0x00);
  const T other = with_rest(value, first, size, 0xff);
  CHECK(compared(one) == compared(other));
  CHECK(compared(std::array{one, other}) == compared(std::array{other, one}));
  CHECK(compared(std::vector{one, other}) == compared(std::vector{other, one}));
  CHECK(compared(std::map<int, T>{{1, one}}) == compared(std::map<int, T>{{1, other}}));
  CHECK(compared(std::pair(1, one)) == compared(std::pair(1, other)));
  CHECK(compared(std::tuple(1, std::vector{one})) == compared(std::tuple(1, std::vector{other})));
}

const Case unset{};
/// Returns a case whose absent tolerance has these bytes.
Case case_over(int rest) {
  return with_rest(unset, place_in(unset, unset.tolerance), sizeof(double), rest);
}

}  // namespace comparable_test
using namespace comparable_test;

TEST_CASE("padding and absent values do not count in a comparison") {
  check_does_not_count(Padded(), 1, alignof(double) - 1);
  check_does_not_count(std::optional<double>(), 0, sizeof(double));
  check_does_not_count(std::optional<Padded>(), 0, sizeof(Padded));
  check_does_not_count(std::variant<double, char>('b'), 1, sizeof(double) - 1);
  check_does_not_count(unset, place_in(unset, unset.max_steps), sizeof(int));
  const Deep deep;
  check_does_not_count(deep, 1, alignof(double) - 1);
  check_does_not_count(deep, place_in(deep, deep.cases[1].tolerance), sizeof(double));
  check_does_not_count(deep, place_in(deep, deep.padded[1]), sizeof(Padded));
  check_does_not_count(deep, place_in(deep, deep.either) + 1, sizeof(double) - 1);
}

TEST_CASE("the padding of long double does not count in a comparison") {
  if constexpr (std::numeric_limits<long double>::digits == 64) {
    constexpr std::size_t value_bytes = 10;
    constexpr std::size_t padding = sizeof(long double) - value_bytes;
    check_does_not_count(0.1L, value_bytes, padding);
    check_does_not_count(std::complex<long double>(1, 2), value_bytes, padding);
    check_does_not_count(std::array{0.1L, 0.2L}, sizeof(long double) + value_bytes, padding);
    const Deep deep;
    check_does_not_count(deep, place_in(deep, deep.large) + value_bytes, padding);
  }
  CHECK(compared(0.1L) != compared(0.2L));
  CHECK(compared(std::complex(1.0L, 2.0L)) != compared(std::complex(1.0L, 3.0L)));
}

TEST_CASE("values that differ are different in a comparison") {
  CHECK(compared(Padded{'a', 1}) != compared(Padded{'b', 1}));
  CHECK(compared(Case{.tolerance = {}}) != compared(Case{.tolerance = 0.0}));
  CHECK(compared(Case{.tolerance = 0.0}) != compared(Case{.tolerance = 1.0}));
  CHECK(compared(Case{.tolerance = 1.0, .max_steps = {}}) != compared(Case{.tolerance = {}, .max_steps = 1}));
  CHECK(compared(std::variant<int, float>(0)) != compared(std::variant<int, float>(0.0F)));
  CHECK(compared(std::vector<Case>(2)) != compared(std::vector<Case>(3)));
}

TEST_CASE("what is compared of a task is its function and the values of its arguments") {
  SequentialBackend home;
  const auto view = [&](const auto& call) { return call.view(home).head; };
  CHECK(view(delayed<take_case>(case_over(0))) == view(delayed<take_case>(case_over(0xff))));
  CHECK(view(delayed<take_case>(case_over(0))) != view(delayed<take_case>(Case{2})));
  const auto cases_over = [](int rest) { return std::vector{case_over(rest)}; };
  CHECK(view(delayed<take_cases>(cases_over(0))) == view(delayed<take_cases>(cases_over(0xff))));
  const auto map_over = [](int rest) {
    const Deep deep;
    return std::map<std::string, Deep>{{"a", with_rest(deep, 1, alignof(double) - 1, rest)}};
  };
  CHECK(view(delayed<take_map>(map_over(0))) == view(delayed<take_map>(map_over(0xff))));
}

TEST_CASE("scattered values that differ only in bytes without a value are the same object to a checkpoint") {
  ObjectsByContent home;
  const auto id_of = [&](const Case& value) { return scatter(std::vector{value}).publish(home); };
  CHECK(id_of(case_over(0)) == id_of(case_over(0xff)));
  CHECK(id_of(case_over(0)) != id_of(Case{2}));
}
