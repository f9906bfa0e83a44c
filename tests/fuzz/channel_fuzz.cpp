// Messages in the ring between a rank and its executor: each is a size (one byte) and its bytes. Messages that hand a
// segment over find one of 4096 bytes in the socket.

#include "executor/message_channel.hpp"
#include "fuzz/fuzz_target.hpp"
#include "segments/segment.hpp"
#include "segments/segment_pool.hpp"
#include "support/bytes.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <variant>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr std::size_t segment_bytes = 4096;

/// Both ends of a connection, in one process.
struct Connection {
  std::unique_ptr<Ring> to = std::make_unique<Ring>();
  std::unique_ptr<Ring> from = std::make_unique<Ring>();
  WakeFlag flag;
  SocketPair sockets = make_socket_pair();
  SegmentPool pool{0};
};

void touch_message(const ExecutorMessage& message) {
  if (const auto* const task = std::get_if<executor_message::RunTask>(&message)) touch(task->arguments);
  if (const auto* const object = std::get_if<executor_message::ShareObject>(&message)) touch(*object->value);
  if (const auto* const done = std::get_if<executor_message::TaskDone>(&message)) touch(done->task.result);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ProcessorTimeLimit limit;
  Connection connection;
  MessageChannel channel(connection.pool, {*connection.from, *connection.to, connection.flag},
                         std::move(connection.sockets.first), MessageChannel::WhenFull::keep);
  const Descriptor segment = make_memory_file(segment_bytes);
  ByteView rest = std::as_bytes(std::span(data, size));
  try {
    while (rest.size() > 1) {
      const std::size_t length = std::min(std::to_integer<std::size_t>(rest[0]) + 1, rest.size() - 1);
      const ByteView message = rest.subspan(1, length);
      rest = rest.subspan(1 + length);
      (void)send_message(connection.sockets.second, message, segment.get(), false);
      const std::span<std::byte> room = connection.to->reserve(length);
      if (room.empty()) break;
      std::memcpy(room.data(), message.data(), length);
      connection.to->publish();
      while (const auto received = channel.receive()) touch_message(*received);
    }
  } catch (const SerializationError&) {  // the bytes are no message
  } catch (const std::system_error&) {   // a segment that cannot be mapped
  }
  return 0;
}

std::vector<Bytes> joblib_mpi::test::fuzz_seeds() {
  Connection connection;
  MessageChannel channel(connection.pool, {*connection.to, *connection.from, connection.flag},
                         std::move(connection.sockets.first), MessageChannel::WhenFull::keep);
  Payload value;
  value.head = bytes("a head");
  value.parts.emplace_back(bytes(std::string(200, 'p')));
  channel.send_object({7}, value);
  channel.send_spill_place({"/folder", "/folder/lock", "gzip"});
  channel.send_forget({7});
  ExecutedTask done{};
  done.result = value;
  channel.send_done(done);
  channel.send_close();
  Bytes all;
  std::vector<Bytes> seeds;
  for (ByteView message = connection.to->front(); message.data() != nullptr; message = connection.to->front()) {
    Bytes one{static_cast<std::byte>(message.size() - 1)};
    one.insert(one.end(), message.begin(), message.end());
    all.insert(all.end(), one.begin(), one.end());
    seeds.push_back(std::move(one));
    connection.to->pop();
  }
  seeds.push_back(std::move(all));
  return seeds;
}
