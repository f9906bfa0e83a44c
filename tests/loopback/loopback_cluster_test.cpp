#include "support/loopback_cluster.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/parallel.hpp>
#include <joblib_mpi/scatter.hpp>

#include <boost/serialization/vector.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <numeric>
#include <ranges>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;

namespace cluster_test {

int square(int value) {
  return static_cast<int>(static_cast<unsigned>(value) * static_cast<unsigned>(value));  // may wrap
}
void count(int) {}
std::string describe(const std::map<std::string, std::vector<int>>& groups, bool loud) {
  std::string text;
  for (const auto& [name, members] : groups) text += name + std::to_string(members.size());
  return loud ? text + "!" : text;
}
std::vector<double> large(std::size_t size, double value) {
  return std::vector<double>(size, value);
}
double first_and_last(const std::vector<double>& values) {
  return values.front() + values.back();
}

/// Waits until the task after this one has ended.
std::atomic<int> ended_from_the_back{0};
int wait_for_those_behind(int index, int tasks) {
  while (ended_from_the_back < tasks - 1 - index) std::this_thread::yield();
  ++ended_from_the_back;
  return index;
}

/// Waits until all other tasks have ended, if it is the long one.
std::atomic<int> others_ended{0};
int wait_for_others(int index, int long_one, int tasks) {
  if (index != long_one) return ++others_ended, index;
  while (others_ended < tasks - 1) std::this_thread::yield();
  return index;
}

/// A class of which only its serialized form tells how large it is.
class Field {
 public:
  explicit Field(std::size_t nbytes = 0) : values_(nbytes) {}

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& values_;
  }
  std::vector<char> values_;
};
std::atomic<int> fields_seen{0};
int see_field(const Field&) {
  return ++fields_seen;
}

std::atomic<int> running{0};
std::atomic<int> most_running{0};
int notice_others(int value) {
  const int now = ++running;
  int most = most_running;
  while (now > most && !most_running.compare_exchange_weak(most, now)) {
  }
  std::this_thread::yield();
  --running;
  return value;
}

/// A type that counts how often it is serialized and deserialized.
class Counted {
 public:
  explicit Counted(std::vector<int> values = {}) : values_(std::move(values)) {}
  [[nodiscard]] int sum() const { return std::accumulate(values_.begin(), values_.end(), 0); }
  static inline std::atomic<int> saves{0};
  static inline std::atomic<int> loads{0};

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    ++(Archive::is_saving::value ? saves : loads);
    archive& values_;
  }
  std::vector<int> values_;
};
int sum_of(const Counted& counted, int more) {
  return counted.sum() + more;
}
double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

}  // namespace cluster_test

namespace {

std::vector<int> squares(int count) {
  const auto values = iota(0, count) | transform(cluster_test::square);
  return {values.begin(), values.end()};
}
auto square_calls(int count) {
  return iota(0, count) | transform([](int value) { return delayed<cluster_test::square>(value); });
}

}  // namespace

TEST_CASE("tasks with large arguments are taken two ahead for each worker") {
  const LoopbackCluster cluster(2);
  cluster_test::fields_seen = 0;
  int taken = 0;
  int most_ahead = 0;
  const auto calls = iota(0, 8) | transform([&](int) {
                       most_ahead = std::max(most_ahead, ++taken - cluster_test::fields_seen);
                       return delayed<cluster_test::see_field>(cluster_test::Field(40 * megabyte));
                     });
  CHECK(Parallel()(calls).size() == 8);
  CHECK(most_ahead <= 2 * 2 + 1);  // the loop holds one more
}

TEST_CASE("results come back in the order of the calls from any number of workers") {
  for (const int workers : {1, 3, 50}) {
    INFO(workers << " workers");
    LoopbackCluster cluster(workers);
    CHECK(Parallel()(square_calls(1000)) == squares(1000));
  }
}

TEST_CASE("results come back in submission order even when tasks finish in reverse") {
  LoopbackCluster cluster(4);
  cluster_test::ended_from_the_back = 0;
  const auto results = Parallel()(
      iota(0, 4) | transform([](int index) { return delayed<cluster_test::wait_for_those_behind>(index, 4); }));
  CHECK(results == std::vector{0, 1, 2, 3});
}

TEST_CASE("no task waits behind a long one while a worker is idle") {
  constexpr int tasks = 200;
  for (const int workers : {2, 3, 8}) {
    LoopbackCluster cluster(workers);
    for (const int long_one : {0, 1, 17, 100, 199}) {
      cluster_test::others_ended = 0;
      const auto calls = iota(0, tasks) | transform([&](int index) {
                           return delayed<cluster_test::wait_for_others>(index, long_one, tasks);
                         });
      CHECK(std::ranges::equal(Parallel()(calls), iota(0, tasks)));
    }
  }
}

TEST_CASE("a call of no tasks returns at once with nothing") {
  LoopbackCluster cluster(3);
  CHECK(Parallel()(square_calls(0)).empty());
  CHECK(Parallel()(square_calls(5)) == squares(5));
}

TEST_CASE("twenty thousand tasks come back") {  // in mpi_session_test.cpp a hundred thousand, without a sanitizer
  LoopbackCluster cluster(3);
  CHECK(Parallel()(square_calls(20'000) | transform([](auto call) { return call; })).size() == 20'000);
}

TEST_CASE("void functions and functions of rich arguments run on workers") {
  LoopbackCluster cluster(2);
  Parallel()(iota(0, 10) | transform([](int value) { return delayed<cluster_test::count>(value); }));
  const std::map<std::string, std::vector<int>> groups{{"a", {1, 2}}, {"b", {}}};
  CHECK(Parallel()(iota(0, 2) | transform([&](int loud) { return delayed<cluster_test::describe>(groups, loud); })) ==
        std::vector<std::string>{"a2b0", "a2b0!"});
}

TEST_CASE("large arguments and results come back whole") {
  LoopbackCluster cluster(3);
  const auto arrays = Parallel()(iota(0, 20) | transform([](int value) {
                                   return delayed<cluster_test::large>(std::size_t{30'000}, value + 0.5);
                                 }));
  REQUIRE(arrays.size() == 20);
  const auto ends = Parallel()(arrays | transform([](const std::vector<double>& array) {
                                 return delayed<cluster_test::first_and_last>(array);
                               }));
  for (std::size_t index = 0; index < ends.size(); ++index) CHECK(ends[index] == 2 * static_cast<double>(index) + 1);
}

TEST_CASE("a scattered object is serialized once and made once per worker for any number of tasks") {
  using cluster_test::Counted;
  Counted::saves = Counted::loads = 0;
  LoopbackCluster cluster(3);
  const auto data = scatter(Counted({1, 2, 3}));
  for (int round = 0; round < 3; ++round) {
    const auto sums =
        Parallel()(iota(0, 200) | transform([&](int more) { return delayed<cluster_test::sum_of>(data, more); }));
    CHECK(sums.at(199) == 205);
  }
  CHECK(Counted::saves == 1);
  CHECK(Counted::loads >= 1);
  CHECK(Counted::loads <= 3);
}

TEST_CASE("a task may name several scattered objects and one twice") {
  LoopbackCluster cluster(2);
  const auto ones = scatter(std::vector<double>(20'000, 1.0));
  const auto twos = scatter(std::vector<double>(20'000, 2.0));
  const auto results =
      Parallel()(std::vector{delayed<cluster_test::dot>(ones, twos), delayed<cluster_test::dot>(twos, twos)});
  CHECK(results == std::vector{40'000.0, 80'000.0});
}

TEST_CASE("many short-lived scattered objects come and go") {
  LoopbackCluster cluster(3);
  for (int round = 0; round < 100; ++round) {
    const auto data = scatter(std::vector<double>{static_cast<double>(round), 1.0});
    const auto unused = scatter(std::string("no task uses this"));
    const auto ends =
        Parallel()(iota(0, 3) | transform([&](int) { return delayed<cluster_test::first_and_last>(data); }));
    CHECK(ends == std::vector<double>(3, round + 1.0));
  }
}

TEST_CASE("an object that outlives its cluster is scattered anew on the next one") {
  auto first = std::make_unique<LoopbackCluster>(2);
  const auto data = scatter(std::vector<double>{1, 2});
  const auto ask = [](const auto& object) {
    return Parallel()(iota(0, 4) | transform([&](int) { return delayed<cluster_test::first_and_last>(object); }))
        .front();
  };
  CHECK(ask(data) == 3);
  first.reset();
  for (int round = 0; round < 5; ++round) {  // a new backend may have the address of the previous one
    LoopbackCluster next(2);
    const auto other = scatter(std::vector<double>{10, 20});
    CHECK(ask(other) == 30);
    CHECK(ask(data) == 3);
  }
}

TEST_CASE("no more tasks run at a time than n_jobs says") {
  LoopbackCluster cluster(6);
  for (const int n_jobs : {1, 2, 5}) {
    cluster_test::most_running = 0;
    const auto calls = iota(0, 2000) | transform([](int value) { return delayed<cluster_test::notice_others>(value); });
    CHECK(Parallel({.n_jobs = n_jobs})(calls).size() == 2000);
    CHECK(cluster_test::most_running <= n_jobs);
  }
}

TEST_CASE("calls on two threads at once each get their own results") {
  LoopbackCluster cluster(3);
  std::vector<std::vector<int>> results(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < results.size(); ++thread) {
      threads.emplace_back([&results, thread] {
        for (int round = 0; round < 5; ++round) {
          const int base = static_cast<int>(thread) * 1000;
          results[thread] = Parallel()(
              iota(0, 500) | transform([base](int value) { return delayed<cluster_test::square>(base + value); }));
        }
      });
    }
  }
  for (std::size_t thread = 0; thread < results.size(); ++thread) {
    REQUIRE(results[thread].size() == 500);
    for (int value = 0; value < 500; ++value) {
      CHECK(results[thread][static_cast<std::size_t>(value)] ==
            cluster_test::square(static_cast<int>(thread) * 1000 + value));
    }
  }
}
