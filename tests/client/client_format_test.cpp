#include "client/client_format.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/error.hpp>

#include <string>
#include <utility>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

template <class Message>
Message sent_to_rank0(Message message) {
  Frame frame;
  append(frame, std::move(message));
  ClientFrameReader reader(frame);
  auto arrived = std::get<Message>(reader.next_to_rank0());
  CHECK(reader.at_end());
  return arrived;
}

template <class Message>
Message sent_to_client(Message message) {
  Frame frame;
  append(frame, std::move(message));
  ClientFrameReader reader(frame);
  auto arrived = std::get<Message>(reader.next_to_client());
  CHECK(reader.at_end());
  return arrived;
}

}  // namespace

TEST_CASE("all options of a call arrive, set or not") {
  const CallOptions options{.n_jobs = 3,
                            .retries = 5,
                            .retry_exceptions = true,
                            .task_timeout_seconds = 1.5,
                            .memory_limit_bytes = 7,
                            .spill = {8, 9, "/folder", false, "gzip:6"}};
  const auto message = sent_to_rank0(to_rank0::StartCall{{2}, options});
  CHECK(message.call == CallId{2});
  CHECK(message.options.n_jobs == 3);
  CHECK(message.options.retries == 5);
  CHECK(message.options.retry_exceptions);
  CHECK(message.options.task_timeout_seconds == 1.5);
  CHECK(message.options.memory_limit_bytes == 7);
  CHECK(message.options.spill.threshold_bytes == 8);
  CHECK(message.options.spill.memory_budget_bytes == 9);
  CHECK(message.options.spill.folder == "/folder");
  CHECK(message.options.spill.keep == false);
  CHECK(message.options.spill.compression == "gzip:6");
  const SpillOptions unset = sent_to_rank0(to_rank0::StartCall{{2}, {}}).options.spill;
  CHECK_FALSE(unset.threshold_bytes);
  CHECK_FALSE(unset.memory_budget_bytes);
  CHECK_FALSE(unset.folder);
  CHECK_FALSE(unset.keep);
  CHECK_FALSE(unset.compression);
}

TEST_CASE("tasks and results arrive with their arrays, which are not copied") {
  Payload arguments{bytes("head"), {part("array")}};
  const std::byte* const array = arguments.parts[0].view().data();
  const auto submitted =
      sent_to_rank0(to_rank0::SubmitTask{{1}, {2, "name", std::move(arguments), {{3}, {4}}, {}, 50}});
  CHECK_FALSE(submitted.task.only_on);
  CHECK(submitted.task.index == 2);
  CHECK(submitted.task.items == 50);
  CHECK(submitted.task.name == "name");
  CHECK(submitted.task.objects == std::vector<ObjectId>{{3}, {4}});
  CHECK(text(submitted.task.arguments.head) == "head");
  CHECK(submitted.task.arguments.parts.at(0).view().data() == array);

  Payload result{bytes("result"), {part("of it")}};
  result.on_disk = true;
  const FinishedTask finished =
      sent_to_client(to_client::TaskFinished{{{1}, 2, {3}, TaskEnding::raised, 4, "name", std::move(result), {7, 8}}})
          .task;
  CHECK(finished.call == CallId{1});
  CHECK(finished.index == 2);
  CHECK(finished.worker == WorkerId{3});
  CHECK(finished.ending == TaskEnding::raised);
  CHECK(finished.attempts == 4);
  CHECK(finished.name == "name");
  CHECK(finished.items == ItemRange{7, 8});
  CHECK(finished.result.on_disk);
  CHECK(text(finished.result.parts.at(0).view()) == "of it");
}

TEST_CASE("a shared object arrives with its head, as a block or with its parts") {
  const auto shared = sent_to_rank0(to_rank0::ShareObject{{1}, {bytes("head"), {part("array")}}});
  CHECK(text(shared.value.head) == "head");
  CHECK(text(shared.value.parts.at(0).view()) == "array");
  CHECK(sent_to_rank0(to_rank0::ShareObject{{1}, {{}, {part("array")}}}).value.parts.size() == 1);

  const auto block = sent_to_rank0(to_rank0::ShareBlock{{2}, {4, 5}, part("block")});
  CHECK(block.object == ObjectId{2});
  CHECK(block.part_bytes == PartBytes{4, 5});
  CHECK(text(block.block.view()) == "block");
}

TEST_CASE("the only worker that may run a task arrives with it") {
  CHECK(sent_to_rank0(to_rank0::SubmitTask{{1}, {2, "name", {}, {}, WorkerId{5}}}).task.only_on == WorkerId{5});
}

TEST_CASE("questions and answers arrive") {
  CHECK(sent_to_rank0(to_rank0::Ask{1, Fact::room_elsewhere, {2}}).fact == Fact::room_elsewhere);
  CHECK(sent_to_rank0(to_rank0::CompareFile{1, {.path = "/a", .bytes = 5}}).file ==
        FileIdentity{.path = "/a", .bytes = 5});
  CHECK(sent_to_client(to_client::Answer{1, {2, 3}}).numbers == std::vector<std::uint64_t>{2, 3});
  const auto refusals = sent_to_client(to_client::FileRefusals{1, {{{2}, "none"}, {{3}, "another"}}}).refusals;
  REQUIRE(refusals.size() == 2);
  CHECK(refusals[1].worker == WorkerId{3});
  CHECK(refusals[1].reason == "another");
  const auto started = sent_to_client(to_client::CallStarted{{1}, CallRefusal::spill, "no folder"});
  CHECK(started.refusal == CallRefusal::spill);
  CHECK(started.reason == "no folder");
  CHECK(sent_to_client(to_client::SessionEnded{"over"}).reason == "over");
}

TEST_CASE("messages that end too early or have unknown values are refused") {
  Frame frame;
  append(frame, to_rank0::Ask{1, Fact::worker_returns});
  frame.body[9] = std::byte{200};  // the fact
  CHECK_THROWS_AS(ClientFrameReader(frame).next_to_rank0(), SerializationError);
  frame.body.resize(5);
  CHECK_THROWS_AS(ClientFrameReader(frame).next_to_rank0(), SerializationError);
  frame.body[0] = std::byte{99};  // the kind
  CHECK_THROWS_AS(ClientFrameReader(frame).next_to_rank0(), SerializationError);
  CHECK_THROWS_AS(ClientFrameReader(frame).next_to_client(), SerializationError);
}
