#include "protocol/wire_format.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

FrameView view(const Frame& frame) {
  return {frame.body, frame.parts};
}

/// Returns `message` after encoding it into a frame and decoding the frame.
template <class Message>
Message through_wire(Message message) {
  Frame frame;
  append(frame, std::move(message));
  FrameReader reader(view(frame));
  Message result = [&] {
    if constexpr (std::is_constructible_v<MessageToWorker, Message>) {
      return std::get<Message>(reader.next_to_worker());
    } else {
      return std::get<Message>(reader.next_to_coordinator());
    }
  }();
  CHECK(reader.at_end());
  return result;
}

to_worker::RunTask run_task(std::uint32_t slot) {
  return {TaskId{slot, 7},
          CallId{9},
          TaskLimits{2.5, 1 << 20, 1 << 16, 1 << 21},
          {ObjectId{1}, ObjectId{5}},
          Payload{bytes("arguments"), {part("a"), part("bc")}},
          11};
}

to_coordinator::TaskFinished task_finished(std::uint32_t slot) {
  return {TaskId{slot, 7}, TaskEnding::raised, 1.25, Payload{bytes("result"), {part("xyz")}}};
}

}  // namespace

TEST_CASE("RunTask arrives as it was sent") {
  const auto message = through_wire(run_task(3));
  CHECK(message.task == TaskId{3, 7});
  CHECK(message.call == CallId{9});
  CHECK(message.limits.seconds == 2.5);
  CHECK(message.limits.memory_bytes == 1 << 20);
  CHECK(message.limits.spill_over_bytes == 1 << 16);
  CHECK(message.limits.memory_left_bytes == 1 << 21);
  CHECK(message.index == 11);
  CHECK(message.objects == std::vector{ObjectId{1}, ObjectId{5}});
  CHECK(text(message.arguments.head) == "arguments");
  REQUIRE(message.arguments.parts.size() == 2);
  CHECK(text(message.arguments.parts[0].view()) == "a");
  CHECK(text(message.arguments.parts[1].view()) == "bc");
}

TEST_CASE("a task without arguments and objects arrives as it was sent") {
  const auto message = through_wire(to_worker::RunTask{TaskId{1, 0}, CallId{2}, {}, {}, {}});
  CHECK(message.objects.empty());
  CHECK(message.arguments.head.empty());
  CHECK(message.arguments.parts.empty());
}

TEST_CASE("the other messages to a worker arrive as they were sent") {
  CHECK(through_wire(to_worker::CancelCall{CallId{12}}).call == CallId{12});
  CHECK(through_wire(to_worker::CancelCall{CallId{12}, WhatRuns::goes_on}).running == WhatRuns::goes_on);
  CHECK(through_wire(to_worker::DropObject{ObjectId{13}}).object == ObjectId{13});

  const auto share = through_wire(to_worker::ShareObject{ObjectId{14}, {10, 0, std::uint64_t{5} << 32}});
  CHECK(share.object == ObjectId{14});
  CHECK(share.part_bytes == std::vector<std::uint64_t>{10, 0, std::uint64_t{5} << 32});

  const auto content = through_wire(to_worker::ObjectContent{ObjectId{15}, Payload{bytes("head"), {part("abc")}}});
  CHECK(content.object == ObjectId{15});
  CHECK(text(content.value.head) == "head");
  REQUIRE(content.value.parts.size() == 1);
  CHECK(text(content.value.parts[0].view()) == "abc");
  through_wire(to_worker::BroadcastsEnded{});
  through_wire(to_worker::Ping{});

  const auto stop = through_wire(to_worker::Stop{-3, "it broke", true});
  CHECK(stop.status == -3);
  CHECK(stop.ranks_lost);
  CHECK_FALSE(through_wire(to_worker::Stop{0, ""}).ranks_lost);
  CHECK(stop.failure == "it broke");
  CHECK(through_wire(to_worker::Stop{0, ""}).failure.empty());

  const SpillPlace place{"/scratch/job", "/scratch/job/lock", "gzip:3", 4};
  CHECK(through_wire(to_worker::SpillInto{place}).place == place);
  const SpillPlace refused{"/scratch", "", "", 0, "the disk is full"};
  const auto made = through_wire(to_worker::SpillFolderMade{CallId{5}, refused});
  CHECK(made.call == CallId{5});
  CHECK(made.place == refused);
  CHECK(through_wire(to_worker::Rejoin{7}).epoch == 7);
  const auto take_back = through_wire(to_worker::TakeBack{CallId{9}, 5, {3, false}});
  CHECK(take_back.call == CallId{9});
  CHECK(take_back.most == 5);
  CHECK(take_back.seekers.workers == 3);
  CHECK_FALSE(take_back.seekers.share);
  through_wire(to_worker::Begin{});

  const FileIdentity file{"/data/x", FileUse::writing, "boot", 1, 2, 3, 4, 5, 6, {}, "mark"};
  const auto compare = through_wire(to_worker::CompareFile{7, file});
  CHECK(compare.question == 7);
  CHECK(compare.file == file);
}

TEST_CASE("messages to the coordinator arrive as they were sent") {
  const auto finished = through_wire(task_finished(4));
  CHECK(finished.task == TaskId{4, 7});
  CHECK(finished.ending == TaskEnding::raised);
  CHECK(finished.seconds == 1.25);
  CHECK(text(finished.result.head) == "result");
  REQUIRE(finished.result.parts.size() == 1);
  CHECK(text(finished.result.parts[0].view()) == "xyz");
  CHECK(through_wire(to_coordinator::Hello{true}).answers_during_tasks);
  CHECK_FALSE(through_wire(to_coordinator::Hello{false}).answers_during_tasks);
  const auto hello = through_wire(to_coordinator::Hello{true, 5, {ObjectId{3}, ObjectId{4}}});
  CHECK(hello.epoch == 5);
  CHECK(hello.objects == std::vector{ObjectId{3}, ObjectId{4}});
  CHECK(through_wire(to_coordinator::ObjectsMissing{{ObjectId{3}, ObjectId{4}}}).objects ==
        std::vector{ObjectId{3}, ObjectId{4}});
  CHECK(through_wire(to_coordinator::ObjectsMissing{}).objects.empty());
  through_wire(to_coordinator::Pong{});
  CHECK(through_wire(to_coordinator::Stuck{TaskId{6, 2}}).task == TaskId{6, 2});
  CHECK(through_wire(to_coordinator::Broken{"no processes"}).reason == "no processes");
  through_wire(to_coordinator::Goodbye{});
  CHECK(through_wire(to_coordinator::SpillFolderWanted{CallId{9}}).call == CallId{9});
  CHECK(through_wire(to_coordinator::RoomLeft{1234567890123}).bytes == 1234567890123);
  CHECK(through_wire(to_coordinator::Returned{{TaskId{4, 7}, TaskId{5, 1}}}).tasks ==
        std::vector{TaskId{4, 7}, TaskId{5, 1}});
  CHECK(through_wire(to_coordinator::Returned{}).tasks.empty());
  CHECK_FALSE(through_wire(to_coordinator::Returned{}).items);
  const auto given = through_wire(to_coordinator::Returned{{}, to_coordinator::GivenItems{{4, 7}, {5, 6}, 2}}).items;
  REQUIRE(given);
  CHECK(given->batch == TaskId{4, 7});
  CHECK(given->items == ItemRange{5, 6});
  CHECK(given->workers == 2);
  const auto compared = through_wire(to_coordinator::FileCompared{7, "another file is there"});
  CHECK(compared.question == 7);
  CHECK(compared.reason == "another file is there");
}

TEST_CASE("several messages in one frame arrive in order with their own parts") {
  Frame frame;
  append(frame, run_task(1));
  append(frame, to_worker::CancelCall{CallId{2}});
  append(frame, to_worker::RunTask{TaskId{3, 0}, CallId{1}, {}, {}, Payload{bytes("3"), {part("third")}}});
  append(frame, to_worker::Stop{0, ""});
  FrameReader reader(view(frame));
  CHECK(std::get<to_worker::RunTask>(reader.next_to_worker()).task == TaskId{1, 7});
  CHECK(std::get<to_worker::CancelCall>(reader.next_to_worker()).call == CallId{2});
  const auto third = std::get<to_worker::RunTask>(reader.next_to_worker());
  CHECK(third.task == TaskId{3, 0});
  REQUIRE(third.arguments.parts.size() == 1);
  CHECK(text(third.arguments.parts[0].view()) == "third");
  CHECK_FALSE(reader.at_end());
  CHECK(std::holds_alternative<to_worker::Stop>(reader.next_to_worker()));
  CHECK(reader.at_end());
}

TEST_CASE("parts are not copied when a message is written or read") {
  const auto message = run_task(1);
  const void* memory = message.arguments.parts[1].view().data();
  Frame frame;
  append(frame, message);
  CHECK(text(message.arguments.parts.at(1).view()) == "bc");  // the sender keeps the part
  CHECK(static_cast<const void*>(frame.parts.at(1).view().data()) == memory);
  FrameReader reader(view(frame));
  const auto arrived = std::get<to_worker::RunTask>(reader.next_to_worker());
  CHECK(static_cast<const void*>(arrived.arguments.parts.at(1).view().data()) == memory);
}

TEST_CASE("a frame cut short at any byte is refused") {
  const auto check_all_cuts = [](const Frame& frame, auto next) {
    for (std::size_t size = 0; size < frame.body.size(); ++size) {
      INFO("cut to " << size << " of " << frame.body.size() << " bytes");
      FrameReader reader(FrameView{ByteView(frame.body).first(size), frame.parts});
      CHECK_THROWS_AS(next(reader), SerializationError);
    }
  };
  const auto to_a_worker = [](FrameReader& reader) { (void)reader.next_to_worker(); };
  const auto to_rank_0 = [](FrameReader& reader) { (void)reader.next_to_coordinator(); };
  Frame run, cancel, share, ended, content, drop, ping, stop;
  Frame hello, finished, missing, pong, stuck, goodbye;
  append(run, run_task(1));
  append(cancel, to_worker::CancelCall{CallId{1}});
  append(share, to_worker::ShareObject{ObjectId{1}, {1, 2}});
  append(ended, to_worker::BroadcastsEnded{});
  append(content, to_worker::ObjectContent{ObjectId{1}, Payload{bytes("head"), {part("abc")}}});
  append(ping, to_worker::Ping{});
  append(hello, to_coordinator::Hello{true});
  append(missing, to_coordinator::ObjectsMissing{{ObjectId{1}}});
  append(pong, to_coordinator::Pong{});
  append(stuck, to_coordinator::Stuck{TaskId{1, 2}});
  append(drop, to_worker::DropObject{ObjectId{1}});
  append(stop, to_worker::Stop{1, "why"});
  append(finished, task_finished(1));
  append(goodbye, to_coordinator::Goodbye{});
  for (const Frame* frame : {&run, &cancel, &share, &ended, &content, &drop, &ping, &stop}) {
    check_all_cuts(*frame, to_a_worker);
  }
  for (const Frame* frame : {&hello, &finished, &missing, &pong, &stuck, &goodbye}) check_all_cuts(*frame, to_rank_0);
}

TEST_CASE("a message that lacks a part is refused") {
  Frame frame;
  append(frame, run_task(1));
  frame.parts.pop_back();
  FrameReader reader(view(frame));
  CHECK_THROWS_AS(reader.next_to_worker(), SerializationError);
}

TEST_CASE("a count of parts that no frame has is refused") {
  Frame frame;
  append(frame, to_worker::RunTask{TaskId{1, 0}, CallId{2}, {}, {}, {}});
  for (std::size_t index = frame.body.size() - 4; index < frame.body.size(); ++index)
    frame.body[index] = std::byte{0xff};
  FrameReader reader(view(frame));
  CHECK_THROWS_AS(reader.next_to_worker(), SerializationError);
}

TEST_CASE("a message of unknown kind is refused with its number") {
  const Frame frame{Bytes(64, std::byte{200}), {}};
  CHECK_THAT(error_text<SerializationError>([&] { (void)FrameReader(view(frame)).next_to_worker(); }),
             contains("unknown kind 200"));
  CHECK_THAT(error_text<SerializationError>([&] { (void)FrameReader(view(frame)).next_to_coordinator(); }),
             contains("unknown kind 200"));
}

TEST_CASE("a bool or an ending that does not exist is refused") {
  Frame ping;
  append(ping, to_worker::Ping{true});
  Frame hello;
  append(hello, to_coordinator::Hello{true});
  Frame finished;
  to_coordinator::TaskFinished message{};
  append(finished, std::move(message));
  const std::size_t place_of_ending = 1 + sizeof(TaskId);
  ping.body.back() = hello.body.back() = finished.body[place_of_ending] = std::byte{100};
  CHECK_THROWS_AS(FrameReader(view(ping)).next_to_worker(), SerializationError);
  CHECK_THROWS_AS(FrameReader(view(hello)).next_to_coordinator(), SerializationError);
  CHECK_THROWS_AS(FrameReader(view(finished)).next_to_coordinator(), SerializationError);
}

TEST_CASE("a long head travels as a part of its frame, before the other parts") {
  const auto check = [](const Payload& payload) {
    CHECK(is_pattern(payload.long_head.view(), min_part_bytes, 4));
    CHECK(payload.head.empty());
    REQUIRE(payload.parts.size() == 1);
    CHECK(text(payload.parts[0].view()) == "abc");
  };
  Payload payload{pattern(min_part_bytes, 4), {part("abc")}};
  payload.share_long_head();
  auto task = run_task(1);
  task.arguments = payload;
  Frame frame;
  append(frame, task);
  CHECK(frame.body.size() < 200);
  CHECK(frame.parts.size() == 2);
  check(through_wire(task).arguments);
  check(through_wire(to_worker::ObjectContent{ObjectId{15}, payload}).value);
  auto finished = task_finished(1);
  finished.result = payload;
  check(through_wire(finished).result);
}

TEST_CASE("what arrives without memory for its parts says so, and messages without parts are as they were") {
  auto small = run_task(1);
  small.arguments.parts.clear();
  Payload only_a_long_head{Bytes(min_part_bytes), {}};
  only_a_long_head.share_long_head();
  Frame down;
  append(down, small);
  append(down, run_task(2));
  append(down, to_worker::ObjectContent{ObjectId{15}, only_a_long_head});
  Frame up;
  append(up, to_coordinator::TaskFinished{TaskId{3, 7}, TaskEnding::returned, 1, Payload{bytes("small"), {}}});
  append(up, to_coordinator::TaskFinished{TaskId{4, 7}, TaskEnding::returned, 1, only_a_long_head});
  for (Frame* frame : {&down, &up}) {
    for (SharedBytes& lost : frame->parts) lost = {};
  }

  FrameReader tasks({down.body, down.parts, "no room"});
  CHECK(std::get<to_worker::RunTask>(tasks.next_to_worker()).no_room.empty());
  CHECK(std::get<to_worker::RunTask>(tasks.next_to_worker()).no_room == "no room");
  CHECK(std::get<to_worker::ObjectContent>(tasks.next_to_worker()).no_room == "no room");
  FrameReader results({up.body, up.parts, "no room"});
  const auto first = std::get<to_coordinator::TaskFinished>(results.next_to_coordinator());
  CHECK(first.ending == TaskEnding::returned);
  CHECK(text(first.result.head) == "small");
  const auto second = std::get<to_coordinator::TaskFinished>(results.next_to_coordinator());
  CHECK(second.task == TaskId{4, 7});
  CHECK(second.ending == TaskEnding::no_room);
  CHECK(text(second.result.head) == "no room");
}
