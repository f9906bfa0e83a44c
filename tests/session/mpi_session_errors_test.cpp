#include "support/catch.hpp"
#include "support/own_rank.hpp"
#include "support/session_functions.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <ranges>
#include <stdexcept>
#include <string>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;

namespace session_errors_test {

struct SingularMatrix : std::runtime_error {
  using std::runtime_error::runtime_error;
};
const bool registered = register_exception<SingularMatrix>();
int invert(int) {
  throw SingularMatrix("pivot 3 is 0");
}

struct Unwritable {
  std::string text = {};
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    if (Archive::is_saving::value) throw std::runtime_error("this cannot be written");
    archive& text;
  }
};
int take(const Unwritable&) {
  return 1;
}
Unwritable give(int) {
  return {};
}

namespace {
auto calls(int count) {
  return iota(0, count) | transform([](int value) { return delayed<refuse_7>(value); });
}
}  // namespace

TEST_CASE("an exception of rank 0 is its own there and SessionAborted with its text elsewhere") {
  MpiSession session(MPI_COMM_WORLD);
  const auto run = [&] { session.run([] { throw std::out_of_range("no such file"); }); };
  if (own_rank() == 0) {
    CHECK(error_text<std::out_of_range>(run) == "no such file");
  } else {
    CHECK_THAT(error_text<SessionAborted>(run),
               contains("rank 0 left MpiSession::run with an exception: no such file"));
  }
  CHECK(session.run([] { return 3; }) == 3);
}

TEST_CASE("what rank 0 throws without being an exception or with no text ends run everywhere") {
  MpiSession session(MPI_COMM_WORLD);
  if (own_rank() == 0) {
    CHECK_THROWS_AS(session.run([] { throw 42; }), int);
    CHECK_THROWS_AS(session.run([] { throw std::runtime_error(""); }), std::runtime_error);
  } else {
    CHECK_THAT(error_text<SessionAborted>([&] { session.run([] {}); }), contains("not a std::exception"));
    CHECK_THROWS_AS(session.run([] {}), SessionAborted);
  }
}

TEST_CASE("an exception of a task on a rank arrives with its type and function and rank and host") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([&] {
    try {
      Parallel()(calls(20));
      FAIL_CHECK("nothing was thrown");
    } catch (const std::domain_error& error) {
      const auto* failure = dynamic_cast<const TaskFailure*>(&error);
      if (session.size() == 1) {
        CHECK(failure == nullptr);
        CHECK(std::string(error.what()) == "7 is not allowed");
      } else if (failure == nullptr) {
        FAIL_CHECK("not a TaskFailure");
      } else {
        char host[MPI_MAX_PROCESSOR_NAME];
        int length = 0;
        MPI_Get_processor_name(host, &length);
        CHECK(failure->rank() >= 1);
        CHECK(failure->rank() < session.size());
        CHECK(failure->host() == host);
        CHECK_THAT(failure->function(), contains("refuse_7"));
        CHECK(failure->remote_what() == "7 is not allowed");
        CHECK_THAT(std::string(error.what()), contains("rank " + std::to_string(failure->rank())));
      }
    }
  });
}

TEST_CASE("a registered exception of a task on a rank arrives as its own type") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    CHECK(registered);
    CHECK_THAT(error_text<SingularMatrix>([] { Parallel()(std::vector{delayed<invert>(1)}); }),
               contains("pivot 3 is 0"));
  });
}

TEST_CASE("values that cannot be serialized fail the call and nothing else") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([&] {
    for (int round = 0; round < 3 && session.size() > 1; ++round) {
      CHECK(error_text<std::runtime_error>([] { Parallel()(std::vector{delayed<take>(Unwritable{})}); }) ==
            "this cannot be written");
      CHECK_THAT(error_text<std::runtime_error>([] { Parallel()(std::vector{delayed<give>(1)}); }),
                 contains("this cannot be written"));
      CHECK_THROWS_AS(scatter(Unwritable{}), std::runtime_error);
    }
    CHECK(Parallel()(calls(5)).size() == 5);
  });
}

TEST_CASE("calls on ranks after a failed one work as before") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    for (int round = 0; round < 20; ++round) {
      CHECK_THROWS_AS(Parallel()(calls(500)), std::domain_error);
      CHECK(Parallel()(calls(7)) == std::vector{0, 1, 2, 3, 4, 5, 6});
    }
  });
}

TEST_CASE("run ends while tasks of a failed call are still under way") {
  MpiSession session(MPI_COMM_WORLD);
  for (int round = 0; round < 10; ++round) {
    const auto run = [&] { session.run([] { Parallel()(calls(5'000)); }); };
    if (own_rank() == 0) {
      CHECK_THROWS_AS(run(), std::domain_error);
    } else {
      CHECK_THROWS_AS(run(), SessionAborted);
    }
  }
}

}  // namespace session_errors_test
