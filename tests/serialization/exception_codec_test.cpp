#include "serialization/exception_codec.hpp"

#include "support/catch.hpp"
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/serialization.hpp>

#include <any>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <new>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>
#include <utility>
#include <variant>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace codec_test {
struct SingularMatrix : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Unregistered : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct NearlySingular : SingularMatrix {
  using SingularMatrix::SingularMatrix;
};
struct OutOfGrid : std::out_of_range {
  using std::out_of_range::out_of_range;
};
struct Hidden : private std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// An exception with members beside its text.
struct Diverged : std::runtime_error {
  explicit Diverged(const std::string& text) : std::runtime_error(text) {}
  Diverged(const std::string& text, int at, std::vector<double> last)
      : std::runtime_error(text), step(at), residuals(std::move(last)) {}
  int step = 0;
  std::vector<double> residuals;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& step& residuals;
  }
};
struct DivergedAtOnce : Diverged {
  DivergedAtOnce() : Diverged("at once", 1, {4}) {}
};
/// An exception that has a default constructor and no text.
class WithCode : public std::exception {
 public:
  WithCode() = default;
  explicit WithCode(int code) : code_(code), text_("code " + std::to_string(code)) {}
  [[nodiscard]] int code() const { return code_; }
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& code_& text_;
  }
  int code_ = 0;
  std::string text_;
};
struct Unspeakable : std::runtime_error {
  using std::runtime_error::runtime_error;
  template <class Archive>
  void serialize(Archive&, unsigned) {
    throw std::logic_error("cannot be written");
  }
};
const bool registered = register_exception<Diverged>() && register_exception<WithCode>() &&
                        register_exception<SingularMatrix>() && register_exception<Unspeakable>();
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

/// Returns the `E` as which `thrown` arrives.
template <class E, class Thrown>
E arrived(const Thrown& thrown) {
  try {
    std::rethrow_exception(sent(thrown));
  } catch (const E& error) {
    return error;
  }
}

/// Returns the failure that is behind what arrives of `thrown`.
template <class Thrown>
TaskFailure failure_of(const Thrown& thrown) {
  return arrived<TaskFailure>(thrown);
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

TEST_CASE("exceptions of the standard without a text arrive as their own type") {
  check_arrives_as<std::bad_alloc>(std::bad_alloc());
  check_arrives_as<std::bad_array_new_length>(std::bad_array_new_length());
  check_arrives_as<std::bad_cast>(std::bad_cast());
  check_arrives_as<std::bad_typeid>(std::bad_typeid());
  check_arrives_as<std::bad_exception>(std::bad_exception());
  check_arrives_as<std::bad_function_call>(std::bad_function_call());
  check_arrives_as<std::bad_weak_ptr>(std::bad_weak_ptr());
  check_arrives_as<std::bad_any_cast>(std::bad_any_cast());
  check_arrives_as<std::bad_optional_access>(std::bad_optional_access());
  check_arrives_as<std::bad_variant_access>(std::bad_variant_access());
  CHECK_THAT(error_text<std::bad_alloc>([] { std::rethrow_exception(sent(std::bad_alloc())); }),
             contains("std::bad_alloc in fit_fold on rank 3 (cn042)"));
}

TEST_CASE("exceptions of the standard keep their code and paths") {
  const std::system_error thrown(ENOENT, std::generic_category(), "open");
  CHECK(arrived<std::system_error>(thrown).code() == thrown.code());
  CHECK(failure_of(thrown).remote_what() == thrown.what());
  CHECK(arrived<std::ios_base::failure>(std::ios_base::failure("read")).code() == std::io_errc::stream);
  CHECK(arrived<std::system_error>(std::ios_base::failure("read")).code() == std::io_errc::stream);
  CHECK(arrived<std::future_error>(std::future_error(std::future_errc::no_state)).code() == std::future_errc::no_state);
  CHECK(arrived<std::regex_error>(std::regex_error(std::regex_constants::error_brack)).code() ==
        std::regex_constants::error_brack);
  const std::filesystem::filesystem_error missing("copy", "/from", "/to",
                                                  std::make_error_code(std::errc::no_such_file_or_directory));
  const auto error = arrived<std::filesystem::filesystem_error>(missing);
  CHECK(error.path1() == "/from");
  CHECK(error.path2() == "/to");
  CHECK(error.code() == std::errc::no_such_file_or_directory);
}

TEST_CASE("a code of a category that is unknown here keeps its value and the category's name") {
  struct Category final : std::error_category {
    const char* name() const noexcept override { return "solver"; }
    std::string message(int) const override { return "singular"; }
  };
  static const Category solver;
  const auto error = arrived<std::system_error>(std::system_error(7, solver));
  CHECK(error.code().value() == 7);
  CHECK(error.code().category().name() == std::string("solver"));
  CHECK_THAT(failure_of(std::system_error(7, solver)).remote_what(), contains("singular"));
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
  CHECK_THAT(error_text<Error>([] { std::rethrow_exception(sent(codec_test::Unregistered("odd"))); }),
             contains("codec_test::Unregistered in fit_fold on rank 3 (cn042): odd"));
}

TEST_CASE("a registered exception arrives as its own type") {
  CHECK(register_exception<codec_test::SingularMatrix>());
  check_arrives_as<codec_test::SingularMatrix>(codec_test::SingularMatrix("x"));
}

TEST_CASE("a class derived from a known one is caught as its base and named as itself") {
  check_arrives_as<codec_test::SingularMatrix>(codec_test::NearlySingular("x"));
  CHECK(failure_of(codec_test::NearlySingular("x")).type_name() == "codec_test::NearlySingular");
  check_arrives_as<std::out_of_range>(codec_test::OutOfGrid("x"));
  check_arrives_as<std::logic_error>(codec_test::OutOfGrid("x"));
  // A TaskError is a std::runtime_error as well.
  check_arrives_as<std::runtime_error>(codec_test::Unregistered("x"));
  // A private base is none for a catch clause.
  CHECK_THROWS_AS(std::rethrow_exception(sent(codec_test::Hidden("x"))), TaskError);
}

TEST_CASE("a registered exception brings its members") {
  const codec_test::Diverged thrown("too large", 7, {0.5, 2});
  const auto error = arrived<codec_test::Diverged>(thrown);
  CHECK(error.step == 7);
  CHECK(error.residuals == std::vector<double>{0.5, 2});
  CHECK(failure_of(thrown).remote_what() == "too large");
  CHECK(arrived<codec_test::Diverged>(codec_test::DivergedAtOnce()).step == 1);
  CHECK(failure_of(codec_test::DivergedAtOnce()).type_name() == "codec_test::DivergedAtOnce");
  CHECK(arrived<codec_test::WithCode>(codec_test::WithCode(42)).code() == 42);
  const codec_test::Diverged large("large", 8, std::vector<double>(20'000, 1.5));
  CHECK(arrived<codec_test::Diverged>(large).residuals == large.residuals);
}

TEST_CASE("an exception whose members cannot be written arrives as TaskError with its text") {
  check_arrives_as<TaskError>(codec_test::Unspeakable("x"));
  CHECK(failure_of(codec_test::Unspeakable("too much")).remote_what() == "too much");
}

TEST_CASE("nested exceptions keep their text") {
  const auto nested = [](auto inner) {
    try {
      try {
        throw inner;
      } catch (...) {
        std::throw_with_nested(std::domain_error("outer"));
      }
    } catch (...) {
      Payload payload;
      PayloadWriter writer(payload);
      save_current_exception(writer, "f");
      PayloadReader reader(payload);
      return load_exception(reader, 1, "h");
    }
  };
  const auto text = [&](auto inner) {
    return error_text<std::domain_error>([&] { std::rethrow_exception(nested(inner)); });
  };
  CHECK(text(std::out_of_range("index 5")) ==
        "std::domain_error in f on rank 1 (h): outer; caused by std::out_of_range: index 5");
  CHECK_THAT(text(17), contains("outer; caused by int: 17"));
}

TEST_CASE("what is thrown without being an exception arrives as TaskError with its value") {
  check_arrives_as<TaskError>(42);
  CHECK_THAT(error_text<TaskError>([] { std::rethrow_exception(sent(42)); }),
             contains("an exception that is not a std::exception"));
  CHECK(failure_of(17).type_name() == "int");
  CHECK_THAT(failure_of(17).remote_what(), contains("17 (an exception"));
  CHECK_THAT(failure_of(2.5).remote_what(), contains("2.5 ("));
  CHECK_THAT(failure_of(true).remote_what(), contains("true ("));
  const char* text = "a C string";
  CHECK_THAT(failure_of(text).remote_what(), contains("a C string ("));
  CHECK_THAT(failure_of(std::string("a text")).remote_what(), contains("a text ("));
  CHECK_THAT(failure_of(std::vector<int>()).type_name(), contains("std::vector<int"));
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
