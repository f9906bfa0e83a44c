// Tests of the sequential backend, and of what it has in common with the threading backend.

#include "support/catch.hpp"
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/parallel.hpp>
#include <joblib_mpi/parallel_config.hpp>

#include <atomic>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;

namespace here_test {

/// A type that can only be moved; it is serializable so that it can be a result.
struct Handle {
  Handle() = default;
  explicit Handle(int number) : value(std::make_unique<int>(number)) {}
  std::unique_ptr<int> value;
  template <class Archive>
  void serialize(Archive&, unsigned) {
    throw std::logic_error("nothing is serialized in one process");
  }
};

int square(int value) {
  return value * value;
}
Handle make_handle(int value) {
  return Handle(value);
}
int open_handle(Handle handle) {
  return *handle.value;
}
int refuse_3(int value) {
  if (value == 3) throw std::domain_error("not 3");
  return value;
}
int nested(int value) {
  const auto inner = Parallel()(iota(0, value) | transform([](int number) { return delayed<square>(number); }));
  return static_cast<int>(inner.size()) + (detail::active_config().backend->name() == "sequential" ? 1000 : 0);
}
bool even(int value) {
  return value % 2 == 0;
}
std::atomic<int> attempts{0};
int fail_twice(int value) {
  if (++attempts <= 2) throw std::runtime_error("attempt " + std::to_string(attempts));
  return value;
}
int fail_twice_with(std::string text) {
  if (++attempts <= 2) throw std::runtime_error(text);
  return 1;
}
std::size_t length(std::string text) {
  return text.size();
}
void refuse_1(int value) {
  if (value == 1) throw std::domain_error("not 1");
}
thread_local int calls_here = 0;
void count_here(int) {
  ++calls_here;
}
double total(const std::vector<double>& values) {
  return values.at(0) + values.at(1);
}

TEST_CASE("backends of this process give results in the order of the calls") {
  for (const std::string backend : {"sequential", "threading"}) {
    INFO(backend);
    const auto results = Parallel({.n_jobs = 3, .backend = backend})(
        iota(0, 300) | transform([](int value) { return delayed<square>(value); }));
    REQUIRE(results.size() == 300);
    for (int value = 0; value < 300; ++value) CHECK(results[static_cast<std::size_t>(value)] == value * value);
    const auto parities = Parallel({.n_jobs = 2, .backend = backend})(
        iota(0, 3) | transform([](int value) { return delayed<even>(value); }));
    CHECK(parities == std::vector<bool>{true, false, true});
    CHECK(Parallel({.backend = backend})(iota(0, 0) | transform([](int value) { return delayed<square>(value); }))
              .empty());
  }
}

TEST_CASE("in one process nothing is serialized and what can only be moved is moved") {
  for (const std::string backend : {"sequential", "threading"}) {
    INFO(backend);
    auto handles = Parallel({.n_jobs = 2, .backend = backend})(
        iota(0, 20) | transform([](int value) { return delayed<make_handle>(value); }));
    REQUIRE(handles.size() == 20);
    const auto values = Parallel({.n_jobs = 2, .backend = backend})(
        handles | transform([](Handle& handle) { return delayed<open_handle>(std::move(handle)); }));
    for (int value = 0; value < 20; ++value) CHECK(values[static_cast<std::size_t>(value)] == value);
  }
}

TEST_CASE("the calls of a container that is given up are moved and those of another are copied") {
  for (const std::string backend : {"sequential", "threading"}) {
    INFO(backend);
    const Parallel parallel({.n_jobs = 2, .backend = backend});
    std::vector<decltype(delayed<open_handle>(Handle(1)))> calls;
    for (int value = 0; value < 3; ++value) calls.push_back(delayed<open_handle>(Handle(value)));
    CHECK(parallel(std::move(calls)) == std::vector{0, 1, 2});
    const std::vector texts{delayed<length>("a text that is too long for the string itself")};
    CHECK(parallel(texts) == parallel(texts));
    std::vector moved_texts = texts;
    const auto view = std::ranges::ref_view(moved_texts);
    CHECK(parallel(std::ranges::ref_view(view)) == parallel(moved_texts));  // a view does not give elements up
  }
}

TEST_CASE("exceptions in one process pass through as they are") {
  for (const std::string backend : {"sequential", "threading"}) {
    INFO(backend);
    const auto run = [&] {
      Parallel({.n_jobs = 2, .backend = backend})(iota(0, 10) |
                                                  transform([](int value) { return delayed<refuse_3>(value); }));
    };
    CHECK(error_text<std::domain_error>(run) == "not 3");
  }
}

TEST_CASE("calls inside a task run one after another") {
  for (const std::string backend : {"sequential", "threading"}) {
    INFO(backend);
    const auto results = Parallel({.n_jobs = 2, .backend = backend})(
        iota(0, 4) | transform([](int value) { return delayed<nested>(value); }));
    CHECK(results == std::vector{1000, 1001, 1002, 1003});
  }
}

TEST_CASE("sequential tasks run on the calling thread") {
  calls_here = 0;
  Parallel({.backend = "sequential"})(iota(0, 5) | transform([](int value) { return delayed<count_here>(value); }));
  CHECK(calls_here == 5);
}

TEST_CASE("a shared object binds in one process without being sent") {
  const parallel_config config({.backend = "sequential"});
  const auto data = scatter(std::vector<double>{1, 2});
  CHECK((*data)[1] == 2);
  CHECK(data->size() == 2);
  CHECK(Parallel()(std::vector{delayed<total>(data)}) == std::vector{3.0});
}

TEST_CASE("the sequential backend has one job however many are asked for") {
  const auto backend = find_backend("sequential");
  CHECK(backend->effective_n_jobs(8) == 1);
  CHECK(backend->effective_n_jobs(-1) == 1);
  CHECK_THROWS_AS(backend->effective_n_jobs(0), UsageError);
}

TEST_CASE("n_jobs counts from the end when it is negative as in joblib") {
  CHECK(count_n_jobs(3, 8) == 3);
  CHECK(count_n_jobs(-1, 8) == 8);
  CHECK(count_n_jobs(-3, 8) == 6);
  CHECK(count_n_jobs(-9, 8) == 1);
  CHECK_THAT(error_text<UsageError>([] { (void)count_n_jobs(0, 8); }),
             contains("n_jobs == 0 in Parallel has no meaning"));
}

TEST_CASE("a name that is taken cannot be registered again") {
  CHECK_THAT(error_text<UsageError>([] { register_backend("sequential", find_backend("threading")); }),
             contains("\"sequential\" is already registered"));
  register_backend("another", find_backend("sequential"));
  CHECK(find_backend("another") == find_backend("sequential"));
  unregister_backend("another");
  CHECK_THROWS_AS(find_backend("another"), UsageError);
}

TEST_CASE("a task that throws runs again in one process where that is asked for and its arguments are still there") {
  for (const std::string backend : {"sequential", "threading"}) {
    INFO(backend);
    ParallelOptions options{.n_jobs = 1, .backend = backend, .retries = 2, .retry_exceptions = true};
    attempts = 0;
    CHECK(Parallel{options}(std::vector{delayed<fail_twice>(4)}) == std::vector{4});
    attempts = 0;
    CHECK(error_text<std::runtime_error>([&] {
            Parallel{options}(std::vector{delayed<fail_twice_with>("a text that the first attempt consumes")});
          }) == "a text that the first attempt consumes");
    CHECK(attempts == 1);
    options.retries = 1;
    attempts = 0;
    CHECK(error_text<std::runtime_error>([&] { Parallel{options}(std::vector{delayed<fail_twice>(4)}); }) ==
          "attempt 2");
    options.retry_exceptions = {};
    attempts = 0;
    CHECK(error_text<std::runtime_error>([&] { Parallel{options}(std::vector{delayed<fail_twice>(4)}); }) ==
          "attempt 1");
  }
}

TEST_CASE("outcomes hold a result or an exception for each task in order") {
  for (const std::string backend : {"sequential", "threading"}) {
    INFO(backend);
    const Parallel parallel({.n_jobs = 2, .backend = backend});
    const auto outcomes = parallel.outcomes(iota(0, 6) | transform([](int value) { return delayed<refuse_3>(value); }));
    REQUIRE(outcomes.size() == 6);
    for (int value = 0; value < 6; ++value) {
      const Outcome<int>& outcome = outcomes[static_cast<std::size_t>(value)];
      CHECK(outcome.has_value() == (value != 3));
      CHECK(static_cast<bool>(outcome) == (value != 3));
      CHECK((outcome.error() == nullptr) == (value != 3));
      if (outcome) CHECK((*outcome == value && outcome.value() == value));
    }
    CHECK(error_text<std::domain_error>([&] { (void)outcomes[3].value(); }) == "not 3");

    const auto of_void = parallel.outcomes(iota(0, 2) | transform([](int value) { return delayed<refuse_1>(value); }));
    REQUIRE(of_void.size() == 2);
    CHECK_NOTHROW(of_void[0].value());
    CHECK_THROWS_AS(of_void[1].value(), std::domain_error);

    auto handles = parallel.outcomes(iota(0, 2) | transform([](int value) { return delayed<make_handle>(value); }));
    CHECK(*std::move(handles[1]).value().value == 1);
  }
}

}  // namespace here_test
