#pragma once

#include "segments/payload_block.hpp"
#include "segments/segment_pool.hpp"
#include "store/node_link.hpp"
#include "store/object_store.hpp"
#include "transport/transport.hpp"

#include <cstddef>
#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace joblib_mpi {

/// Keeps one copy of every object on each node: it is broadcast to the node head, which shares its memory with the
/// other ranks of the node.
///
/// On rank 0's node the copy is filled piece by piece from the object itself during the broadcast. No copy is made if
/// rank 0 is alone on its node, or if the object lies in memory for the node already, as one that a client lends. A
/// node without room for an object takes part in its broadcast and refuses the object.
class NodeStore final : public ObjectStore {
 public:
  /// Makes an empty store. All three arguments must outlive it. Each run of a session has a separate store on the same
  /// `links`.
  NodeStore(Transport& transport, SegmentPool& pool, NodeLinks& links);

  void publish(ObjectId object, Payload value) override;
  void expect(ObjectId object, std::span<const std::uint64_t> part_bytes) override;
  void put(ObjectId object, Payload value) override;
  void refuse(ObjectId object, std::string reason) override;
  [[nodiscard]] std::vector<ObjectId> end_broadcasts() override;
  [[nodiscard]] std::shared_ptr<const Payload> find(ObjectId object) const override;
  [[nodiscard]] std::optional<std::string> refusal(ObjectId object) const override;
  [[nodiscard]] std::vector<ObjectId> settled_objects() const override;
  void drop(ObjectId object) override;
  bool progress() override;
  [[nodiscard]] ObjectStats stats() const override;

  /// Returns whether this rank holds the node's copies.
  [[nodiscard]] bool is_node_head() const noexcept { return links_->head == nullptr; }

 private:
  /// An object on its way to a node head. It keeps the memory until the broadcast is complete, even if the object is
  /// dropped.
  struct Transfer {
    ObjectId object;
    PartBytes part_bytes;
    std::shared_ptr<const Payload> source = nullptr;  // the original; only on rank 0
    ReceiveMemory::Block block = {};                  // the node's copy
    std::string refusal = {};                         // why there is no copy; empty if there is one or none is needed
    std::size_t part = 0;                             // the part of `source` that is copied next
    std::size_t part_offset = 0;
    std::size_t last_broadcast = 0;  // the transfer is complete when this many broadcasts are
    bool dropped = false;            // true if the object was dropped in the meantime
  };

  /// Makes the original the node's copy, and returns true, if it lies in memory for the node as the copy would.
  [[nodiscard]] bool use_in_place(Transfer& transfer);
  /// Allocates the node's copy, or notes why there is no room.
  void allocate(Transfer& transfer);
  /// Copies a piece of the object into the node's copy. Returns true if more is left.
  bool fill(Transfer& transfer);
  void complete(Transfer& transfer);
  void accept(ObjectId object, const PartBytes& part_bytes, const NodeLink::Offer& offer);
  void take_offers();
  void keep_links_clean();

  Transport* transport_;
  SegmentPool* pool_;
  NodeLinks* links_;
  std::deque<Transfer> transfers_;  // only on node heads
  std::unordered_map<ObjectId, std::shared_ptr<const Payload>> whole_;
  std::unordered_map<ObjectId, std::string> refused_;
  std::unordered_map<ObjectId, PartBytes> expected_;            // only on other ranks
  std::unordered_set<ObjectId> unwanted_;                       // dropped before they were offered
  std::unordered_map<ObjectId, NodeLink::Offer> early_offers_;  // offered before rank 0's announcement arrived
  std::unordered_set<ObjectId> offered_;                        // to the other ranks of the node, and not dropped
  bool broadcasts_ended_ = false;
  unsigned turns_ = 0;
  unsigned progresses_ = 0;
};

}  // namespace joblib_mpi
