#include "store/node_store.hpp"

#include "segments/payload_block.hpp"
#include "segments/segment_source.hpp"

#include <algorithm>
#include <utility>

namespace joblib_mpi {
namespace {

/// The number of bytes that rank 0 copies in one turn: some milliseconds of fresh memory, so that messages are answered
/// in between.
constexpr std::size_t fill_bytes = std::size_t{4} << 20;

/// The number of calls of `progress` between two looks at the room for memory that nothing uses. A rank that waits
/// makes about a thousand calls per second.
constexpr unsigned progresses_between_looks_at_room = 128;

/// The number of turns between two checks for what need not be known at once.
constexpr unsigned turns_between_looks = 64;

/// Returns `bytes` as MPI takes them. Rank 0's memory is only read.
std::span<std::byte> memory_of(ByteView bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

}  // namespace

NodeStore::NodeStore(Transport& transport, SegmentPool& pool, NodeLinks& links)
    : transport_(&transport), pool_(&pool), links_(&links) {
  links_->begin_run();
}

void NodeStore::publish(ObjectId object, Payload value) {
  auto source = std::make_shared<const Payload>(std::move(value));
  Transfer transfer{.object = object, .part_bytes = part_bytes_of(*source), .source = source};
  whole_.emplace(object, source);  // rank 0 has the object already
  if (!links_->members.empty() && !use_in_place(transfer)) allocate(transfer);
  for (std::size_t part = 0; part <= source->parts.size(); ++part) {
    transfer.last_broadcast = transport_->broadcast(memory_of(part_of(*source, part)), source);
  }
  transfers_.push_back(std::move(transfer));
}

void NodeStore::expect(ObjectId object, std::span<const std::uint64_t> part_bytes) {
  if (part_bytes.empty()) throw SerializationError("rank 0 announced a scattered object without its head");
  if (!is_node_head()) {
    if (const auto early = early_offers_.extract(object)) {
      accept(object, {part_bytes.begin(), part_bytes.end()}, early.mapped());
    } else {
      expected_.emplace(object, PartBytes(part_bytes.begin(), part_bytes.end()));
    }
    return;
  }
  Transfer transfer{.object = object, .part_bytes = {part_bytes.begin(), part_bytes.end()}};
  allocate(transfer);
  std::size_t offset = 0;
  for (const std::uint64_t bytes : part_bytes) {
    transfer.last_broadcast =
        transfer.refusal.empty()
            ? transport_->broadcast(transfer.block.bytes.subspan(offset, bytes), transfer.block.owner)
            : transport_->skip_broadcast(bytes);
    offset += aligned(bytes);
  }
  transfers_.push_back(std::move(transfer));
}

bool NodeStore::use_in_place(Transfer& transfer) {
  const ByteView block = block_around(*transfer.source);
  const ByteView head = transfer.source->packed();
  if (block.empty() || !pool_->has_for_node(block)) return false;
  if (head.data() != block.data() && !std::ranges::equal(head, block.first(head.size()))) return false;
  transfer.block = {transfer.source, memory_of(block)};
  transfer.part = transfer.part_bytes.size();  // nothing is left to be copied
  return true;
}

void NodeStore::allocate(Transfer& transfer) {
  for (const auto& member : links_->members) member->settle();  // memory that they have returned can be reused
  const std::size_t bytes = block_bytes(transfer.part_bytes);
  try {
    transfer.block = pool_->allocate_for_node(bytes);
  } catch (const NoRoomError& error) {
    transfer.refusal = error.what();
  } catch (const std::exception& error) {  // the address space is limited, too, and any allocation may fail
    transfer.refusal = "no room for " + std::to_string(bytes) + " bytes of shared data: " + error.what();
  }
}

void NodeStore::put(ObjectId object, Payload value) {
  whole_.insert_or_assign(object, std::make_shared<const Payload>(std::move(value)));
  expected_.erase(object);
  refused_.erase(object);
}

void NodeStore::refuse(ObjectId object, std::string reason) {
  expected_.erase(object);
  refused_.insert_or_assign(object, std::move(reason));
}

std::vector<ObjectId> NodeStore::end_broadcasts() {
  progress();
  transport_->end_broadcasts();
  std::vector<ObjectId> missing;
  if (transport_->rank() != 0) {
    for (const Transfer& transfer : transfers_) {
      if (!transfer.dropped) missing.push_back(transfer.object);
    }
  }
  transfers_.clear();  // the transport keeps their memory as long as MPI may use it
  for (const auto& [object, part_bytes] : expected_) missing.push_back(object);
  expected_.clear();
  early_offers_.clear();
  broadcasts_ended_ = true;
  return missing;
}

std::shared_ptr<const Payload> NodeStore::find(ObjectId object) const {
  const auto found = whole_.find(object);
  return found == whole_.end() ? nullptr : found->second;
}

std::optional<std::string> NodeStore::refusal(ObjectId object) const {
  const auto found = refused_.find(object);
  return found == refused_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<ObjectId> NodeStore::settled_objects() const {
  std::vector<ObjectId> settled;
  for (const auto& [object, value] : whole_) settled.push_back(object);
  for (const auto& [object, reason] : refused_) settled.push_back(object);
  return settled;
}

void NodeStore::drop(ObjectId object) {
  if (expected_.erase(object) > 0) unwanted_.insert(object);
  whole_.erase(object);
  refused_.erase(object);
  offered_.erase(object);
  const auto transfer = std::ranges::find(transfers_, object, &Transfer::object);
  if (transfer != transfers_.end()) transfer->dropped = true;
}

bool NodeStore::progress() {
  bool more = false;
  while (!transfers_.empty()) {
    Transfer& oldest = transfers_.front();
    if (fill(oldest)) {
      more = true;
      break;
    }
    if (transport_->broadcasts_done() < oldest.last_broadcast) break;
    complete(oldest);
    transfers_.pop_front();
  }
  if (!expected_.empty() || !unwanted_.empty()) take_offers();
  keep_links_clean();
  if (++progresses_ % progresses_between_looks_at_room == 0) pool_->give_way();
  return more;
}

bool NodeStore::fill(Transfer& transfer) {
  if (!transfer.source || transfer.block.bytes.empty() || transfer.dropped) return false;
  std::size_t room = fill_bytes;
  std::size_t offset = block_bytes(std::span(transfer.part_bytes).first(transfer.part)) + transfer.part_offset;
  for (; transfer.part < transfer.part_bytes.size(); ++transfer.part, transfer.part_offset = 0) {
    const ByteView rest = part_of(*transfer.source, transfer.part).subspan(transfer.part_offset);
    const std::size_t bytes = std::min(rest.size(), room);
    pool_->write(transfer.block.bytes.subspan(offset, bytes), rest.first(bytes));
    room -= bytes;
    if (bytes < rest.size()) {
      transfer.part_offset += bytes;
      return true;
    }
    offset = aligned(offset + bytes);
  }
  return false;
}

void NodeStore::complete(Transfer& transfer) {
  if (transfer.dropped) {
    for (const auto& member : links_->members) member->refuse(transfer.object, "it was dropped");
    return;
  }
  if (!transfer.refusal.empty()) {
    refused_.emplace(transfer.object, transfer.refusal);
    for (const auto& member : links_->members) member->refuse(transfer.object, transfer.refusal);
    return;
  }
  if (transfer.source && links_->members.empty()) return;  // rank 0 keeps using the original
  pool_->seal(transfer.block.bytes);
  const SharedBytes block(transfer.block.owner, transfer.block.bytes);
  for (const auto& member : links_->members) member->offer(transfer.object, block);
  if (!links_->members.empty()) offered_.insert(transfer.object);
  // From here on rank 0 uses the node's copy, too, and does not need the program's array any more.
  whole_.insert_or_assign(transfer.object, std::make_shared<const Payload>(payload_in(
                                               transfer.block.owner, transfer.block.bytes, transfer.part_bytes)));
}

void NodeStore::take_offers() {
  while (auto offer = links_->head->take_offer()) {
    if (const auto expected = expected_.extract(offer->object)) {
      accept(offer->object, expected.mapped(), *offer);
    } else if (unwanted_.erase(offer->object) == 0 && !broadcasts_ended_) {
      early_offers_.emplace(offer->object, std::move(*offer));
    }
  }
}

void NodeStore::accept(ObjectId object, const PartBytes& part_bytes, const NodeLink::Offer& offer) {
  if (!offer.block) {
    refused_.emplace(object, offer.refusal);
  } else {
    whole_.emplace(object,
                   std::make_shared<const Payload>(payload_in(offer.block->owner(), offer.block->view(), part_bytes)));
  }
}

void NodeStore::keep_links_clean() {
  const bool look = ++turns_ % turns_between_looks == 0;
  for (const auto& member : links_->members) {
    if (look || member->has_waiting() || member->lent() > offered_.size()) member->settle();
  }
  if (!links_->head) return;
  look ? links_->head->settle() : links_->head->send_returned();
  if (look && broadcasts_ended_) take_offers();
}

ObjectStats NodeStore::stats() const {
  const SegmentPool::Stats node = pool_->node_stats();
  // A node head adopts what clients lend; on other ranks the memory is the node head's.
  const SegmentPool::Stats lent = is_node_head() ? pool_->adopted_stats() : SegmentPool::Stats();
  ObjectStats stats{.objects = whole_.size(),
                    .transfers = transfers_.size(),
                    .segments = node.segments + lent.segments,
                    .segment_bytes = node.bytes + lent.bytes,
                    .spare_bytes = node.spare_bytes};
  for (const auto& [object, value] : whole_) stats.object_bytes += value->size_bytes();
  return stats;
}

}  // namespace joblib_mpi
