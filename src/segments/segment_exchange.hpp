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

/// A large array as the other process finds it.
struct PartReference {
  std::uint64_t loan;  ///< names this use of the memory until the borrower lets go
  std::uint64_t segment;
  std::uint64_t offset;
  std::uint64_t bytes;
  Access access;
};

/// One of two processes that lend memory to each other: what it has lent and what it has borrowed.
///
/// A segment has to be handed over before the first reference to it, once for each kind of access; both sides keep
/// their mappings. Memory that is lent is not used again until the other side has let go of it, or until this object
/// is gone, as it has to be when the other process is. What was borrowed stays valid even then.
class SegmentExchange {
 public:
  /// Whether what was borrowed may be lent to a third process: if so, the pool adopts its segments.
  enum class Lending { own, borrowed_too };
  /// What is lent lies in `pool`.
  explicit SegmentExchange(SegmentPool& pool, Lending lending = Lending::own);

  struct Handover {
    std::shared_ptr<const Segment> segment;
    Access access;
  };
  /// Lends an array, which is copied if it does not lie in the pool. Adds to `handovers` what the other side needs
  /// before.
  [[nodiscard]] PartReference lend(const SharedBytes& part, Access access, std::vector<Handover>& handovers);
  /// The other side has let go.
  void end_loan(std::uint64_t loan) { lent_.erase(loan); }
  /// The other side is gone.
  void end_all_loans() { lent_.clear(); }
  [[nodiscard]] std::size_t lent() const noexcept { return lent_.size(); }
  /// The segments that the other side need not keep mapped any more.
  [[nodiscard]] std::vector<std::uint64_t> take_dropped();

  /// The other side has handed a segment over.
  void map(std::uint64_t segment, std::size_t bytes, Access access, Descriptor file);
  void unmap(std::uint64_t segment);
  /// Throws SerializationError if the reference is to nothing that was handed over.
  [[nodiscard]] SharedBytes borrow(const PartReference& reference);
  /// Borrowed bytes as `copy_on_write` of their segment gives them; nothing if these were not borrowed.
  [[nodiscard]] std::optional<SharedBytes> copy_on_write(ByteView bytes) const;
  /// The loans that this side has let go since it was last asked.
  [[nodiscard]] std::vector<std::uint64_t> take_returned();

 private:
  using Key = std::pair<std::uint64_t, Access>;
  struct ReturnedLoans;

  SegmentPool* pool_;
  std::uint64_t next_loan_ = 1;
  std::unordered_map<std::uint64_t, std::shared_ptr<const void>> lent_;  // to what keeps the memory
  std::map<Key, std::weak_ptr<const Segment>> handed_over_;
  std::uint64_t drops_seen_ = 0;

  const Lending lending_;
  std::map<Key, std::shared_ptr<const Segment>> mapped_;
  std::shared_ptr<ReturnedLoans> returned_;
};

}  // namespace joblib_mpi
