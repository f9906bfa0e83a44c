#pragma once

#include "segments/segment_pool.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// The place where the other process finds a large array.
struct PartReference {
  std::uint64_t loan;  ///< identifies this use of the memory until the borrower returns it
  std::uint64_t segment;
  std::uint64_t offset;
  std::uint64_t bytes;
  Access access;
};

/// One side of two processes that lend memory to each other: keeps what it has lent and what it has borrowed.
///
/// A segment must be handed over before the first reference to it, once for each kind of access; both sides keep their
/// mappings. Memory that is lent is not reused until the other side has returned it or this object is destroyed, which
/// must happen when the other process is gone. Borrowed memory stays valid even then.
class SegmentExchange {
 public:
  /// Says whether borrowed memory may be lent to a third process; if so, the pool adopts its segments.
  enum class Lending { own, borrowed_too };
  /// Makes an exchange that lends memory of `pool`, which must outlive it.
  explicit SegmentExchange(SegmentPool& pool, Lending lending = Lending::own);

  /// A segment that the other side must get, and the access that it gets.
  struct Handover {
    std::shared_ptr<const Segment> segment;
    Access access;
  };
  /// Lends an array; copies it first if it does not lie in the pool. Adds to `handovers` the segments that the other
  /// side must receive before the reference.
  [[nodiscard]] PartReference lend(const SharedBytes& part, Access access, std::vector<Handover>& handovers);
  /// Ends a loan that the other side has returned.
  void end_loan(std::uint64_t loan) { lent_.erase(loan); }
  /// Ends all loans, since the other side is gone.
  void end_all_loans() { lent_.clear(); }
  /// Returns the number of loans that have not ended.
  [[nodiscard]] std::size_t lent() const noexcept { return lent_.size(); }
  /// Returns the ids of segments that the other side need not keep mapped any more, each once.
  [[nodiscard]] std::vector<std::uint64_t> take_dropped();

  /// Maps a segment that the other side has handed over.
  void map(std::uint64_t segment, std::size_t bytes, Access access, Descriptor file);
  /// Drops the mappings of a segment; borrowed arrays keep theirs.
  void unmap(std::uint64_t segment);
  /// Returns the bytes of a reference, whose loan ends when the last copy is destroyed. Throws SerializationError if
  /// the reference is to memory that was not handed over.
  [[nodiscard]] SharedBytes borrow(const PartReference& reference);
  /// Maps borrowed bytes as the function `copy_on_write` of segment.hpp does. Returns nothing if the bytes are not
  /// borrowed.
  [[nodiscard]] std::optional<SharedBytes> copy_on_write(ByteView bytes) const;
  /// Returns the loans that this side has returned since the previous call.
  [[nodiscard]] std::vector<std::uint64_t> take_returned();

 private:
  using Key = std::pair<std::uint64_t, Access>;
  struct ReturnedLoans;

  SegmentPool* pool_;
  std::uint64_t next_loan_ = 1;
  std::unordered_map<std::uint64_t, std::shared_ptr<const void>> lent_;  // loans, and the owner of their memory
  std::map<Key, std::weak_ptr<const Segment>> handed_over_;
  std::uint64_t drops_seen_ = 0;

  const Lending lending_;
  std::map<Key, std::shared_ptr<const Segment>> mapped_;
  std::shared_ptr<ReturnedLoans> returned_;
};

}  // namespace joblib_mpi
