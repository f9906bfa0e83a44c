#include "client/frame_stream.hpp"

#include "client/stream_io.hpp"
#include "segments/memory_room.hpp"
#include "segments/payload_block.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace joblib_mpi {
namespace {

[[noreturn]] void refuse_frame(const std::string& what) {
  throw SerializationError("the other end of a client's connection sent " + what);
}

/// The size from which the parts of a frame have one block, in bytes. Chosen, not measured.
constexpr std::uint64_t least_block_bytes = std::uint64_t{4} << 20;

/// The memory that a body or a part has at first; most are smaller.
constexpr std::uint64_t first_room = std::uint64_t{64} << 20;

/// So many lent parts may be under way that a receiver which has stopped cannot use up the descriptors that the system
/// allows a user. Chosen, not measured.
constexpr std::size_t most_lent_under_way = 128;

iovec piece_of(ByteView bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};  // writev only reads it
}

}  // namespace

std::span<std::byte> FrameReceiver::space() {
  is_direct_ = target_.size() >= buffer_bytes;
  if (is_direct_) return target_;
  begin_ = end_ = 0;
  return buffer_;
}

void FrameReceiver::filled(std::size_t bytes) {
  if (is_direct_) {
    target_ = target_.subspan(bytes);
  } else {
    end_ += bytes;
  }
}

bool FrameReceiver::complete_stage() {
  const std::size_t bytes = std::min(end_ - begin_, target_.size());
  if (bytes != 0) std::memcpy(target_.data(), buffer_.data() + begin_, bytes);
  begin_ += bytes;
  target_ = target_.subspan(bytes);
  return target_.empty();
}

std::optional<FrameReceiver::Received> FrameReceiver::next() {
  while (complete_stage()) {
    switch (stage_) {
      case Stage::head:
        begin_numbers();
        break;
      case Stage::numbers:
        begin_piece(Stage::body, head_.body_bytes);
        break;
      case Stage::body:
        if (!piece_is_whole()) break;
        frame_.body = std::exchange(piece_, {});
        allocate_block();
        begin_part_or_head();
        break;
      case Stage::part:
        if (!block_.owner && !piece_is_whole()) break;
        take_part();
        begin_part_or_head();
        break;
    }
    if (stage_ == Stage::head) return whole_frame();
  }
  return std::nullopt;
}

FrameReceiver::Received FrameReceiver::whole_frame() {
  if (borrowed_parts_ != head_.lent) refuse_frame("a message with another number of lent parts than it says");
  descriptors_.erase(descriptors_.begin(), descriptors_.begin() + static_cast<std::ptrdiff_t>(borrowed_parts_));
  block_ = {};
  const auto returned = std::span(numbers_).subspan(head_.parts + head_.lent);
  return {head_, std::exchange(frame_, {}), {returned.begin(), returned.end()}};
}

void FrameReceiver::begin_numbers() {
  std::memcpy(&head_, head_bytes_.data(), sizeof head_);
  if (head_.body_bytes > most_body_bytes) refuse_frame("a message of " + std::to_string(head_.body_bytes) + " bytes");
  if (head_.parts > most_parts) refuse_frame("a message of " + std::to_string(head_.parts) + " parts");
  if (head_.lent > head_.parts) refuse_frame("a message of more lent parts than parts");
  if (head_.returned > most_parts) refuse_frame("a message of " + std::to_string(head_.returned) + " returned loans");
  const bool is_empty = head_.body_bytes == 0;
  if (is_empty && head_.parts > 0) refuse_frame("a message that is empty but for its parts");
  if (is_empty != (head_.number == 0)) refuse_frame("an empty message with a number, or another one without");
  borrowed_parts_ = 0;
  numbers_.resize(head_.parts + head_.lent + head_.returned);
  begin(Stage::numbers, std::as_writable_bytes(std::span(numbers_)));
}

void FrameReceiver::begin_piece(Stage stage, std::uint64_t bytes) {
  piece_bytes_ = bytes;
  piece_ = Bytes(std::min(bytes, first_room));
  begin(stage, piece_);
}

bool FrameReceiver::piece_is_whole() {
  const std::size_t there = piece_.size();
  if (there == piece_bytes_) return true;
  // Twice as much as has come, so that a size alone takes no memory.
  Bytes larger(std::min<std::uint64_t>(piece_bytes_, 2 * there));
  std::memcpy(larger.data(), piece_.data(), there);
  piece_ = std::move(larger);
  begin(stage_, std::span(piece_).subspan(there));
  return false;
}

void FrameReceiver::begin_part_or_head() {
  while (frame_.parts.size() < head_.parts) {
    const std::uint64_t size = numbers_[frame_.parts.size()];
    const std::uint64_t bytes = size & ~lent_part;
    if (bytes > most_part_bytes) refuse_frame("a part of " + std::to_string(bytes) + " bytes");
    if (block_.owner) return begin(Stage::part, block_.bytes.subspan(in_block_, bytes));
    if (bytes == size) return begin_piece(Stage::part, bytes);
    borrow_part(bytes);
  }
  begin(Stage::head, head_bytes_);
}

void FrameReceiver::allocate_block() {
  if (pool_ == nullptr || head_.lent > 0) return;
  const auto sizes = std::span<const std::uint64_t>(numbers_).first(head_.parts);
  std::uint64_t total = 0;
  for (const std::uint64_t size : sizes) {
    if (size > most_part_bytes || total > most_part_bytes) return;  // it is no frame, or there is no such memory
    total += aligned(size);
  }
  // There must be memory, so that a size alone takes no room on a disk instead.
  if (total < least_block_bytes || total > memory_room().bytes) return;
  try {
    block_ = pool_->allocate_for_node(total);
    in_block_ = 0;
  } catch (const std::exception&) {  // the parts have to do with what there is
  }
}

void FrameReceiver::take_part() {
  if (!block_.owner) {
    frame_.parts.emplace_back(std::exchange(piece_, {}));
    return;
  }
  const std::uint64_t bytes = numbers_[frame_.parts.size()];
  frame_.parts.emplace_back(block_.owner, block_.bytes.subspan(in_block_, bytes));
  in_block_ += aligned(bytes);
}

void FrameReceiver::borrow_part(std::uint64_t bytes) {
  if (borrowed_ == nullptr || borrowed_parts_ == head_.lent) refuse_frame("a part that it may not lend");
  if (borrowed_parts_ >= descriptors_.size()) refuse_frame("fewer descriptors than lent parts");
  const std::uint64_t offset = numbers_[head_.parts + borrowed_parts_];
  frame_.parts.push_back(borrowed_->map(descriptors_[borrowed_parts_], offset, bytes));
  ++borrowed_parts_;
}

void FrameSender::send(Frame frame) {
  std::size_t bytes = frame.body.size();
  for (const SharedBytes& part : frame.parts) bytes += part.size();
  frames_.push_back({++sent_, bytes, std::move(frame)});
  bytes_ += bytes;
}

void FrameSender::acknowledge(std::uint64_t number, bool at_once) noexcept {
  acknowledged_ = number;
  acknowledge_at_once_ = acknowledge_at_once_ || at_once;
}

void FrameSender::forget_up_to(std::uint64_t number) {
  while (!frames_.empty() && frames_.front().number <= number) {
    bytes_ -= frames_.front().bytes;
    lent_under_way_ -= frames_.front().lent;
    frames_.pop_front();
    if (next_ > 0) --next_;
  }
}

void FrameSender::arrived(std::uint64_t number) {
  if (number > written_) refuse_frame("an acknowledgement of what was not sent");
  forget_up_to(number);
}

void FrameSender::give_back(std::vector<std::uint64_t> loans) {
  if (returned_.empty()) {
    returned_ = std::move(loans);
  } else {
    returned_.insert(returned_.end(), loans.begin(), loans.end());
  }
}

void FrameSender::restart(std::uint64_t number, LentMemory* lent) {
  if (number > sent_ || number + frames_.size() < sent_)
    refuse_frame("an acknowledgement of what was not sent, or is gone");
  pieces_.clear();
  descriptors_.clear();
  keepers_.clear();
  returned_.clear();
  for (Numbered& frame : frames_) frame.lent = 0;
  lent_under_way_ = 0;
  lent_ = lent;
  next_ = 0;
  forget_up_to(number);
  written_ = number;
  acknowledge_at_once_ = false;
}

void FrameSender::begin_frame() {
  Numbered* const next = next_ < frames_.size() ? &frames_[next_] : nullptr;
  if (next == nullptr && !acknowledge_at_once_ && returned_.empty()) return;
  head_ = {.number = 0, .acknowledged = acknowledged_, .body_bytes = 0, .parts = 0, .lent = 0, .returned = 0};
  numbers_.clear();
  pieces_.resize(2);  // for the head and the numbers
  if (next != nullptr) {
    add_frame(*next);
    ++next_;
  }
  head_.returned = std::min<std::uint64_t>(returned_.size(), FrameReceiver::most_parts);
  const auto first_returned = returned_.end() - static_cast<std::ptrdiff_t>(head_.returned);
  numbers_.insert(numbers_.end(), first_returned, returned_.end());
  returned_.erase(first_returned, returned_.end());
  pieces_[0] = piece_of(std::as_bytes(std::span(&head_, 1)));
  pieces_[1] = piece_of(std::as_bytes(std::span(numbers_)));
  first_piece_ = 0;
  acknowledge_at_once_ = false;
}

void FrameSender::add_frame(Numbered& numbered) {
  const Frame& frame = numbered.frame;
  head_.number = numbered.number;
  head_.body_bytes = frame.body.size();
  head_.parts = frame.parts.size();
  pieces_.push_back(piece_of(frame.body));
  std::vector<std::uint64_t> places;
  for (const SharedBytes& part : frame.parts) {
    auto place = may_lend() ? lent_->place_of(part) : std::nullopt;
    numbers_.push_back(part.size() + (place ? lent_part : 0));
    if (place) {
      places.push_back(place->offset);
      descriptors_.push_back(place->file);
      lent_->lend(part, *place);
      keepers_.push_back(std::move(place->keeper));
    } else if (part.size() != 0) {
      pieces_.push_back(piece_of(part.view()));
    }
  }
  head_.lent = numbered.lent = places.size();
  lent_under_way_ += places.size();
  numbers_.insert(numbers_.end(), places.begin(), places.end());
}

bool FrameSender::may_lend() const noexcept {
  return lent_ != nullptr && descriptors_.size() < most_descriptors &&
         lent_under_way_ + descriptors_.size() < most_lent_under_way;
}

std::span<iovec> FrameSender::pieces() {
  if (pieces_.empty()) begin_frame();
  return std::span(pieces_).subspan(pieces_.empty() ? 0 : first_piece_);
}

void FrameSender::written(std::size_t bytes) {
  if (bytes > 0) {
    descriptors_.clear();
    keepers_.clear();
  }
  while (first_piece_ < pieces_.size()) {
    iovec& piece = pieces_[first_piece_];
    if (bytes < piece.iov_len) {
      piece.iov_base = static_cast<std::byte*>(piece.iov_base) + bytes;
      piece.iov_len -= bytes;
      return;
    }
    bytes -= piece.iov_len;
    ++first_piece_;
  }
  pieces_.clear();
  if (head_.number != 0) written_ = head_.number;
}

}  // namespace joblib_mpi
