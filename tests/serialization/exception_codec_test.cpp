#include "serialization/exception_codec.hpp"

#include "support/catch.hpp"
#include <joblib_mpi/error.hpp>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace codec_test {
struct SingularMatrix : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Unregistered : std::runtime_error {
  using std::runtime_error::runtime_error;
};
}  // namespace codec_test

namespace {

/// Returns an exception that `fit_fold` throws on rank 3 on cn042, as it arrives here.
template <class Thrown>
std::exception_ptr sent(const Thrown& thrown) {
  Payload payload;
  PayloadWriter writer(payload);
  try {
    throw thrown;
  } catch (...) {
    save_current_exception(writer, "fit_fold");
  }
  PayloadReader reader(payload);
  return load_exception(reader, 3, "cn042");
}

template <class E, class Thrown>
void check_arrives_as(const Thrown& thrown) {
  CHECK_THROWS_AS(std::rethrow_exception(sent(thrown)), E);
  try {
    std::rethrow_exception(sent(thrown));
  } catch (const TaskFailure& failure) {
    CHECK(failure.function() == "fit_fold");
    CHECK(failure.rank() == 3);
    CHECK(failure.host() == "cn042");
  } catch (...) {
    FAIL_CHECK("cannot be caught as TaskFailure");
  }
}

}  // namespace

TEST_CASE("exceptions of the standard arrive as their own type and as TaskFailure") {
  check_arrives_as<std::runtime_error>(std::runtime_error("x"));
  check_arrives_as<std::range_error>(std::range_error("x"));
  check_arrives_as<std::overflow_error>(std::overflow_error("x"));
  check_arrives_as<std::underflow_error>(std::underflow_error("x"));
  check_arrives_as<std::logic_error>(std::logic_error("x"));
  check_arrives_as<std::invalid_argument>(std::invalid_argument("x"));
  check_arrives_as<std::domain_error>(std::domain_error("x"));
  check_arrives_as<std::length_error>(std::length_error("x"));
  check_arrives_as<std::out_of_range>(std::out_of_range("x"));
}

TEST_CASE("errors of this library arrive as their own type") {
  check_arrives_as<UsageError>(UsageError("x"));
  check_arrives_as<SerializationError>(SerializationError("x"));
  check_arrives_as<TimeoutError>(TimeoutError("x"));
}

TEST_CASE("the text says what happened in which function on which rank and host") {
  const std::string text =
      error_text<std::domain_error>([] { std::rethrow_exception(sent(std::domain_error("log of -1"))); });
  CHECK(text == "std::domain_error in fit_fold on rank 3 (cn042): log of -1");
  try {
    std::rethrow_exception(sent(std::domain_error("log of -1")));
  } catch (const TaskFailure& failure) {
    CHECK(failure.type_name() == "std::domain_error");
    CHECK(failure.remote_what() == "log of -1");
    CHECK(failure.text() == text);
  }
}

TEST_CASE("an exception of unknown type arrives as TaskError with its type named") {
  check_arrives_as<TaskError>(codec_test::Unregistered("x"));
  check_arrives_as<TaskError>(std::bad_alloc());
  CHECK_THAT(error_text<Error>([] { std::rethrow_exception(sent(codec_test::Unregistered("odd"))); }),
             contains("codec_test::Unregistered in fit_fold on rank 3 (cn042): odd"));
}

TEST_CASE("a registered exception arrives as its own type") {
  CHECK(register_exception<codec_test::SingularMatrix>());
  check_arrives_as<codec_test::SingularMatrix>(codec_test::SingularMatrix("x"));
}

TEST_CASE("what is thrown without being an exception arrives as TaskError") {
  check_arrives_as<TaskError>(42);
  CHECK_THAT(error_text<TaskError>([] { std::rethrow_exception(sent(42)); }),
             contains("an exception that is not a std::exception"));
}

TEST_CASE("an exception keeps the type of the innermost class and not of the base that is caught") {
  struct Thrower {
    [[noreturn]] static void as_base() { throw std::out_of_range("index 5"); }
  };
  Payload payload;
  PayloadWriter writer(payload);
  try {
    Thrower::as_base();
  } catch (const std::exception&) {
    save_current_exception(writer, "f");
  }
  PayloadReader reader(payload);
  CHECK_THROWS_AS(std::rethrow_exception(load_exception(reader, 1, "h")), std::out_of_range);
}

TEST_CASE("a task that was lost says which it was, where, why and what to do") {
  const WorkerLostError error({218, "fit_fold", 3, "cn042", 3, "signal 11 (SIGSEGV)"});
  CHECK_THAT(error.what(), contains("task 218, \"fit_fold\", was lost with its executor on rank 3 (cn042): "
                                    "signal 11 (SIGSEGV); 3 attempts were made. "));
  CHECK_THAT(error.what(), contains("retries"));
  CHECK(error.text() == error.what());
  CHECK(error.task_index() == 218);
  CHECK(error.function() == "fit_fold");
  CHECK(error.rank() == 3);
  CHECK(error.host() == "cn042");
  CHECK(error.attempts() == 3);
  CHECK(error.reason() == "signal 11 (SIGSEGV)");
  CHECK_THAT(WorkerLostError({1, "f", 3, "n", 1, "x"}).what(), contains("x; 1 attempt was made. "));
  CHECK_THAT(WorkerLostError({1, "f", 0, "n", 0, "no worker is left"}).what(),
             contains("task 1, \"f\", was lost: no worker is left; it was never started. "));
}

TEST_CASE("a task that ran out of time is a lost one, too") {
  const TaskTimeoutError error({7, "fit", 2, "n2", 1, "it ran for more than 2 s"});
  CHECK_THAT(error.what(),
             contains("task 7, \"fit\", ran out of time on rank 2 (n2): it ran for more than 2 s; 1 attempt"
                      " was made. Allow more time (task_timeout_seconds)"));
  const WorkerLostError& lost = error;
  const TaskFailure& failure = error;
  CHECK(lost.attempts() == 1);
  CHECK(failure.type_name() == "joblib_mpi::TaskTimeoutError");
}
