#pragma once

#include "core/ids.hpp"
#include "store/object_store.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// The objects that the program shares: how many tasks still need each, and what the store is to do about them.
///
/// The store hears of nothing before `update_store`, so that the messages which announce it can go first.
class ObjectTable {
 public:
  explicit ObjectTable(ObjectStore& store) : store_(&store) {}

  struct NewObject {
    ObjectId id;
    Payload value;
  };
  /// Adds an object, and returns it; the reference is valid until the next call of a function here.
  [[nodiscard]] const NewObject& add(Payload value);
  /// A task names the object, which must be there.
  void use(ObjectId object) { ++objects_.at(object).users; }

  /// A task that named the object is done, or the program does not name it any more. True if that was the last use: the
  /// object is no longer in the table, and the ranks can forget it.
  [[nodiscard]] bool release(ObjectId object);
  [[nodiscard]] bool drop(ObjectId object);

  /// Whether there are objects that the store does not have yet.
  [[nodiscard]] bool has_new() const noexcept { return !new_.empty(); }
  /// Whether `update_store` has nothing to do.
  [[nodiscard]] bool is_up_to_date() const noexcept { return new_.empty() && unused_.empty(); }
  /// Publishes new objects by broadcast, or, where there are none any more, puts them into the store alone; drops what
  /// is not used any more.
  void update_store(bool by_broadcast);

  /// The objects of rank 0's node; those that the store does not have yet count as under way.
  [[nodiscard]] ObjectStats stats() const;

 private:
  struct Uses {
    std::size_t users = 0;  // unfinished tasks that name it
    bool dropped = false;
  };

  [[nodiscard]] bool remove_if_unused(ObjectId object, const Uses& uses);

  ObjectStore* store_;
  std::unordered_map<ObjectId, Uses> objects_;
  std::vector<NewObject> new_;
  std::vector<ObjectId> unused_;
  std::uint64_t added_ = 0;
};

}  // namespace joblib_mpi
