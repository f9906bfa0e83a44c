#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/round_trip.hpp"
#include <joblib_mpi/serialization.hpp>

#include <boost/serialization/shared_ptr.hpp>
#include <boost/serialization/split_member.hpp>
#include <boost/serialization/unique_ptr.hpp>

#include <array>
#include <complex>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

struct PlainPoint {  // trivially copyable: its bytes are the value
  double x;
  double y;
  friend bool operator==(const PlainPoint&, const PlainPoint&) = default;
};

class Interval {  // serialized by Boost.Serialization
 public:
  Interval() = default;
  Interval(std::string name, std::vector<double> ends) : name_(std::move(name)), ends_(std::move(ends)) {}
  friend bool operator==(const Interval&, const Interval&) = default;

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& name_& ends_;
  }
  std::string name_;
  std::vector<double> ends_;
};

/// A type that archives a temporary array, as classes do whose members are not contiguous.
class Packed {
 public:
  explicit Packed(std::size_t size = 0, double value = 0) : size_(size), value_(value) {}
  friend bool operator==(const Packed&, const Packed&) = default;

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    const std::vector<double> block(size_, value_);
    archive << block;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    std::vector<double> block;
    archive >> block;
    size_ = block.size();
    value_ = block.empty() ? 0 : block.back();
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
  std::size_t size_;
  double value_;
  std::string not_plain_bytes_ = {};
};

template <class T>
Payload saved(const T& value) {
  Payload payload;
  PayloadWriter writer(payload);
  save(writer, value);
  return payload;
}

template <class T>
void read_as(const Payload& payload) {
  PayloadReader reader(payload);
  (void)load<T>(reader);
}

}  // namespace

TEST_CASE("plain values come back as they were") {
  CHECK(there_and_back(42) == 42);
  CHECK(there_and_back(-0.5) == -0.5);
  CHECK(there_and_back(true));
  CHECK(there_and_back(PlainPoint{1, -2}) == PlainPoint{1, -2});
  CHECK(there_and_back(std::array<int, 3>{1, 2, 3}) == std::array<int, 3>{1, 2, 3});
  CHECK(there_and_back(std::complex<double>(1, 2)) == std::complex<double>(1, 2));
}

TEST_CASE("strings and vectors come back as they were and empty ones too") {
  CHECK(there_and_back(std::string("text with \0 inside", 18)) == std::string("text with \0 inside", 18));
  CHECK(there_and_back(std::string()).empty());
  CHECK(there_and_back(std::vector<double>{1, 2, 3}) == std::vector<double>{1, 2, 3});
  CHECK(there_and_back(std::vector<PlainPoint>{{1, 2}, {3, 4}}) == std::vector<PlainPoint>{{1, 2}, {3, 4}});
  CHECK(there_and_back(std::vector<int>{}).empty());
  CHECK(there_and_back(std::vector<bool>{true, false, true}) == std::vector<bool>{true, false, true});
  CHECK(there_and_back(std::vector<std::string>{"a", "", "c"}) == std::vector<std::string>{"a", "", "c"});
}

TEST_CASE("nested containers come back as they were") {
  const std::map<std::string, std::map<int, std::vector<std::pair<int, std::string>>>> nested{
      {"one", {{1, {{2, "x"}, {3, "y"}}}, {4, {}}}}, {"none", {}}};
  CHECK(there_and_back(nested) == nested);
  const std::unordered_map<std::string, std::vector<std::vector<double>>> matrices{{"a", {{1, 2}, {3}}}, {"b", {}}};
  CHECK(there_and_back(matrices) == matrices);
}

TEST_CASE("a class with a serialize member comes back as it was") {
  const Interval interval("unit", {0, 1});
  CHECK(there_and_back(interval) == interval);
  const std::vector<Interval> several{{"a", {}}, interval};
  CHECK(there_and_back(several) == several);
}

TEST_CASE("optionals and variants and tuples and unique pointers of anything come back as they were") {
  using Text = std::optional<std::string>;
  CHECK(there_and_back(Text("a text")) == Text("a text"));
  CHECK(there_and_back(Text()) == Text());
  CHECK(there_and_back(std::optional<Interval>(Interval("a", {1}))) == Interval("a", {1}));
  using Either = std::variant<int, std::string, std::vector<PlainPoint>>;
  for (const Either& value : {Either(3), Either("text"), Either(std::vector<PlainPoint>{{1, 2}})}) {
    CHECK(there_and_back(value) == value);
  }
  using Row = std::tuple<int, std::string, std::optional<std::vector<std::string>>>;
  const Row row{1, "a", {{"b", "c"}}};
  CHECK(there_and_back(row) == row);
  CHECK(there_and_back(std::vector{row, Row()}) == std::vector{row, Row()});
  CHECK(there_and_back(std::map<std::string, Either>{{"a", Either("b")}}).at("a") == Either("b"));
  CHECK(there_and_back(std::tuple<>()) == std::tuple<>());
  CHECK(*there_and_back(std::make_unique<int>(3)) == 3);
  CHECK(*there_and_back(std::make_unique<Interval>("a", std::vector<double>{1})) == Interval("a", {1}));
  CHECK(there_and_back(std::unique_ptr<int>()) == nullptr);
  CHECK(there_and_back(std::optional<std::vector<double>>(std::vector<double>(20'000, 2.5)))->back() == 2.5);
  CHECK_THROWS_AS((read_as<std::variant<std::string, std::vector<int>>>(saved(std::size_t{2}))), SerializationError);
}

TEST_CASE("pointers that Boost knows are its own and others are not taken for its own") {
  CHECK(*there_and_back(std::make_shared<Interval>("a", std::vector<double>{1})) == Interval("a", {1}));
  CHECK(*there_and_back(std::make_unique<PlainPoint>(PlainPoint{1, 2})) == PlainPoint{1, 2});
  CHECK(there_and_back(std::vector<std::shared_ptr<Interval>>(2)).size() == 2);
  static_assert(Serializable<std::shared_ptr<Interval>> && Serializable<std::shared_ptr<std::vector<int>>>);
  static_assert(!Serializable<std::shared_ptr<int>> && !Serializable<std::shared_ptr<PlainPoint>>);
}

TEST_CASE("plain classes inside of containers need no serialize") {
  const std::map<std::string, PlainPoint> points{{"a", {1, 2}}, {"b", {3, 4}}};
  CHECK(there_and_back(points) == points);
  const std::vector<std::vector<PlainPoint>> rows{{{1, 2}}, {}, {{3, 4}, {5, 6}}};
  CHECK(there_and_back(rows) == rows);
}

TEST_CASE("pointers and views are refused wherever they stand") {
  struct Setting {
    std::string_view name;
    int value;
  };
  struct Nested {
    int number;
    Setting settings[2];
  };
  static_assert(!Serializable<int*> && !Serializable<std::string_view> && !Serializable<std::span<int>>);
  static_assert(!Serializable<Setting> && !Serializable<Nested> && !Serializable<int PlainPoint::*>);
  static_assert(!Serializable<std::array<const char*, 2>> && !Serializable<std::array<Nested, 2>>);
  static_assert(!Serializable<std::optional<std::string_view>> && !Serializable<std::variant<int, Setting>>);
  static_assert(!Serializable<std::pair<int, int*>> && !Serializable<std::tuple<int, std::span<int>>>);
  static_assert(!Serializable<std::vector<std::string_view>> && !Serializable<std::map<int, std::vector<Setting>>>);
  static_assert(!Serializable<std::unique_ptr<int*>> && !Serializable<std::optional<std::reference_wrapper<int>>>);
  static_assert(Serializable<std::optional<std::string>> && Serializable<std::array<PlainPoint, 2>>);
  SUCCEED();
}

TEST_CASE("a large array that is not needed any more becomes a part without a copy") {
  std::vector<double> array(min_part_bytes / sizeof(double), 1.5);
  const void* memory = array.data();
  const std::vector<double> expected = array;
  Payload payload;
  PayloadWriter writer(payload);
  save_consumed(writer, std::move(array));
  REQUIRE(payload.parts.size() == 1);
  CHECK(static_cast<const void*>(payload.parts.front().view().data()) == memory);
  CHECK(payload.head.size() < 64);
  PayloadReader reader(payload);
  CHECK(load<std::vector<double>>(reader) == expected);
}

TEST_CASE("a large array with an owner becomes a part of the owner's memory") {
  auto text = std::make_shared<const std::string>(min_part_bytes, 'x');
  Payload payload;
  PayloadWriter writer(payload);
  save_owned(writer, text);
  REQUIRE(payload.parts.size() == 1);
  CHECK(static_cast<const void*>(payload.parts.front().view().data()) == text->data());
  CHECK(text.use_count() == 2);
  PayloadReader reader(payload);
  CHECK(load<std::string>(reader) == *text);
}

TEST_CASE("an array just below the size of a part is copied into the head") {
  Payload payload;
  PayloadWriter writer(payload);
  save_consumed(writer, std::vector<char>(min_part_bytes - 1, 'x'));
  save_owned(writer, std::make_shared<const std::vector<char>>(min_part_bytes - 1, 'y'));
  CHECK(payload.parts.empty());
  PayloadReader reader(payload);
  CHECK(load<std::vector<char>>(reader) == std::vector<char>(min_part_bytes - 1, 'x'));
  CHECK(load<std::vector<char>>(reader) == std::vector<char>(min_part_bytes - 1, 'y'));
}

TEST_CASE("bytes of another type are refused") {
  CHECK_THROWS_AS(read_as<double>(saved(1)), SerializationError);
  CHECK_THROWS_AS(read_as<std::vector<double>>(saved(std::vector<char>(5))), SerializationError);
  CHECK_THROWS_AS(read_as<std::string>(saved(1.5)), SerializationError);
  CHECK_THROWS_AS((read_as<std::map<std::string, int>>(saved(7))), SerializationError);
  CHECK_THROWS_AS(read_as<Interval>(saved(std::string("short"))), SerializationError);
}

TEST_CASE("a part of another size is refused") {
  std::vector<double> array(min_part_bytes / sizeof(double));
  Payload payload;
  PayloadWriter writer(payload);
  save_consumed(writer, std::move(array));
  CHECK_THROWS_AS(read_as<std::vector<char>>(payload), SerializationError);
  payload.parts.clear();
  CHECK_THROWS_AS(read_as<std::vector<double>>(payload), SerializationError);
}

TEST_CASE("sizes that no memory can hold are refused") {
  Payload payload;
  PayloadWriter writer(payload);
  writer.write(std::uint64_t{1} << 61);  // times sizeof(double) is 0 in 64 bits
  writer.write(false);
  CHECK_THROWS_AS(read_as<std::vector<double>>(payload), SerializationError);

  Payload text;
  PayloadWriter text_writer(text);
  text_writer.write(~std::uint64_t{0});  // the length of the first text in Boost's format
  text_writer.write(~std::uint64_t{0});
  text_writer.write(~std::uint64_t{0});
  CHECK_THROWS_AS(read_as<Interval>(text), SerializationError);
}

TEST_CASE("a value cut short anywhere is refused") {
  const Payload whole = saved(std::map<std::string, std::vector<int>>{{"key", {1, 2, 3}}, {"other", {}}});
  for (std::size_t size = 0; size < whole.head.size(); ++size) {
    const Payload cut{whole.head.view().first(size), {}};
    INFO("cut to " << size << " of " << whole.head.size() << " bytes");
    CHECK_THROWS_AS((read_as<std::map<std::string, std::vector<int>>>(cut)), SerializationError);
  }
}

TEST_CASE("large arrays inside of a value come back as they were") {
  std::map<std::string, std::vector<double>> value{{"large", std::vector<double>(20'000, 1.5)}, {"small", {1, 2}}};
  CHECK(there_and_back(value) == value);
  const auto expected = value;
  Payload payload;
  PayloadWriter writer(payload);
  save_consumed(writer, std::move(value));
  PayloadReader reader(payload);
  CHECK(load<std::map<std::string, std::vector<double>>>(reader) == expected);
}

TEST_CASE("an array that a class makes only to be serialized comes back whole") {
  const Packed packed(20'000, 2.5);
  CHECK(there_and_back(packed) == packed);
  Payload payload;
  PayloadWriter writer(payload);
  save_owned(writer, std::make_shared<const Packed>(packed));
  const std::vector<double> other(20'000, -1.0);  // may reuse the memory of the array
  PayloadReader reader(payload);
  CHECK(load<Packed>(reader) == packed);
  CHECK(other.back() == -1.0);
}
