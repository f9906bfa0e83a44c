#include "store/broadcast_store.hpp"

#include <algorithm>

namespace joblib_mpi {
namespace {

/// Rank 0's memory is only read, the others' was made by `expect` and nobody else has seen it yet.
std::span<std::byte> memory_of(ByteView bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

/// Where a part lies in its object's block: on a cache line of its own, as arrays want to be read.
constexpr std::size_t part_alignment = 64;

std::size_t aligned(std::size_t bytes) {
  return (bytes + part_alignment - 1) / part_alignment * part_alignment;
}

}  // namespace

void BroadcastStore::publish(ObjectId object, Payload value) {
  auto shared = std::make_shared<const Payload>(std::move(value));
  whole_.emplace(object, shared);  // rank 0 has it already
  start(object, std::move(shared));
}

void BroadcastStore::expect(ObjectId object, std::span<const std::uint64_t> part_bytes) {
  if (part_bytes.empty()) throw SerializationError("a scattered object was announced without its head");
  Payload value;
  value.head.resize(part_bytes.front());
  const auto parts = part_bytes.subspan(1);
  std::size_t total = 0;
  for (const std::uint64_t size : parts) total += aligned(size);
  if (total > 0) {
    // The block is aligned for any type, which may be less than a part wants.
    const ReceiveMemory::Block block = memory_->allocate(total + part_alignment);
    std::size_t offset = aligned(reinterpret_cast<std::uintptr_t>(block.bytes.data())) -
                         reinterpret_cast<std::uintptr_t>(block.bytes.data());
    for (const std::uint64_t size : parts) {
      value.parts.emplace_back(block.owner, block.bytes.subspan(offset, size));
      offset += aligned(size);
    }
  } else {
    value.parts.resize(parts.size());
  }
  start(object, std::make_shared<const Payload>(std::move(value)));
}

void BroadcastStore::put(ObjectId object, Payload value) {
  whole_.insert_or_assign(object, std::make_shared<const Payload>(std::move(value)));
}

std::vector<ObjectId> BroadcastStore::end_broadcasts() {
  progress();
  transport_->end_broadcasts();
  std::vector<ObjectId> missing;
  for (const Transfer& transfer : transfers_) {
    if (transport_->rank() != 0 && !transfer.dropped) missing.push_back(transfer.object);
  }
  transfers_.clear();  // the transport keeps their memory as long as it must
  return missing;
}

void BroadcastStore::start(ObjectId object, std::shared_ptr<const Payload> value) {
  std::size_t last = transport_->broadcast(memory_of(value->head), value);
  for (const SharedBytes& part : value->parts) last = transport_->broadcast(memory_of(part.view()), value);
  transfers_.push_back({object, std::move(value), last, false});
}

std::shared_ptr<const Payload> BroadcastStore::find(ObjectId object) const {
  const auto found = whole_.find(object);
  return found == whole_.end() ? nullptr : found->second;
}

void BroadcastStore::drop(ObjectId object) {
  if (whole_.erase(object) != 0) return;
  const auto transfer = std::ranges::find(transfers_, object, &Transfer::object);
  if (transfer != transfers_.end()) transfer->dropped = true;
}

void BroadcastStore::progress() {
  while (!transfers_.empty() && transport_->broadcasts_done() >= transfers_.front().last_broadcast) {
    Transfer& transfer = transfers_.front();
    if (transport_->rank() != 0 && !transfer.dropped) whole_.emplace(transfer.object, std::move(transfer.value));
    transfers_.pop_front();
  }
}

}  // namespace joblib_mpi
