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

/// Scattered objects as serialized bytes, the same on every rank.
///
/// Rank 0 publishes; every worker expects the same objects in the same order. Nothing waits: an object arrives while
/// `progress` is called. Once a rank is lost, all end their broadcasts and objects are put here one by one. Only the
/// thread that uses the transport may call this.
class ObjectStore {
 public:
  ObjectStore() = default;
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;
  virtual ~ObjectStore() = default;

  /// On rank 0: starts to send the object. Its parts are sent from where they are. Not after `end_broadcasts`.
  virtual void publish(ObjectId object, Payload value) = 0;
  /// On a worker: makes room for an object of these parts (bytes each), its head being the first. Not after
  /// `end_broadcasts`.
  virtual void expect(ObjectId object, std::span<const std::uint64_t> part_bytes) = 0;
  /// Keeps an object that is whole.
  virtual void put(ObjectId object, Payload value) = 0;
  /// Leaves all broadcasts and allows no other. Keeps what is whole, and returns the objects that were expected, were
  /// not dropped and are not whole.
  [[nodiscard]] virtual std::vector<ObjectId> end_broadcasts() = 0;

  /// The object once it is whole, until then nullptr. It stays valid as long as the pointer is kept.
  [[nodiscard]] virtual std::shared_ptr<const Payload> find(ObjectId object) const = 0;
  /// Why the object will never be whole here, if so.
  [[nodiscard]] virtual std::optional<std::string> refusal(ObjectId object) const = 0;
  /// Forgets the object, if it is known; memory is freed when nothing uses it any more, its own transfer included.
  virtual void drop(ObjectId object) = 0;

  /// True if there is more to do at once.
  virtual bool progress() = 0;

  [[nodiscard]] virtual ObjectStats stats() const = 0;
};

}  // namespace joblib_mpi
