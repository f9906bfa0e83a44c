#pragma once

#include "core/ids.hpp"
#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/object_stats.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace joblib_mpi {

/// Keeps scattered objects as serialized bytes, equal on every rank.
///
/// Rank 0 publishes objects; every worker expects the same objects in the same order. All functions are non-blocking:
/// objects arrive while `progress` is called. After a rank is lost, all ranks end their broadcasts, and objects are put
/// into the stores one by one. Only the thread that uses the transport may call these functions.
class ObjectStore {
 public:
  ObjectStore() = default;
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;
  virtual ~ObjectStore() = default;

  /// Starts to send an object, on rank 0. Its parts are sent from where they lie. Must not be called after
  /// `end_broadcasts`.
  virtual void publish(ObjectId object, Payload value) = 0;
  /// Makes room for an object, on a worker. `part_bytes` are the sizes of its parts in bytes, the head being the first.
  /// Must not be called after `end_broadcasts`.
  virtual void expect(ObjectId object, std::span<const std::uint64_t> part_bytes) = 0;
  /// Keeps an object that is complete.
  virtual void put(ObjectId object, Payload value) = 0;
  /// Notes that this rank cannot have an object, and why.
  virtual void refuse(ObjectId object, std::string reason) = 0;
  /// Leaves all broadcasts and allows no further ones. Keeps complete objects, and returns those that were expected,
  /// not dropped, and are not complete.
  [[nodiscard]] virtual std::vector<ObjectId> end_broadcasts() = 0;

  /// Returns the object once it is complete, until then nullptr. It stays valid as long as the pointer is kept.
  [[nodiscard]] virtual std::shared_ptr<const Payload> find(ObjectId object) const = 0;
  /// Returns why the object will never be complete here; nothing if it may be.
  [[nodiscard]] virtual std::optional<std::string> refusal(ObjectId object) const = 0;
  /// Returns the objects that need not be sent to this rank: those that are complete, and those that it has refused.
  [[nodiscard]] virtual std::vector<ObjectId> settled_objects() const = 0;
  /// Forgets the object if it is known. Its memory is freed when nothing uses it any more, including its transfer.
  virtual void drop(ObjectId object) = 0;

  /// Advances transfers. Returns true if there is more to do at once.
  virtual bool progress() = 0;

  /// Returns the number and size of the objects on this rank, and the node's memory for them.
  [[nodiscard]] virtual ObjectStats stats() const = 0;
};

}  // namespace joblib_mpi
