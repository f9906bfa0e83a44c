// What a client and rank 0 send each other. The first byte says which way it goes; the bytes of a connection follow: a
// greeting, then frames of messages.

#include "client/client_format.hpp"
#include "client/frame_stream.hpp"
#include "client/greeting.hpp"
#include "fuzz/fuzz_target.hpp"
#include "segments/payload_block.hpp"
#include "support/bytes.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <span>
#include <utility>
#include <variant>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr std::byte to_a_client{0};
constexpr std::byte to_rank_0{1};

void touch_message(const MessageToRank0& message) {
  if (const auto* const task = std::get_if<to_rank0::SubmitTask>(&message)) touch(task->task.arguments);
  if (const auto* const object = std::get_if<to_rank0::ShareObject>(&message)) touch(object->value);
  if (const auto* const object = std::get_if<to_rank0::ShareBlock>(&message)) {
    touch(payload_in(object->block.owner(), object->block.view(), object->part_bytes));
  }
  // A bool of another value than 0 and 1 is undefined behaviour where it is read.
  if (const auto* const call = std::get_if<to_rank0::StartCall>(&message)) {
    touch(Bytes(call->options.retry_exceptions ? 1 : 2));
  }
}

void touch_message(const MessageToClient& message) {
  if (const auto* const done = std::get_if<to_client::TaskFinished>(&message)) touch(done->task.result);
}

/// Fills the space of a receiver with the next bytes of the input.
template <class Receiver>
void feed(Receiver& receiver, ByteView& input) {
  const std::span<std::byte> space = receiver.space();
  const std::size_t size = std::min(space.size(), input.size());
  std::memcpy(space.data(), input.data(), size);
  receiver.filled(size);
  input = input.subspan(size);
}

void read_frames(ByteView input, bool at_rank_0) {
  SegmentPool pool;
  FrameReceiver receiver(nullptr, at_rank_0 ? &pool : nullptr);
  while (!input.empty()) {
    feed(receiver, input);
    while (const auto received = receiver.next()) {
      ClientFrameReader reader(received->frame);
      while (!reader.at_end()) {
        at_rank_0 ? touch_message(reader.next_to_rank0()) : touch_message(reader.next_to_client());
      }
    }
  }
}

Bytes seed(std::byte way, const Bytes& greeting, Frame frame) {
  Bytes input{way};
  input.insert(input.end(), greeting.begin(), greeting.end());
  FrameSender sender;
  sender.send(std::move(frame));
  while (sender.has_more()) {
    const iovec piece = sender.pieces().front();
    const auto* const begin = static_cast<const std::byte*>(piece.iov_base);
    input.insert(input.end(), begin, begin + piece.iov_len);
    sender.written(piece.iov_len);
  }
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ProcessorTimeLimit limit;
  if (size < 1) return 0;
  ByteView input = std::as_bytes(std::span(data, size));
  const bool at_rank_0 = input[0] == to_rank_0;
  input = input.subspan(1);
  try {
    GreetingReceiver greeting;
    while (!input.empty() && !greeting.space().empty()) feed(greeting, input);
    if (at_rank_0) {
      (void)greeting.of_client();
    } else {
      (void)greeting.of_server();
    }
    read_frames(input, at_rank_0);
  } catch (const SerializationError&) {  // the bytes are no messages
  } catch (const VersionMismatch&) {
  } catch (const std::bad_alloc&) {  // a part that no memory can hold: the connection is given up
  }
  return 0;
}

std::vector<Bytes> joblib_mpi::test::fuzz_seeds() {
  Frame up;
  append(up, to_rank0::StartCall{{1}, {.spill = {.threshold_bytes = 1, .folder = "/folder", .keep = true}}});
  append(up, to_rank0::SubmitTask{{1}, {2, "name", some_payload(), {{3}}, WorkerId{4}}});
  append(up, to_rank0::StopStarting{{1}});
  append(up, to_rank0::EndCall{{1}});
  append(up, to_rank0::ShareObject{{3}, some_payload()});
  append(up, to_rank0::ShareBlock{{4}, {5, 6}, SharedBytes(Bytes(128, std::byte{1}))});
  append(up, to_rank0::DropObject{{3}});
  append(up, to_rank0::Ask{4, Fact::unfinished_tasks});
  append(up, to_rank0::CompareFile{5, {.path = "/file"}});
  append(up, to_rank0::Goodbye{});
  Frame down;
  append(down, to_client::CallStarted{{1}, CallRefusal::spill, "text"});
  append(down, to_client::TaskFinished{{{1}, 2, {3}, TaskEnding::returned, 1, "name", some_payload()}});
  append(down, to_client::Answer{4, {1, 2}});
  append(down, to_client::FileRefusals{5, {{{1}, "text"}}});
  append(down, to_client::SessionEnded{"text"});
  return {seed(to_rank_0, encode(ClientGreeting{"identity", {1, 2}, 0, 60}), std::move(up)),
          seed(to_a_client, encode(ServerGreeting{"", 0, {"host0", "host1"}}), std::move(down))};
}
