#include "segments/segment_exchange.hpp"

#include <atomic>
#include <cassert>
#include <cstring>
#include <mutex>

namespace joblib_mpi {

/// Collects the loans that have ended. Any thread may drop the last reference to an array and add its loan here.
struct SegmentExchange::ReturnedLoans {
  std::mutex mutex;
  std::atomic<bool> any{false};
  std::vector<std::uint64_t> loans;
};

SegmentExchange::SegmentExchange(SegmentPool& pool, Lending lending)
    : pool_(&pool), lending_(lending), returned_(std::make_shared<ReturnedLoans>()) {}

PartReference SegmentExchange::lend(const SharedBytes& part, Access access, std::vector<Handover>& handovers) {
  if (part.size() == 0) return {};
  std::shared_ptr<const void> owner = part.owner();
  auto place = pool_->find(part.view());
  if (!place || (access == Access::writable && place->segment->access() == Access::read_only)) {
    ReceiveMemory::Block copy = pool_->allocate_to_share(part.size());
    std::memcpy(copy.bytes.data(), part.view().data(), part.size());
    owner = std::move(copy.owner);
    place = pool_->find(copy.bytes);
    assert(place);
  }
  const std::uint64_t segment = place->segment->id();
  if (handed_over_.try_emplace({segment, access}, place->segment).second)
    handovers.push_back({std::move(place->segment), access});
  lent_.emplace(next_loan_, std::move(owner));
  return {next_loan_++, segment, place->offset, part.size(), access};
}

std::vector<std::uint64_t> SegmentExchange::take_dropped() {
  const std::uint64_t drops = pool_->segments_dropped();
  if (drops == std::exchange(drops_seen_, drops)) return {};
  std::vector<std::uint64_t> dropped;
  std::erase_if(handed_over_, [&](const auto& handed_over) {
    if (!handed_over.second.expired()) return false;
    const std::uint64_t segment = handed_over.first.first;
    if (dropped.empty() || dropped.back() != segment) dropped.push_back(segment);
    return true;
  });
  return dropped;
}

void SegmentExchange::map(std::uint64_t segment, std::size_t bytes, Access access, Descriptor file) {
  mapped_[{segment, access}] = lending_ == Lending::borrowed_too
                                   ? pool_->adopt(std::move(file), bytes)
                                   : std::make_shared<const Segment>(segment, std::move(file), bytes, access);
}

void SegmentExchange::unmap(std::uint64_t segment) {
  mapped_.erase({segment, Access::read_only});
  mapped_.erase({segment, Access::writable});
}

SharedBytes SegmentExchange::borrow(const PartReference& reference) {
  if (reference.bytes == 0) return {};
  const auto found = mapped_.find({reference.segment, reference.access});
  if (found == mapped_.end() || reference.offset > found->second->bytes().size() ||
      reference.bytes > found->second->bytes().size() - reference.offset) {
    throw SerializationError("a message between a rank and its executor refers to memory that was never handed over");
  }
  const std::span<std::byte> bytes = found->second->bytes().subspan(reference.offset, reference.bytes);
  auto let_go = [segment = found->second, returned = returned_, loan = reference.loan](const void*) {
    const std::lock_guard lock(returned->mutex);
    returned->loans.push_back(loan);
    returned->any.store(true, std::memory_order_release);
  };
  return {std::shared_ptr<const void>(bytes.data(), std::move(let_go)), bytes};
}

std::optional<SharedBytes> SegmentExchange::copy_on_write(ByteView bytes) const {
  for (const auto& [key, segment] : mapped_) {
    const std::span<std::byte> all = segment->bytes();
    if (bytes.data() < all.data() || bytes.data() + bytes.size() > all.data() + all.size()) continue;
    return joblib_mpi::copy_on_write(*segment, static_cast<std::size_t>(bytes.data() - all.data()), bytes.size());
  }
  return std::nullopt;
}

std::vector<std::uint64_t> SegmentExchange::take_returned() {
  if (!returned_->any.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(returned_->mutex);
  returned_->any = false;
  return std::exchange(returned_->loans, {});
}

}  // namespace joblib_mpi
