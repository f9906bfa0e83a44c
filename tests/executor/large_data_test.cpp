// Tests with large arrays on their way to an executor process and back.

#include "forked_executor.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Returns a part in memory of the pool, as after MPI has received it there.
SharedBytes received(SegmentPool& pool, const Bytes& content) {
  const ReceiveMemory::Block block = pool.allocate(content.size());
  std::ranges::copy(content, block.bytes.begin());
  return {block.owner, block.bytes};
}

ObjectInput object(std::uint64_t id, std::size_t size) {
  auto value = std::make_shared<Payload>();
  value->head = bytes("head");
  value->parts.emplace_back(pattern(size, id));
  return {ObjectId{id}, std::move(value)};
}

}  // namespace

TEST_CASE("large arrays arrive unchanged in both directions") {
  WorkerSide worker;
  const std::vector<std::size_t> sizes{0, 1, 70'000, megabyte, 5 * megabyte + 3, 0, 17 * megabyte};
  for (int round = 0; round < 3; ++round) {
    std::vector<SharedBytes> parts;
    for (std::size_t index = 0; index < sizes.size(); ++index) {
      const Bytes content = pattern(sizes[index], index);
      parts.push_back(index % 2 == 0 ? SharedBytes(content) : received(worker.pool, content));
    }
    const ExecutedTask done = worker.run("echo", std::move(parts));
    REQUIRE(done.result.parts.size() == sizes.size());
    for (std::size_t index = 0; index < sizes.size(); ++index) {
      CHECK(is_pattern(done.result.parts[index].view(), sizes[index], index));
    }
  }
}

TEST_CASE("a task with thousands of arrays arrives whole") {
  WorkerSide worker;
  constexpr std::size_t count = 5'000;
  std::vector<SharedBytes> parts;
  for (std::size_t index = 0; index < count; ++index) parts.emplace_back(pattern(index % 300, index));
  const ExecutedTask done = worker.run("echo", std::move(parts));
  REQUIRE(done.result.parts.size() == count);
  bool all_right = true;
  for (std::size_t index = 0; index < count; ++index) {
    all_right = all_right && is_pattern(done.result.parts[index].view(), index % 300, index);
  }
  CHECK(all_right);
}

TEST_CASE("heads larger than the ring arrive whole") {
  WorkerSide worker;
  for (const std::size_t size : {30'000, 100'000, 3'000'000}) {
    const std::string text(size, 'x');
    CHECK(head_text(worker.run("echo" + text)) == "unknown: echo" + text);
    CHECK(head_text(worker.run("echo " + text)) == " " + text);
  }
}

TEST_CASE("long heads go through shared memory in both directions") {
  WorkerSide worker;
  const std::string text(3'000'000, 'x');
  const ExecutedTask done = worker.run("echo " + text);
  CHECK(done.result.long_head.size() == text.size() + 1);
  CHECK(done.result.head.empty());
  ExecutorTask task{done.task, Payload{bytes("echo " + text), {}}, {}};
  task.arguments.share_long_head();
  worker.executor.start(std::move(task));
  CHECK(head_text(worker.wait_for_result()) == " " + text);
}

TEST_CASE("a result for which its executor has no room ends its task, and the executor goes on") {
  WorkerSide worker;
  const std::string executor = head_text(worker.run("pid"));
  const ExecutedTask done = worker.run("open_no_more_and_return_much");
  CHECK(done.ending == TaskEnding::no_room);
  CHECK_THAT(head_text(done), contains("no room for its result of 8101000 bytes"));
  CHECK(done.result.parts.empty());
  CHECK(head_text(worker.run("pid")) == executor);
}

TEST_CASE("a task may write into its arguments") {
  WorkerSide worker;
  const Bytes content = pattern(megabyte, 1);
  const ExecutedTask done = worker.run("reverse", {SharedBytes(content)});
  REQUIRE(done.ending == TaskEnding::returned);
  Bytes back = copy_of(done.result.parts.at(0).view());
  std::ranges::reverse(back);
  CHECK(is_pattern(back, megabyte, 1));
}

TEST_CASE("a task cannot write into a scattered object") {
  WorkerSide worker;
  worker.start("write_object", {}, {}, {object(1, megabyte)});
  CHECK(head_text(worker.wait_for_result()) == "signal 11 (SIGSEGV)");
}

TEST_CASE("a scattered object stays with its process until it is forgotten and is given to the next one") {
  WorkerSide worker;
  const auto ask = [&](std::vector<ObjectInput> objects) {
    worker.start("objects", {}, {}, std::move(objects));
    return worker.wait_for_result();
  };
  const ObjectInput first = object(1, megabyte);
  for (int round = 0; round < 3; ++round) {
    const ExecutedTask done = ask({first, object(2, 100)});
    CHECK(head_text(done) == "2");
    CHECK(is_pattern(done.result.parts.at(0).view(), megabyte, 1));
    CHECK(is_pattern(done.result.parts.at(1).view(), 100, 2));
  }
  worker.executor.forget(ObjectId{2});
  worker.executor.forget(ObjectId{77});  // which the executor never had
  CHECK(head_text(worker.run("forgotten")) == "2,");
  CHECK(worker.run("exit 1").ending == TaskEnding::lost);
  CHECK(is_pattern(ask({first}).result.parts.at(0).view(), megabyte, 1));
}

TEST_CASE("memory that a task still holds is not used again") {
  WorkerSide worker;
  CHECK(worker.run("keep", {received(worker.pool, pattern(2 * megabyte, 5))}).ending == TaskEnding::returned);
  for (std::size_t round = 0; round < 5; ++round) {
    CHECK(worker.run("echo", {received(worker.pool, pattern(2 * megabyte, 100 + round))}).ending ==
          TaskEnding::returned);
  }
  CHECK(is_pattern(worker.run("show_kept").result.parts.at(0).view(), 2 * megabyte, 5));
}

TEST_CASE("a result stays readable after its process has ended and while others run") {
  WorkerSide worker;
  const ExecutedTask first = worker.run("echo", {SharedBytes(pattern(2 * megabyte, 1))});
  CHECK(worker.run("echo", {SharedBytes(pattern(2 * megabyte, 2))}).ending == TaskEnding::returned);
  CHECK(is_pattern(first.result.parts.at(0).view(), 2 * megabyte, 1));
  CHECK(worker.run("signal 9").ending == TaskEnding::lost);
  CHECK(worker.run("echo", {SharedBytes(pattern(2 * megabyte, 3))}).ending == TaskEnding::returned);
  CHECK(is_pattern(first.result.parts.at(0).view(), 2 * megabyte, 1));
}

TEST_CASE("the same memory serves task after task") {
  WorkerSide worker;
  const auto data_of = [&] { return received(worker.pool, pattern(2 * megabyte, 1)).view().data(); };
  const std::byte* const place = data_of();
  for (int round = 0; round < 20; ++round) {
    CHECK(worker.run("echo", {received(worker.pool, pattern(2 * megabyte, 1))}).ending == TaskEnding::returned);
    // The executor reports freed memory with its next message.
    CHECK(worker.run("echo").ending == TaskEnding::returned);
    CHECK(data_of() == place);
  }
}

TEST_CASE("no descriptor is left open and no process stays") {
  const std::size_t before = open_files();
  pid_t executor = 0;
  {
    WorkerSide worker;
    for (int round = 0; round < 5; ++round) {
      CHECK(worker.run("echo", {SharedBytes(pattern(3 * megabyte, 1)), SharedBytes(pattern(100, 2))}).ending ==
            TaskEnding::returned);
      CHECK(worker.run("signal 9").ending == TaskEnding::lost);
    }
    executor = worker.executor_pid();
  }
  CHECK(open_files() == before);
  CHECK(kill(executor, 0) != 0);
}
