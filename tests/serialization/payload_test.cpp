#include "support/bytes.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("values come out of a payload in the order in which they went in") {
  Payload payload;
  PayloadWriter writer(payload);
  writer.write(42);
  writer.write(2.5);
  writer.write_bytes("abc", 3);
  writer.write_part(part("first"));
  writer.write_part(part("second"));
  writer.write('x');

  PayloadReader reader(payload);
  CHECK(reader.read<int>() == 42);
  CHECK(reader.read<double>() == 2.5);
  CHECK(text(reader.read_bytes(3)) == "abc");
  CHECK(reader.read<char>() == 'x');
  CHECK(text(reader.read_part().view()) == "first");
  CHECK(text(reader.read_part().view()) == "second");
  CHECK(reader.remaining_bytes() == 0);
}

TEST_CASE("a payload's size is that of its head and all parts") {
  Payload payload;
  CHECK(payload.size_bytes() == 0);
  PayloadWriter writer(payload);
  writer.write(std::uint64_t{1});
  writer.write_part(part("12345"));
  writer.write_part(part(""));
  CHECK(payload.size_bytes() == 13);
}

TEST_CASE("reading past the end is refused and takes nothing") {
  const Payload payload{bytes("abc"), {}};
  PayloadReader reader(payload);
  CHECK_THROWS_AS(reader.read<int>(), SerializationError);
  CHECK_THROWS_AS(reader.read_bytes(4), SerializationError);
  CHECK_THROWS_AS(reader.read_bytes(static_cast<std::size_t>(-1)), SerializationError);
  CHECK(reader.remaining_bytes() == 3);
  CHECK(text(reader.read_bytes(3)) == "abc");
  CHECK(reader.read_bytes(0).empty());
  CHECK_THROWS_AS(reader.read<char>(), SerializationError);
}

TEST_CASE("a part that is not there is refused") {
  const Payload payload{{}, {part("only")}};
  PayloadReader reader(payload);
  CHECK(text(reader.read_part().view()) == "only");
  CHECK_THROWS_AS(reader.read_part(), SerializationError);
}

TEST_CASE("a part keeps its owner alive and goes where its memory is") {
  auto owner = std::make_shared<const std::string>("large");
  const std::weak_ptr<const std::string> alive = owner;
  Payload payload;
  PayloadWriter(payload).write_part({owner, std::as_bytes(std::span(*owner))});
  CHECK(static_cast<const void*>(payload.parts.front().view().data()) == owner->data());
  owner.reset();
  CHECK(text(payload.parts.front().view()) == "large");
  payload.parts.clear();
  CHECK(alive.expired());
}

TEST_CASE("a byte that is neither true nor false is refused as a bool") {
  for (const unsigned number : {0U, 1U, 2U, 128U, 255U}) {
    const Bytes head{static_cast<std::byte>(number)};
    PayloadReader reader(head, {});
    if (number < 2) {
      CHECK(reader.read<bool>() == (number == 1));
    } else {
      CHECK_THROWS_AS(reader.read<bool>(), SerializationError);
    }
  }
}

TEST_CASE("a long head is shared without a copy and read like any other") {
  Payload payload;
  PayloadWriter writer(payload);
  writer.write(7);
  writer.write_bytes(std::string(min_part_bytes, 'x').data(), min_part_bytes);
  writer.write_part(part("a part"));
  const std::byte* place = payload.head.data();
  payload.share_long_head();
  CHECK(payload.head.empty());
  CHECK(payload.packed().data() == place);
  CHECK(payload.size_bytes() == sizeof(int) + min_part_bytes + 6);
  PayloadReader reader(payload);
  CHECK(reader.read<int>() == 7);
  CHECK(text(reader.read_bytes(min_part_bytes)) == std::string(min_part_bytes, 'x'));
  CHECK(text(reader.read_part().view()) == "a part");
}

TEST_CASE("a head of any length is what was appended, also when it is copied and moved") {
  const Bytes expected = pattern(200, 3);
  for (const std::size_t at_a_time : {1U, 7U, 64U, 65U, 200U}) {
    PackedBytes head;
    for (std::size_t begin = 0; begin < expected.size(); begin += at_a_time) {
      head.append(ByteView(expected).subspan(begin, std::min(at_a_time, expected.size() - begin)));
      const ByteView so_far = ByteView(expected).first(std::min(begin + at_a_time, expected.size()));
      CHECK(head == PackedBytes(so_far));
      const PackedBytes copy = head;
      CHECK(std::ranges::equal(copy.view(), so_far));
      PackedBytes moved = std::move(head);
      CHECK(std::ranges::equal(moved.view(), so_far));
      CHECK(moved.size() == so_far.size());
      head = std::move(moved);
    }
  }
  CHECK(PackedBytes().empty());
  CHECK_FALSE(PackedBytes(expected).empty());
  CHECK_FALSE(PackedBytes(bytes("a")) == PackedBytes(bytes("ab")));
}

TEST_CASE("a short head stays where it is") {
  Payload payload{Bytes(min_part_bytes - 1), {}};
  payload.share_long_head();
  CHECK(payload.head.size() == min_part_bytes - 1);
  CHECK(payload.long_head.size() == 0);
}

TEST_CASE("packed values are copied if they are short and shared if they are long") {
  Payload payload;
  const SharedBytes longest{Bytes(min_part_bytes)};
  payload.set_packed(longest);
  CHECK(payload.packed().data() == longest.view().data());
  payload.set_packed(part("short"));
  CHECK(text(payload.head) == "short");
  CHECK(text(payload.packed()) == "short");
}
