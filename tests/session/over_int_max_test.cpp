// Test of an array with more than INT_MAX bytes that goes to two workers.

#include "support/catch.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <cstdint>
#include <span>
#include <vector>

using namespace joblib_mpi;

namespace over_int_max_test {

struct Look {
  std::uint64_t size;
  std::uint64_t sum;
  std::uint32_t first;
  std::uint32_t last;
  friend bool operator==(const Look&, const Look&) = default;
};

Look look_at(std::span<const std::uint32_t> values) {
  std::uint64_t sum = 0;
  for (const std::uint32_t value : values) sum += value;
  return {values.size(), sum, values.front(), values.back()};
}

TEST_CASE("an array of 5 GB reaches two workers whole") {
  MpiSession session(MPI_COMM_WORLD);
  CHECK(session.run([] {
    std::vector<std::uint32_t> values(1'250'000'003);
    std::uint32_t next = 12'345;
    for (std::uint32_t& value : values) value = next += 2'654'435'761U;
    const Look expected = look_at(values);
    CHECK(expected.size * sizeof values[0] > 5'000'000'000U);
    const auto data = scatter(std::move(values));
    const auto looks = Parallel()(std::vector{delayed<look_at>(data), delayed<look_at>(data)});
    CHECK(looks == std::vector{expected, expected});
    return 5;
  }) == 5);
}

}  // namespace over_int_max_test
