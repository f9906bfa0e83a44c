#include "executor/in_process_executor.hpp"

#include "executor/registered_function_runner.hpp"
#include "serialization/exception_codec.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/parallel.hpp>

#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace runner_test {

int square(int value) {
  return value * value;
}
void nothing(int) {}
int refuse(int value) {
  throw std::domain_error("not " + std::to_string(value));
}
double sum(const std::vector<double>& data) {
  double total = 0;
  for (const double value : data) total += value;
  return total;
}
const void* address(const std::vector<double>& data) {
  return data.data();
}
std::uintptr_t place(const std::vector<double>& data) {
  return reinterpret_cast<std::uintptr_t>(address(data));
}
int fork_and_leave(int throws) {
  const pid_t child = fork();
  if (child == 0 && throws == 1) throw std::domain_error("left by an exception");
  if (child == 0) return -1;
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}
std::string inner_backend(int) {
  return std::string(detail::active_config().backend->name());
}

}  // namespace runner_test

namespace {

/// A backend whose workers are other processes; it gives objects the ids 1, 2, ….
class Publisher final : public Backend {
 public:
  std::string_view name() const noexcept override { return "publisher"; }
  int effective_n_jobs(int) const override { return 1; }
  int default_n_jobs() const noexcept override { return 1; }
  std::unique_ptr<BackendCall> start_call(const CallOptions&, ResultSink&) override {
    throw std::logic_error("no call expected");
  }
  std::shared_ptr<const ObjectId> share(Payload value) override {
    published.push_back(std::make_shared<const Payload>(std::move(value)));
    return std::make_shared<const ObjectId>(ObjectId{published.size()});
  }
  bool in_process() const noexcept override { return false; }

  std::vector<std::shared_ptr<const Payload>> published;
};

/// Runs a delayed call through the executor as a worker does.
template <class Call>
ExecutedTask execute(InProcessExecutor& executor, Publisher& publisher, Call call) {
  TaskArguments arguments = call.save(publisher);
  ExecutorTask task{TaskId{5, 1}, std::move(arguments.payload), {}};
  for (const ObjectId object : arguments.objects)
    task.objects.push_back({object, publisher.published.at(object.value - 1)});
  CHECK_FALSE(executor.take_finished());
  executor.start(std::move(task));
  auto done = executor.take_finished();
  REQUIRE(done);
  CHECK(done->task == TaskId{5, 1});
  CHECK(done->seconds >= 0);
  CHECK_FALSE(executor.take_finished());
  return std::move(*done);
}

template <class T>
T result_of(const ExecutedTask& done) {
  REQUIRE(done.ending == TaskEnding::returned);
  PayloadReader reader(done.result);
  return load<T>(reader);
}

}  // namespace

TEST_CASE("a task is done as soon as it is started in process") {
  RegisteredFunctionRunner runner;
  InProcessExecutor executor(runner);
  Publisher publisher;
  CHECK(result_of<int>(execute(executor, publisher, delayed<runner_test::square>(7))) == 49);
  CHECK(execute(executor, publisher, delayed<runner_test::nothing>(7)).result.size_bytes() == 0);
}

TEST_CASE("an exception of the function is the result of a task that raised") {
  RegisteredFunctionRunner runner;
  InProcessExecutor executor(runner);
  Publisher publisher;
  const ExecutedTask done = execute(executor, publisher, delayed<runner_test::refuse>(3));
  REQUIRE(done.ending == TaskEnding::raised);
  PayloadReader reader(done.result);
  CHECK(error_text<std::domain_error>([&] { std::rethrow_exception(load_exception(reader, 1, "host")); }) ==
        "std::domain_error in runner_test::refuse on rank 1 (host): not 3");
}

TEST_CASE("a child that a task forks ends when it leaves the task, and only its parent answers") {
  RegisteredFunctionRunner runner;
  InProcessExecutor executor(runner);
  Publisher publisher;
  for (const int throws : {0, 1}) {
    CHECK(result_of<int>(execute(executor, publisher, delayed<runner_test::fork_and_leave>(throws))) == throws);
  }
}

TEST_CASE("arguments that are none make the task fail and not the worker") {
  RegisteredFunctionRunner runner;
  InProcessExecutor executor(runner);
  for (const std::string arguments : {"", "abc", "no function has this id"}) {
    executor.start({TaskId{1, 0}, Payload{bytes(arguments), {}}, {}});
    const auto done = executor.take_finished();
    REQUIRE(done);
    REQUIRE(done->ending == TaskEnding::raised);
    PayloadReader reader(done->result);
    CHECK_THROWS_AS(std::rethrow_exception(load_exception(reader, 1, "host")), SerializationError);
  }
}

TEST_CASE("a scattered object is made once and kept until it is forgotten") {
  RegisteredFunctionRunner runner;
  InProcessExecutor executor(runner);
  Publisher publisher;
  const auto data = scatter(std::vector<double>{1, 2, 3.5});
  CHECK(result_of<double>(execute(executor, publisher, delayed<runner_test::sum>(data))) == 6.5);
  CHECK(publisher.published.size() == 1);
  const auto first = result_of<std::uintptr_t>(execute(executor, publisher, delayed<runner_test::place>(data)));
  CHECK(result_of<std::uintptr_t>(execute(executor, publisher, delayed<runner_test::place>(data))) == first);
  CHECK(publisher.published.size() == 1);
  executor.forget(ObjectId{1});
  CHECK(result_of<double>(execute(executor, publisher, delayed<runner_test::sum>(data))) == 6.5);
}

TEST_CASE("a task that names an object it lacks fails") {
  RegisteredFunctionRunner runner;
  InProcessExecutor executor(runner);
  Publisher publisher;
  auto call = delayed<runner_test::sum>(scatter(std::vector<double>{1}));
  TaskArguments arguments = call.save(publisher);
  executor.start({TaskId{1, 0}, std::move(arguments.payload), {}});
  CHECK(executor.take_finished()->ending == TaskEnding::raised);
}

TEST_CASE("inside a task of a worker nested calls are sequential") {
  RegisteredFunctionRunner runner;
  InProcessExecutor executor(runner);
  Publisher publisher;
  CHECK(result_of<std::string>(execute(executor, publisher, delayed<runner_test::inner_backend>(0))) == "sequential");
  CHECK(detail::active_config().backend->name() != "sequential");
}
