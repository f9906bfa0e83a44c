#include "client/lent_memory.hpp"

#include "segments/mapped_files.hpp"
#include <joblib_mpi/error.hpp>

#include <utility>

namespace joblib_mpi {

LentMemory::LentMemory(SegmentPool& pool, std::size_t most_lent) : pool_(&pool), most_lent_(most_lent) {}

LentMemory::~LentMemory() {
  for (const auto& [loan, part] : lent_) {
    if (part.size() > 0) pool_->retire(part.view());
  }
}

std::optional<LentMemory::Place> LentMemory::place_of(const SharedBytes& part) const {
  if (part.size() < least_bytes) return std::nullopt;
  if (auto place = pool_->find(part.view())) {
    if (lent_.size() >= most_lent_) return std::nullopt;
    const int file = place->segment->descriptor();
    return Place{file, place->offset, std::move(place->segment), true};
  }
  if (auto place = MappedFiles::of_process().find(part.view())) {
    auto keeper = std::make_shared<const Descriptor>(std::move(place->file));
    const int file = keeper->get();
    return Place{file, place->offset, std::move(keeper), false};
  }
  return std::nullopt;
}

void LentMemory::end_loans(std::span<const std::uint64_t> loans) {
  for (const std::uint64_t loan : loans) {
    if (lent_.erase(loan) == 0) throw SerializationError("the other end of a client's connection returned no loan");
  }
}

}  // namespace joblib_mpi
