#include "spill/numpy_type.hpp"

#include "support/catch.hpp"

#include <string>

using namespace joblib_mpi;

namespace {

NumpyType parsed(const std::string& text) {
  const auto type = parse_numpy_type(text);
  INFO(text);
  REQUIRE(type);
  return *type;
}

}  // namespace

TEST_CASE("simple numpy types are understood with order, kind and size") {
  CHECK(parsed("<f8").kind == 'f');
  CHECK(parsed("<f8").item_size == 8);
  CHECK_FALSE(parsed("<f8").big_endian);
  CHECK(parsed(">i4").big_endian);
  CHECK(parsed("|b1").kind == 'b');
  CHECK(parsed("<c16").item_size == 16);
  CHECK(parsed("|S5").item_size == 5);
  CHECK(parsed("<U3").item_size == 12);
  CHECK(parsed("|V0").item_size == 0);
  CHECK(parsed("'<f8'").kind == 'f');
  CHECK(parsed("|O").kind == 'O');
}

TEST_CASE("times keep their unit") {
  CHECK(parsed("<M8[ns]").unit == "ns");
  CHECK(parsed("<m8[25s]").unit == "25s");
  CHECK(parsed("<m8").unit.empty());
}

TEST_CASE("structures have their fields at numpy's offsets, padding left out") {
  const NumpyType type = parsed("[('x', '<i4'), ('', '|V4'), ('y', '<c16', (3, 2)), ('z', [('a', '|u1')], (2,))]");
  CHECK(type.kind == 'V');
  CHECK(type.item_size == 4 + 4 + 96 + 2);
  REQUIRE(type.fields.size() == 3);
  CHECK(type.fields[0].name == "x");
  CHECK(type.fields[1].name == "y");
  CHECK(type.fields[1].offset == 8);
  CHECK(type.fields[1].type.shape == std::vector<std::uint64_t>{3, 2});
  CHECK(type.fields[1].type.size() == 96);
  CHECK(type.fields[2].offset == 104);
  CHECK(type.fields[2].type.fields.at(0).name == "a");
}

TEST_CASE("names may have quotes, escapes, letters of any language, and a title before them") {
  CHECK(parsed(R"([("it's", '<i4')])").fields[0].name == "it's");
  CHECK(parsed(R"([('a\\\'b\n', '<i4')])").fields[0].name == "a\\'b\n");
  CHECK(parsed(R"([('\xe9\u20ac', '<i4')])").fields[0].name == "é€");
  CHECK(parsed("[(('a title', 'name'), '<i4')]").fields[0].name == "name");
}

TEST_CASE("what is no type is nothing") {
  for (const std::string text : {"",
                                 "f",
                                 "<f",
                                 "<q8",
                                 "f8",
                                 "<f8 ",
                                 "<M8[",
                                 "<M8[]",
                                 "[",
                                 "[(",
                                 "[('x'",
                                 "[('x', '<i4'",
                                 "[('x', '<i4')",
                                 "[('x', '<i4')] rest",
                                 "[('x', '<i4', (3",
                                 "[('x', '<i4', (99999999999999999999,))]",
                                 "'<f8",
                                 "[('\\x4', '<i4')]",
                                 "[('x', '|V9223372036854775807', (4,))]",
                                 "<U4611686018427387904",
                                 "[('x' '<i4')]",
                                 "<f99999999999999999999"}) {
    INFO(text);
    CHECK_FALSE(parse_numpy_type(text));
  }
  CHECK_FALSE(parse_numpy_type(std::string(100'000, '[')));
  std::string deep = "'<i4'";
  for (int level = 0; level < 40; ++level) deep = "[('x', " + deep + ")]";
  CHECK_FALSE(parse_numpy_type(deep));
}
