// Frames as they arrive from another rank. The first byte says which way the frame goes, the second how many parts it
// has.

#include "fuzz/fuzz_target.hpp"
#include "protocol/wire_format.hpp"
#include "support/bytes.hpp"
#include <joblib_mpi/error.hpp>

#include <span>
#include <type_traits>
#include <utility>
#include <variant>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr std::byte to_a_worker{0};
constexpr std::byte to_rank_0{1};

void touch_message(const MessageToWorker& message) {
  if (const auto* const task = std::get_if<to_worker::RunTask>(&message)) touch(task->arguments);
  if (const auto* const content = std::get_if<to_worker::ObjectContent>(&message)) touch(content->value);
  // A bool of another value than 0 and 1 is undefined behaviour where it is read.
  if (const auto* const ping = std::get_if<to_worker::Ping>(&message)) touch(Bytes(ping->asks_always ? 1 : 2));
  if (const auto* const stop = std::get_if<to_worker::Stop>(&message)) touch(Bytes(stop->ranks_lost ? 1 : 2));
}

void touch_message(const MessageToCoordinator& message) {
  if (const auto* const done = std::get_if<to_coordinator::TaskFinished>(&message)) touch(done->result);
  if (const auto* const hello = std::get_if<to_coordinator::Hello>(&message)) {
    touch(Bytes(hello->answers_during_tasks ? 1 : 2));
  }
}

Bytes seed(std::byte way, const Frame& frame) {
  Bytes input{way, static_cast<std::byte>(frame.parts.size())};
  input.insert(input.end(), frame.body.begin(), frame.body.end());
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ProcessorTimeLimit limit;
  if (size < 2) return 0;
  const ByteView input = std::as_bytes(std::span(data, size));
  const std::vector<SharedBytes> parts(std::to_integer<std::size_t>(input[1]), SharedBytes(bytes("a part")));
  FrameReader reader({input.subspan(2), parts});
  try {
    while (!reader.at_end()) {
      if (input[0] == to_rank_0) {
        touch_message(reader.next_to_coordinator());
      } else {
        touch_message(reader.next_to_worker());
      }
    }
  } catch (const SerializationError&) {  // the bytes are no messages
  }
  return 0;
}

std::vector<Bytes> joblib_mpi::test::fuzz_seeds() {
  Frame down;
  append(down, to_worker::Begin{});
  to_worker::RunTask task;
  task.objects = {{1}, {2}};
  task.arguments = some_payload();
  append(down, task);
  append(down, to_worker::CancelCall{});
  append(down, to_worker::ShareObject{{3}, {10, 20}});
  append(down, to_worker::BroadcastsEnded{});
  append(down, to_worker::ObjectContent{{4}, some_payload()});
  append(down, to_worker::DropObject{{4}});
  append(down, to_worker::Ping{});
  append(down, to_worker::SpillInto{{"/folder", "/folder/lock", "gzip"}});
  append(down, to_worker::Stop{.status = 1, .failure = "text"});
  Frame up;
  append(up, to_coordinator::Hello{true});
  to_coordinator::TaskFinished finished{};
  finished.result = some_payload();
  append(up, std::move(finished));
  append(up, to_coordinator::ObjectsMissing{{{1}, {2}}});
  append(up, to_coordinator::Pong{});
  append(up, to_coordinator::Stuck{});
  append(up, to_coordinator::Broken{"text"});
  append(up, to_coordinator::Goodbye{});
  return {seed(to_a_worker, down), seed(to_rank_0, up)};
}
