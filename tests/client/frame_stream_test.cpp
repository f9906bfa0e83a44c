#include "client/frame_stream.hpp"

#include "segments/payload_block.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

Frame frame_of(std::string_view body, std::vector<SharedBytes> parts = {}) {
  return {bytes(body), std::move(parts)};
}

/// Takes all that the sender has to write, at most `most` bytes at a time.
Bytes written_by(FrameSender& sender, std::size_t most = std::numeric_limits<std::size_t>::max()) {
  Bytes all;
  while (sender.has_more()) {
    const iovec piece = sender.pieces().front();
    const std::size_t size = std::min(piece.iov_len, most);
    const auto* const begin = static_cast<const std::byte*>(piece.iov_base);
    all.insert(all.end(), begin, begin + size);
    sender.written(size);
  }
  return all;
}

/// Gives the receiver the bytes, at most `most` at a time, and returns the frames that come out.
std::vector<FrameReceiver::Received> received_from(ByteView bytes, std::size_t most, FrameReceiver& receiver) {
  std::vector<FrameReceiver::Received> frames;
  while (!bytes.empty()) {
    const std::span<std::byte> space = receiver.space();
    const std::size_t size = std::min({space.size(), bytes.size(), most});
    std::memcpy(space.data(), bytes.data(), size);
    receiver.filled(size);
    bytes = bytes.subspan(size);
    while (auto frame = receiver.next()) frames.push_back(std::move(*frame));
  }
  return frames;
}

std::vector<FrameReceiver::Received> received_from(ByteView bytes) {
  FrameReceiver receiver;
  return received_from(bytes, bytes.size(), receiver);
}

Bytes head_bytes(const FrameHead& head) {
  Bytes bytes(sizeof head);
  std::memcpy(bytes.data(), &head, sizeof head);
  return bytes;
}

}  // namespace

TEST_CASE("frames arrive whole in whichever pieces their bytes come") {
  constexpr std::size_t large = 300'000;
  for (const std::size_t most : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, std::size_t{1} << 20}) {
    INFO("at most " << most << " bytes at a time");
    FrameSender sender;
    sender.send(frame_of("first"));
    sender.send(frame_of("second", {part(""), SharedBytes(pattern(large, 1)), part("a part")}));
    sender.send(frame_of("third"));
    FrameReceiver receiver;
    const auto frames = received_from(written_by(sender, most), most, receiver);
    REQUIRE(frames.size() == 3);
    CHECK(text(frames[0].frame.body) == "first");
    CHECK(text(frames[1].frame.body) == "second");
    REQUIRE(frames[1].frame.parts.size() == 3);
    CHECK(frames[1].frame.parts[0].size() == 0);
    CHECK(is_pattern(frames[1].frame.parts[1].view(), large, 1));
    CHECK(text(frames[1].frame.parts[2].view()) == "a part");
    CHECK(frames[2].head.number == 3);
  }
}

TEST_CASE("the parts of a large frame arrive in one block of memory for the node if there is a pool") {
  constexpr std::size_t large = 5'000'000;
  for (const std::size_t most : {std::size_t{4095}, std::size_t{1} << 20}) {
    INFO("at most " << most << " bytes at a time");
    FrameSender sender;
    const std::vector<SharedBytes> parts{part("head"), SharedBytes(pattern(large, 1)), part(""), part("last")};
    for (const char* body : {"first", "second"}) sender.send(frame_of(body, parts));
    sender.send(frame_of("small", {part("part")}));
    SegmentPool pool;
    FrameReceiver receiver(nullptr, &pool);
    auto frames = received_from(written_by(sender), most, receiver);
    REQUIRE(frames.size() == 3);
    for (int number : {0, 1}) {
      const std::vector<SharedBytes>& arrived = frames[static_cast<std::size_t>(number)].frame.parts;
      REQUIRE(arrived.size() == 4);
      CHECK(text(arrived[0].view()) == "head");
      CHECK(is_pattern(arrived[1].view(), large, 1));
      CHECK(arrived[2].size() == 0);
      CHECK(text(arrived[3].view()) == "last");
      const ByteView block = block_around({{}, arrived});
      REQUIRE(block.size() == 64 + 5'000'000 + 64);  // a multiple of 64 in the middle
      CHECK(block.data() == arrived[0].view().data());
      CHECK(pool.has_for_node(block));
    }
    CHECK(text(frames[2].frame.parts.at(0).view()) == "part");
    CHECK_FALSE(pool.has_for_node(frames[2].frame.parts.at(0).view()));
    CHECK(pool.node_stats().segments == 2);
    frames.clear();
    CHECK(pool.node_stats().spare_bytes == pool.node_stats().bytes);
  }
}

TEST_CASE("a frame whose parts are larger than all memory takes none of the pool") {
  SegmentPool pool;
  FrameReceiver receiver(nullptr, &pool);
  Bytes beginning = head_bytes({1, 0, 1, 2});
  const std::array<std::uint64_t, 2> sizes{FrameReceiver::most_part_bytes, FrameReceiver::most_part_bytes};
  const auto numbers = std::as_bytes(std::span(sizes));
  beginning.insert(beginning.end(), numbers.begin(), numbers.end());
  beginning.push_back(std::byte{0});  // the body
  CHECK(received_from(beginning, beginning.size(), receiver).empty());
  CHECK(pool.node_stats().segments == 0);
}

TEST_CASE("a frame is kept until it has arrived") {
  FrameSender sender;
  sender.send(frame_of("12345", {part("678")}));
  sender.send(frame_of("9"));
  CHECK(sender.unacknowledged_bytes() == 9);
  (void)written_by(sender);
  sender.arrived(1);
  CHECK(sender.unacknowledged_bytes() == 1);
  sender.arrived(2);
  CHECK(sender.unacknowledged_bytes() == 0);
}

TEST_CASE("an acknowledgement goes with the next frame, or alone if it is to go at once") {
  FrameSender sender;
  sender.acknowledge(5, false);
  CHECK_FALSE(sender.has_more());
  sender.send(frame_of("a"));
  CHECK(received_from(written_by(sender)).at(0).head.acknowledged == 5);
  sender.acknowledge(7, true);
  const auto frames = received_from(written_by(sender));
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].head.acknowledged == 7);
  CHECK(frames[0].head.number == 0);
}

TEST_CASE("on a new connection what has not arrived goes out again, also what was cut in the middle") {
  FrameSender sender;
  for (const char* body : {"one", "two", "three"}) sender.send(frame_of(body));
  (void)sender.pieces();
  sender.written(sizeof(FrameHead) + 3);  // the first is whole
  (void)sender.pieces();
  sender.written(10);
  sender.restart(1);
  const auto frames = received_from(written_by(sender));
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].head.number == 2);
  CHECK(text(frames[0].frame.body) == "two");
  CHECK(text(frames[1].frame.body) == "three");
}

TEST_CASE("what was not sent cannot have arrived") {
  FrameSender sender;
  sender.send(frame_of("a"));
  CHECK_THROWS_AS(sender.arrived(1), SerializationError);  // it is not written yet
  CHECK_THROWS_AS(sender.restart(2), SerializationError);
  (void)written_by(sender);
  sender.arrived(1);
  CHECK_THROWS_AS(sender.restart(0), SerializationError);  // it is gone
  sender.restart(1);
}

TEST_CASE("bytes that are no frame are refused") {
  const std::uint64_t endless = std::numeric_limits<std::uint64_t>::max();
  for (const FrameHead head :
       {FrameHead{1, 0, endless, 0}, FrameHead{1, 0, 1, endless}, FrameHead{1, 0, 0, 0}, FrameHead{0, 0, 1, 0},
        FrameHead{0, 0, 0, 1}, FrameHead{1, 0, 1, 1, 2}, FrameHead{1, 0, 1, 1, 0, endless}}) {
    INFO(head.number << " " << head.body_bytes << " " << head.parts);
    CHECK_THROWS_AS(received_from(head_bytes(head)), SerializationError);
  }
  Bytes too_large = head_bytes({1, 0, 1, 1});
  too_large.insert(too_large.end(), sizeof endless, std::byte{0xff});  // the size of the part
  too_large.push_back(std::byte{0});
  CHECK_THROWS_AS(received_from(too_large), SerializationError);
  Bytes lent = head_bytes({1, 0, 1, 1, 1});
  const std::array<std::uint64_t, 2> size_and_place{lent_part + 1, 0};
  const auto numbers = std::as_bytes(std::span(size_and_place));
  lent.insert(lent.end(), numbers.begin(), numbers.end());
  lent.push_back(std::byte{0});
  CHECK_THROWS_AS(received_from(lent), SerializationError);  // this connection carries no descriptors
}
