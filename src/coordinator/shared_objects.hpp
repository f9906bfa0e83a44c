#pragma once

#include "coordinator/object_table.hpp"
#include "coordinator/outbox.hpp"
#include "store/object_store.hpp"

#include <vector>

namespace joblib_mpi {

/// Brings the objects that the program shares to the workers and back out of their stores: by broadcast, and after the
/// end of broadcasts to each worker alone.
class SharedObjects {
 public:
  /// Both arguments must outlive this object.
  SharedObjects(ObjectStore& store, Outbox& outbox) : store_(&store), outbox_(&outbox), table_(store) {}

  [[nodiscard]] ObjectId share(Payload value, ObjectId id = {});
  /// Ends the program's use of an object, which goes once no task uses it.
  void drop(ObjectId object);
  /// Counts a task that uses the object, which must exist.
  void use(ObjectId object) { table_.use(object); }
  /// Ends the use of an object by a task.
  void release(ObjectId object);

  /// Makes no broadcasts from now on; the workers say which objects they lack.
  void end_broadcasts();
  /// Sends the worker those of the objects that still exist.
  void send(WorkerId worker, const std::vector<ObjectId>& objects);
  /// Sends a worker that has come back the objects that it lacks, and lets it drop those that no longer exist. It has
  /// `settled`. Broadcasts must have ended.
  void bring_up_to_date(WorkerId worker, const std::vector<ObjectId>& settled);

  /// Returns whether there are objects that the store does not have yet.
  [[nodiscard]] bool has_new() const noexcept { return table_.has_new(); }
  /// Returns whether `update_store` has nothing to do.
  [[nodiscard]] bool is_up_to_date() const noexcept { return table_.is_up_to_date(); }
  /// Takes all changes to the store. Workers take part in a broadcast once they have been told of it, so what the
  /// outbox has must be sent before.
  void update_store() { table_.update_store(!broadcasts_ended_); }

  [[nodiscard]] ObjectStats stats() const { return table_.stats(); }

 private:
  ObjectStore* store_;
  Outbox* outbox_;
  ObjectTable table_;
  bool broadcasts_ended_ = false;
};

}  // namespace joblib_mpi
