#pragma once

#include "core/receive_memory.hpp"
#include "store/object_store.hpp"
#include "transport/transport.hpp"

#include <deque>
#include <unordered_map>

namespace joblib_mpi {

/// One copy of every object in each process, brought there by the transport's broadcast.
class BroadcastStore final : public ObjectStore {
 public:
  /// The parts of an object that arrives by broadcast lie in one block of `memory`, each aligned to 64 bytes.
  BroadcastStore(Transport& transport, ReceiveMemory& memory) : transport_(&transport), memory_(&memory) {}

  void publish(ObjectId object, Payload value) override;
  void expect(ObjectId object, std::span<const std::uint64_t> part_bytes) override;
  void put(ObjectId object, Payload value) override;
  [[nodiscard]] std::vector<ObjectId> end_broadcasts() override;
  [[nodiscard]] std::shared_ptr<const Payload> find(ObjectId object) const override;
  void drop(ObjectId object) override;
  void progress() override;

 private:
  /// Holds the memory until the broadcast is complete, dropped or not.
  struct Transfer {
    ObjectId object;
    std::shared_ptr<const Payload> value;
    std::size_t last_broadcast;  // complete when this many are
    bool dropped = false;        // while it was under way
  };

  void start(ObjectId object, std::shared_ptr<const Payload> value);

  Transport* transport_;
  ReceiveMemory* memory_;
  std::deque<Transfer> transfers_;
  std::unordered_map<ObjectId, std::shared_ptr<const Payload>> whole_;
};

}  // namespace joblib_mpi
