#include "coordinator/object_table.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/scripted_store.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

Payload value_of(std::string_view text) {
  return {bytes(text), {part("large")}};
}

}  // namespace

TEST_CASE("an object leaves the table with its last use, by the program or by a task") {
  ScriptedStore store;
  ObjectTable table(store);
  const ObjectId object = table.add(value_of("X")).id;
  table.use(object);
  table.use(object);
  CHECK_FALSE(table.release(object));
  CHECK_FALSE(table.drop(object));
  CHECK(table.release(object));
  const ObjectId other = table.add(value_of("y")).id;
  CHECK(other != object);
  CHECK(table.drop(other));
}

TEST_CASE("the store hears of objects only when it is updated, and of those that came and went as well") {
  ScriptedStore store;
  ObjectTable table(store);
  const ObjectId kept = table.add(value_of("X")).id;
  const ObjectId gone = table.add(value_of("y")).id;
  CHECK(table.drop(gone));
  CHECK(store.published.empty());
  CHECK(store.dropped.empty());
  CHECK(table.has_new());
  CHECK_FALSE(table.is_up_to_date());

  table.update_store(true);
  REQUIRE(store.published.size() == 2);
  CHECK(store.published[0].first == kept);
  CHECK(store.dropped == std::vector{gone});
  CHECK_FALSE(table.has_new());
  CHECK(table.is_up_to_date());
}

TEST_CASE("without broadcasts an object stays in rank 0's store, to be sent to each rank alone") {
  ScriptedStore store;
  ObjectTable table(store);
  const ObjectId object = table.add(value_of("X")).id;
  table.update_store(false);
  CHECK(store.published.empty());
  CHECK(store.put_objects == std::vector{object});
}

TEST_CASE("objects that the store does not have yet count as under way") {
  ScriptedStore store;
  ObjectTable table(store);
  const Payload value = value_of("X");
  (void)table.add(value);
  CHECK(table.stats().objects == 1);
  CHECK(table.stats().transfers == 1);
  CHECK(table.stats().object_bytes == value.size_bytes());
  table.update_store(true);
  CHECK(table.stats().objects == 1);
  CHECK(table.stats().transfers == 0);
}
