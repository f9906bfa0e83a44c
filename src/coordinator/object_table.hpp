#pragma once

#include "core/ids.hpp"
#include "store/object_store.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// The objects that the program shares: counts the tasks that still need each, and updates the store.
///
/// The store learns of changes only in `update_store`, so that the messages which announce them can be sent first.
class ObjectTable {
 public:
  explicit ObjectTable(ObjectStore& store) : store_(&store) {}

  struct NewObject {
    ObjectId id;
    Payload value;
  };
  /// Adds an object and returns it; the reference is valid until the next call of a member function. `id` must be new;
  /// 0 lets this object choose one.
  [[nodiscard]] const NewObject& add(Payload value, ObjectId id = {});
  /// Counts a task that uses the object, which must be in the table.
  void use(ObjectId object) { ++objects_.at(object).users; }

  /// Ends the use of an object by a task (`release`) or by the program (`drop`). Returns true if that was the last use:
  /// the object is then no longer in the table, and the ranks can forget it.
  [[nodiscard]] bool release(ObjectId object);
  [[nodiscard]] bool drop(ObjectId object);

  /// Returns whether a task or the program still uses the object.
  [[nodiscard]] bool contains(ObjectId object) const { return objects_.contains(object); }
  /// Returns all objects in the table.
  [[nodiscard]] std::vector<ObjectId> all() const;

  /// Returns whether there are objects that the store does not have yet.
  [[nodiscard]] bool has_new() const noexcept { return !new_.empty(); }
  /// Returns whether `update_store` has nothing to do.
  [[nodiscard]] bool is_up_to_date() const noexcept { return new_.empty() && unused_.empty(); }
  /// Publishes new objects by broadcast, or only puts them into the store once broadcasts have ended; removes objects
  /// that are no longer used.
  void update_store(bool by_broadcast);

  /// Returns the statistics of the objects on rank 0's node; those that the store does not have yet count as under way.
  [[nodiscard]] ObjectStats stats() const;

 private:
  struct Uses {
    std::size_t users = 0;  // the number of unfinished tasks that use it
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
