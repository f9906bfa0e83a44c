#include "transport/mpi_transport.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/own_rank.hpp"
#include "support/transport_on_world.hpp"

#include <new>
#include <random>
#include <string>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

struct Sizes {
  std::size_t body;
  std::vector<std::size_t> parts;
};

Frame frame_of(const Sizes& sizes, std::size_t seed) {
  Frame frame{pattern(sizes.body, seed), {}};
  for (const std::size_t size : sizes.parts) frame.parts.emplace_back(pattern(size, seed + frame.parts.size() + 1));
  return frame;
}

bool is_frame_of(const FrameView& frame, const Sizes& sizes, std::size_t seed) {
  if (!is_pattern(frame.body, sizes.body, seed) || frame.parts.size() != sizes.parts.size()) return false;
  for (std::size_t index = 0; index < sizes.parts.size(); ++index) {
    if (!is_pattern(frame.parts[index].view(), sizes.parts[index], seed + index + 1)) return false;
  }
  return true;
}

/// Sends the frames from rank 0 to every other rank and back; all must arrive whole and in order. Collective.
void send_there_and_back(const std::vector<Sizes>& frames) {
  TransportOnWorld transport;
  const auto send_all = [&](int destination) {
    for (std::size_t index = 0; index < frames.size(); ++index) {
      Frame frame = frame_of(frames[index], index);
      transport->send(destination, frame);
      CHECK(frame.empty());
    }
  };
  const int others = transport->size() - 1;
  if (transport->rank() == 0) {
    for (int rank = 1; rank <= others; ++rank) send_all(rank);
  }
  std::vector<std::size_t> next_of(static_cast<std::size_t>(transport->size()));
  const std::size_t expected = frames.size() * static_cast<std::size_t>(transport->rank() == 0 ? others : 1);
  for (std::size_t arrived = 0; others > 0 && arrived < expected;) {
    const auto frame = transport->receive();
    if (!frame) continue;
    ++arrived;
    const std::size_t index = next_of[static_cast<std::size_t>(frame->source)]++;
    INFO("frame " << index << " from rank " << frame->source);
    CHECK(is_frame_of(frame->frame, frames[index], index));
  }
  if (transport->rank() != 0) send_all(0);
  while (!transport->quiet()) transport->progress();
}

}  // namespace

TEST_CASE("frames of every size around the eager limit arrive whole") {
  std::vector<Sizes> frames;
  for (std::size_t size = 3968; size <= 4016; ++size) frames.push_back({size, {}});
  for (const std::size_t size : {0, 1, 100, 4096, 8192, 100'000, 3'000'000}) frames.push_back({size, {}});
  send_there_and_back(frames);
}

TEST_CASE("frames with parts of every size arrive whole") {
  send_there_and_back({{10, {0}},
                       {0, {1}},
                       {0, {0, 0, 0}},
                       {100, {65'536, 0, 1, 3'000'000}},
                       {3'970, {5}},
                       {3'990, {5}},
                       {10'000, {70'000, 70'000}},
                       {5, {}}});
}

TEST_CASE("a frame with a thousand parts arrives whole") {
  std::vector<std::size_t> sizes;
  for (std::size_t index = 0; index < 1000; ++index) sizes.push_back(index * 7 % 300);
  send_there_and_back({{50, sizes}, {1, {}}, {4000, sizes}});
}

TEST_CASE("large and small frames of one source keep their order") {
  std::vector<Sizes> frames;
  for (std::size_t index = 0; index < 200; ++index) {
    switch (index % 5) {
      case 0:
        frames.push_back({index, {}});
        break;
      case 1:
        frames.push_back({20, {200'000}});
        break;
      case 2:
        frames.push_back({50'000, {}});
        break;
      case 3:
        frames.push_back({3'000, {}});
        break;
      default:
        frames.push_back({6'000, {10, 90'000}});
        break;
    }
  }
  send_there_and_back(frames);
}

TEST_CASE("random frames arrive whole and in order") {
  std::mt19937 random(7);
  std::vector<Sizes> frames;
  for (int index = 0; index < 300; ++index) {
    Sizes sizes{random() % (random() % 4 == 0 ? 20'000 : 500), {}};
    for (std::size_t parts = random() % 3 == 0 ? random() % 4 : 0; parts > 0; --parts) {
      sizes.parts.push_back(random() % (random() % 3 == 0 ? 300'000 : 100));
    }
    frames.push_back(std::move(sizes));
  }
  send_there_and_back(frames);
}

TEST_CASE("more small frames than there are posted receives arrive in order") {
  send_there_and_back(std::vector<Sizes>(5'000, Sizes{16, {}}));
}

TEST_CASE("all ranks may send to rank 0 at once while it sends to them") {
  TransportOnWorld transport;
  const int others = transport->size() - 1;
  const int peers = transport->rank() == 0 ? others : (others > 0 ? 1 : 0);
  constexpr std::size_t rounds = 300;
  const auto sizes = [](std::size_t round) { return round % 10 == 9 ? Sizes{5'000, {80'000}} : Sizes{200, {}}; };
  std::vector<std::size_t> next_of(static_cast<std::size_t>(transport->size()));
  std::size_t arrived = 0;
  bool all_right = true;
  const auto receive_one = [&] {
    const auto frame = transport->receive();
    if (!frame) return;
    ++arrived;
    const std::size_t index = next_of[static_cast<std::size_t>(frame->source)]++;
    all_right = all_right && is_frame_of(frame->frame, sizes(index), index);
  };
  for (std::size_t round = 0; round < rounds; ++round) {
    for (int peer = 0; peer < peers; ++peer) {
      Frame frame = frame_of(sizes(round), round);
      transport->send(transport->rank() == 0 ? peer + 1 : 0, frame);
    }
    receive_one();
  }
  while (arrived < rounds * static_cast<std::size_t>(peers) || !transport->quiet()) receive_one();
  CHECK(all_right);
}

TEST_CASE("parts stay valid after the next receive when they are copied") {
  TransportOnWorld transport;
  if (transport->rank() == 0) {
    for (int rank = 1; rank < transport->size(); ++rank) {
      for (std::size_t seed = 0; seed < 2; ++seed) {
        Frame frame = frame_of({10, {100'000}}, seed);
        transport->send(rank, frame);
      }
    }
  } else {
    std::vector<SharedBytes> kept;
    while (kept.size() < 2) {
      if (const auto frame = transport->receive()) kept.push_back(frame->frame.parts[0]);
    }
    CHECK(is_pattern(kept[0].view(), 100'000, 1));
    CHECK(is_pattern(kept[1].view(), 100'000, 2));
  }
}

TEST_CASE("all parts of a frame arrive in one block of the given memory, each at a multiple of 64 bytes in it") {
  class RecordedMemory final : public ReceiveMemory {
   public:
    Block allocate(std::size_t bytes) override {
      blocks.push_back(heap_.allocate(bytes));
      return blocks.back();
    }
    std::vector<Block> blocks;

   private:
    HeapMemory heap_;
  };

  RecordedMemory memory;
  TransportOnWorld transport(memory);
  const Sizes sizes{10, {100'000, 0, 1, 70'001}};
  if (transport->rank() == 0) {
    for (int rank = 1; rank < transport->size(); ++rank) {
      Frame frame = frame_of(sizes, 3);
      transport->send(rank, frame);
      Frame without_parts = frame_of({10, {}}, 4);
      transport->send(rank, without_parts);
    }
  } else {
    for (int arrived = 0; arrived < 2;) {
      const auto frame = transport->receive();
      if (!frame) continue;
      if (++arrived == 2) break;
      CHECK(is_frame_of(frame->frame, sizes, 3));
      for (const SharedBytes& part : frame->frame.parts) {
        CHECK(part.owner() == memory.blocks.at(0).owner);
        CHECK((part.view().data() - memory.blocks.at(0).bytes.data()) % 64 == 0);
      }
    }
    CHECK(memory.blocks.size() == 1);
  }
}

TEST_CASE("a rank that was given up gets nothing more, and nothing that it sends is seen") {
  TransportOnWorld transport;
  const int last = transport->size() - 1;
  if (last < 1) return;
  if (transport->rank() == 0) {
    transport->give_up(last);
    CHECK(transport->lost_ranks() == std::vector<int>{last});
    CHECK(transport->take_lost_ranks().empty());  // the rank that gave up already knows
    Frame frame = frame_of({10, {100'000}}, 1);
    transport->send(last, frame);
    CHECK(frame.empty());
    CHECK(transport->quiet());
    for (int rank = 1; rank < last; ++rank) {
      Frame small = frame_of({10, {}}, 1);
      transport->send(rank, small);
    }
    for (int arrived = 0; arrived < last - 1;) {
      const auto answer = transport->receive();
      if (!answer) continue;
      CHECK(answer->source != last);
      ++arrived;
    }
  } else {
    if (transport->rank() != last) {
      while (!transport->receive()) continue;
    }
    Frame answer = frame_of({10, {}}, 1);
    transport->send(0, answer);
  }
}

TEST_CASE("long messages travel in pieces, each of which shows that the other rank is alive") {
  constexpr std::size_t piece_bytes = std::size_t{128} << 10;
  HeapMemory memory;
  TransportOnWorld transport(memory, piece_bytes);
  const std::vector<Sizes> frames{
      {10, {20 * piece_bytes + 1, 5, piece_bytes}}, {3, {}}, {6 * piece_bytes, {}}, {10, {4 * piece_bytes}}, {1, {}}};
  const int peers = transport->rank() == 0 ? transport->size() - 1 : (transport->size() > 1 ? 1 : 0);
  for (int peer = 0; peer < peers; ++peer) {
    for (std::size_t index = 0; index < frames.size(); ++index) {
      Frame frame = frame_of(frames[index], index);
      transport->send(transport->rank() == 0 ? peer + 1 : 0, frame);
    }
  }
  std::vector<std::size_t> next_of(static_cast<std::size_t>(transport->size()));
  std::vector<int> heard_of(static_cast<std::size_t>(transport->size()));
  for (std::size_t arrived = 0; arrived < frames.size() * static_cast<std::size_t>(peers) || !transport->quiet();) {
    const auto frame = transport->receive();
    if (frame) {
      ++arrived;
      const std::size_t index = next_of[static_cast<std::size_t>(frame->source)]++;
      INFO("frame " << index << " from rank " << frame->source);
      CHECK(is_frame_of(frame->frame, frames[index], index));
    }
    for (const int rank : transport->take_heard_ranks()) ++heard_of[static_cast<std::size_t>(rank)];
  }
  for (int peer = 0; peer < peers; ++peer) {
    const int rank = transport->rank() == 0 ? peer + 1 : 0;
    // Of each frame at most one piece arrives in one turn.
    CHECK(heard_of[static_cast<std::size_t>(rank)] >= 21);
  }
  CHECK(heard_of[static_cast<std::size_t>(transport->rank())] == 0);
}

TEST_CASE("a frame without room for its parts arrives without them, and the frames after it arrive whole") {
  class FullMemory final : public ReceiveMemory {
   public:
    Block allocate(std::size_t bytes) override {
      if (bytes > 1'000'000) throw std::bad_alloc();
      return heap_.allocate(bytes);
    }

   private:
    HeapMemory heap_;
  };

  FullMemory memory;
  TransportOnWorld transport(memory, std::size_t{128} << 10);
  const std::vector<Sizes> frames{{10, {900'000, 200'000}}, {20, {700'000}}, {100'000, {1'000'001}}, {30, {}}};
  if (transport->rank() == 0) {
    for (int rank = 1; rank < transport->size(); ++rank) {
      for (std::size_t index = 0; index < frames.size(); ++index) {
        Frame frame = frame_of(frames[index], index);
        transport->send(rank, frame);
      }
    }
    while (!transport->quiet()) transport->progress();
    return;
  }
  for (std::size_t index = 0; index < frames.size();) {
    const auto frame = transport->receive();
    if (!frame) continue;
    INFO("frame " << index);
    if (index == 0 || index == 2) {
      CHECK_THAT(std::string(frame->frame.no_room), contains("no room for"));
      CHECK(is_pattern(frame->frame.body, frames[index].body, index));
      CHECK(frame->frame.parts.size() == frames[index].parts.size());
      for (const SharedBytes& part : frame->frame.parts) CHECK(part.size() == 0);
    } else {
      CHECK(frame->frame.no_room.empty());
      CHECK(is_frame_of(frame->frame, frames[index], index));
    }
    ++index;
  }
}
