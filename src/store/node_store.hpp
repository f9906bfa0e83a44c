#pragma once

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

/// One copy of every object on each node: broadcast to the node's head, who shares its memory with the others.
///
/// On rank 0's node the copy is filled from the object itself, bit by bit, while the broadcast goes on; without another
/// rank there, there is none. A node without room for an object takes part in its broadcast and refuses it.
class NodeStore final : public ObjectStore {
 public:
  /// All three must outlive this. Each run of a session has a store of its own on the same `links`.
  NodeStore(Transport& transport, SegmentPool& pool, NodeLinks& links);

  void publish(ObjectId object, Payload value) override;
  void expect(ObjectId object, std::span<const std::uint64_t> part_bytes) override;
  void put(ObjectId object, Payload value) override;
  [[nodiscard]] std::vector<ObjectId> end_broadcasts() override;
  [[nodiscard]] std::shared_ptr<const Payload> find(ObjectId object) const override;
  [[nodiscard]] std::optional<std::string> refusal(ObjectId object) const override;
  void drop(ObjectId object) override;
  bool progress() override;
  [[nodiscard]] ObjectStats stats() const override;

 private:
  using PartBytes = std::vector<std::uint64_t>;

  /// An object on its way to a node head. Holds the memory until the broadcast is complete, dropped or not.
  struct Transfer {
    ObjectId object;
    PartBytes part_bytes;
    std::shared_ptr<const Payload> source = nullptr;  // rank 0's
    ReceiveMemory::Block block = {};                  // the node's copy
    std::string refusal = {};                         // why there is none, if there should be one
    std::size_t part = 0;                             // the next of `source` to be copied
    std::size_t part_offset = 0;
    std::size_t last_broadcast = 0;  // complete when this many are
    bool dropped = false;            // while it was under way
  };

  [[nodiscard]] bool is_node_head() const noexcept { return links_->head == nullptr; }
  /// Room for the node's copy, or the reason why there is none.
  void allocate(Transfer& transfer);
  /// Copies a piece; true if there is more.
  bool fill(Transfer& transfer);
  void complete(Transfer& transfer);
  void accept(ObjectId object, const PartBytes& part_bytes, const NodeLink::Offer& offer);
  void take_offers();
  void keep_links_clean();

  Transport* transport_;
  SegmentPool* pool_;
  NodeLinks* links_;
  std::deque<Transfer> transfers_;  // node heads'
  std::unordered_map<ObjectId, std::shared_ptr<const Payload>> whole_;
  std::unordered_map<ObjectId, std::string> refused_;
  std::unordered_map<ObjectId, PartBytes> expected_;            // others'
  std::unordered_set<ObjectId> unwanted_;                       // dropped before they were offered
  std::unordered_map<ObjectId, NodeLink::Offer> early_offers_;  // of objects that rank 0 has not announced here yet
  std::unordered_set<ObjectId> offered_;                        // to the node's others, and not dropped
  bool broadcasts_ended_ = false;
  unsigned turns_ = 0;
};

}  // namespace joblib_mpi
