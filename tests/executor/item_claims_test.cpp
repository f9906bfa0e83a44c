#include "executor/item_claims.hpp"

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

using namespace joblib_mpi;

TEST_CASE("the items of a batch are claimed one after the other") {
  ItemClaims claims;
  CHECK_FALSE(claims.claim());
  claims.begin({3, 2});
  CHECK(claims.claim() == 3);
  CHECK(claims.claim() == 4);
  CHECK_FALSE(claims.claim());
}

TEST_CASE("of the items that are not claimed the holder keeps its share, or none") {
  ItemClaims claims;
  claims.begin({0, 10});
  (void)claims.claim();
  CHECK(claims.take_back(0, {2, true}) == ItemRange{4, 6});  // it keeps 3 of 9
  CHECK(claims.take_back(0, {1, false}) == ItemRange{1, 3});
  CHECK(claims.take_back(0, {1, false}).count == 0);
  CHECK_FALSE(claims.claim());
}

TEST_CASE("the first item stays, even if it is not claimed yet") {
  ItemClaims claims;
  claims.begin({5, 3});
  CHECK(claims.take_back(5, {1, false}) == ItemRange{6, 2});
  CHECK(claims.claim() == 5);
  CHECK_FALSE(claims.claim());
  claims.begin({5, 1});
  CHECK(claims.take_back(5, {1, false}).count == 0);
}

TEST_CASE("each item is either claimed or taken back") {
  constexpr std::uint32_t items = 20'000;
  ItemClaims claims;
  claims.begin({0, items});
  std::vector<int> seen(items, 0);
  std::thread holder([&] {
    while (const std::optional<std::uint32_t> item = claims.claim()) ++seen[*item];
  });
  std::vector<ItemRange> taken;
  do {
    taken.push_back(claims.take_back(0, {1, true}));
  } while (taken.back().count > 0);
  holder.join();
  for (const ItemRange& range : taken) {
    for (std::uint32_t item = range.first; item < range.first + range.count; ++item) ++seen[item];
  }
  CHECK(seen == std::vector<int>(items, 1));
}
