#include "store/broadcast_store.hpp"

#include <algorithm>

namespace joblib_mpi {
namespace {

/// Rank 0's memory is only read, the others' was made by `expect` and nobody else has seen it yet.
std::span<std::byte> memory_of(ByteView bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
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
  for (const std::uint64_t size : part_bytes.subspan(1)) value.parts.emplace_back(Bytes(size));
  start(object, std::make_shared<const Payload>(std::move(value)));
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
