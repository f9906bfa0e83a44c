#include "support/catch.hpp"
#include "support/own_rank.hpp"
#include "support/session_functions.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;

namespace session_scatter_test {

/// A type that counts in each process how often it is serialized and deserialized there.
struct Counted {
  std::string text = {};
  static inline int saves = 0;
  static inline int loads = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    ++(Archive::is_saving::value ? saves : loads);
    archive& text;
  }
};
int loads_here(const Counted&) {
  return Counted::loads;
}
double element(const std::vector<double>& values, std::size_t index) {
  return values.at(index);
}
/// Returns whether an address lies in shared memory, according to the kernel's list of this process's mappings.
bool is_shared_memory(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    std::istringstream(line) >> std::hex >> begin >> dash >> end;
    const auto place = reinterpret_cast<std::uintptr_t>(address);
    if (begin <= place && place < end) return line.find("memfd:joblib_mpi") != std::string::npos;
  }
  return false;
}

struct Seen {
  double sum;
  bool in_shared_memory;
};
Seen sum_of_view(std::span<const double> values) {
  return {std::accumulate(values.begin(), values.end(), 0.0), is_shared_memory(values.data())};
}
std::size_t length_of_view(std::string_view text) {
  return text.size();
}
std::size_t entries(const std::map<std::string, std::vector<int>>& table) {
  return table.size();
}

TEST_CASE("a scattered value is serialized once in all and made once per rank") {
  MpiSession session(MPI_COMM_WORLD);
  Counted::saves = Counted::loads = 0;
  session.run([&] {
    const auto data = scatter(Counted{"text"});
    for (int round = 0; round < 3; ++round) {
      const auto loads = Parallel()(iota(0, 200) | transform([&](int) { return delayed<loads_here>(data); }));
      for (const int count : loads) CHECK(count == (session.size() == 1 ? 0 : 1));
    }
    CHECK(Counted::saves == (session.size() == 1 ? 0 : 1));
  });
  CHECK(Counted::loads <= 1);
}

TEST_CASE("scattered arrays of all sizes arrive whole") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{500}, std::size_t{8'191},
                                   std::size_t{8'192}, std::size_t{8'193}, std::size_t{3'000'001}}) {
      const auto data = scatter(std::vector<double>(size, 0.5));
      const auto sums = Parallel()(iota(0, 8) | transform([&](int) { return delayed<total>(data); }));
      CHECK(sums == std::vector<double>(8, 0.5 * static_cast<double>(size)));
    }
  });
}

TEST_CASE("a view of a scattered array shows the node's memory, and a small one a copy") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([&] {
    for (const std::size_t size : {std::size_t{0}, std::size_t{3}, std::size_t{200'000}}) {
      const auto data = scatter(std::vector<double>(size, 0.5));
      const auto seen = Parallel()(iota(0, 20) | transform([&](int) { return delayed<sum_of_view>(data); }));
      for (const Seen& one : seen) {
        CHECK(one.sum == 0.5 * static_cast<double>(size));
        CHECK(one.in_shared_memory == (size == 200'000 && session.size() > 1));
      }
      const auto sums = Parallel()(iota(0, 8) | transform([&](int) { return delayed<total>(data); }));
      CHECK(sums == std::vector<double>(8, 0.5 * static_cast<double>(size)));
    }
    const auto text = scatter(std::string(100'000, 'x'));
    const auto lengths = Parallel()(iota(0, 8) | transform([&](int) { return delayed<length_of_view>(text); }));
    CHECK(lengths == std::vector<std::size_t>(8, 100'000));
  });
}

TEST_CASE("what a session holds of shared objects is known while it runs") {
  MpiSession session(MPI_COMM_WORLD);
  CHECK_THROWS_AS(session.object_stats(), UsageError);
  session.run([&] {
    CHECK(session.object_stats().objects == 0);
    {
      const auto data = scatter(std::vector<double>(200'000, 0.5));
      if (session.size() > 1) CHECK(session.object_stats().objects == 1);
      (void)Parallel()(iota(0, 8) | transform([&](int) { return delayed<total>(data); }));
      const ObjectStats stats = session.object_stats();
      CHECK(stats.object_bytes >= (session.size() > 1 ? 1'600'000U : 0U));
      CHECK(stats.segment_bytes >= stats.object_bytes);
    }
    (void)Parallel()(iota(0, 8) | transform([&](int i) { return delayed<square>(i); }));
    CHECK(session.object_stats().objects == 0);
  });
  CHECK_THROWS_AS(session.object_stats(), UsageError);
}

TEST_CASE("scattered values of any serializable type arrive whole") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    const auto table = scatter(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
    CHECK(Parallel()(iota(0, 4) | transform([&](int) { return delayed<entries>(table); })) ==
          std::vector<std::size_t>(4, 2));
  });
}

TEST_CASE("values are scattered and dropped while tasks of others run") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    for (int round = 0; round < 60; ++round) {
      const auto data = scatter(std::vector<double>(10'000 + static_cast<std::size_t>(round), round));
      const auto unused = scatter(std::vector<double>(20'000, -1.0));
      const auto ends = Parallel()(iota(0, 6) | transform([&](int index) {
                                     return delayed<element>(data, static_cast<std::size_t>(index) * 1'000);
                                   }));
      CHECK(ends == std::vector<double>(6, round));
    }
  });
}

TEST_CASE("a shared value that outlives its run arrives anew in the next") {
  MpiSession session(MPI_COMM_WORLD);
  std::optional<Shared<std::vector<double>>> kept;
  for (int round = 0; round < 5; ++round) {
    session.run([&] {
      const auto other = scatter(std::vector<double>(10, 100.0 + round));
      if (!kept) kept = scatter(std::vector<double>(10, 1.0));
      const auto of = [](const auto& data) { return Parallel()(std::vector{delayed<total>(data)}).front(); };
      CHECK(of(other) == 10 * (100.0 + round));
      CHECK(of(*kept) == 10.0);
    });
  }
}

TEST_CASE("large arguments and results travel between ranks whole") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    const auto sums =
        Parallel()(iota(1, 30) | transform([](int thousands) {
                     return delayed<total>(std::vector<double>(static_cast<std::size_t>(thousands) * 1'000, 1.0));
                   }));
    for (std::size_t index = 0; index < sums.size(); ++index)
      CHECK(sums[index] == 1'000.0 * static_cast<double>(index + 1));
  });
}

}  // namespace session_scatter_test
