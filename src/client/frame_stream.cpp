#include "client/frame_stream.hpp"

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

/// The memory that a body or a part has at first; most are smaller.
constexpr std::uint64_t first_room = std::uint64_t{64} << 20;

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
        begin_sizes();
        break;
      case Stage::sizes:
        begin_piece(Stage::body, head_.body_bytes);
        break;
      case Stage::body:
        if (!piece_is_whole()) break;
        frame_.body = std::exchange(piece_, {});
        begin_part_or_head();
        break;
      case Stage::part:
        if (!piece_is_whole()) break;
        frame_.parts.emplace_back(std::exchange(piece_, {}));
        begin_part_or_head();
        break;
    }
    if (stage_ == Stage::head) return Received{head_, std::exchange(frame_, {})};
  }
  return std::nullopt;
}

void FrameReceiver::begin_sizes() {
  std::memcpy(&head_, head_bytes_.data(), sizeof head_);
  if (head_.body_bytes > most_body_bytes) refuse_frame("a message of " + std::to_string(head_.body_bytes) + " bytes");
  if (head_.parts > most_parts) refuse_frame("a message of " + std::to_string(head_.parts) + " parts");
  const bool is_empty = head_.body_bytes == 0;
  if (is_empty && head_.parts > 0) refuse_frame("a message that is empty but for its parts");
  if (is_empty != (head_.number == 0)) refuse_frame("an empty message with a number, or another one without");
  sizes_.resize(head_.parts);
  begin(Stage::sizes, std::as_writable_bytes(std::span(sizes_)));
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
  const std::size_t part = frame_.parts.size();
  if (part == sizes_.size()) return begin(Stage::head, head_bytes_);
  if (sizes_[part] > most_part_bytes) refuse_frame("a part of " + std::to_string(sizes_[part]) + " bytes");
  begin_piece(Stage::part, sizes_[part]);
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
    frames_.pop_front();
    if (next_ > 0) --next_;
  }
}

void FrameSender::arrived(std::uint64_t number) {
  if (number > written_) refuse_frame("an acknowledgement of what was not sent");
  forget_up_to(number);
}

void FrameSender::restart(std::uint64_t number) {
  if (number > sent_ || number + frames_.size() < sent_)
    refuse_frame("an acknowledgement of what was not sent, or is gone");
  pieces_.clear();
  next_ = 0;
  forget_up_to(number);
  written_ = number;
  acknowledge_at_once_ = false;
}

void FrameSender::begin_frame() {
  const Numbered* const next = next_ < frames_.size() ? &frames_[next_] : nullptr;
  if (next == nullptr && !acknowledge_at_once_) return;
  static const Frame nothing;
  const Frame& frame = next != nullptr ? next->frame : nothing;
  writing_ = next != nullptr ? next->number : 0;
  const FrameHead head{writing_, acknowledged_, frame.body.size(), frame.parts.size()};
  head_.resize(sizeof head + frame.parts.size() * sizeof(std::uint64_t));
  std::memcpy(head_.data(), &head, sizeof head);
  std::byte* size_at = head_.data() + sizeof head;
  pieces_.push_back(piece_of(head_));
  if (!frame.body.empty()) pieces_.push_back(piece_of(frame.body));
  for (const SharedBytes& part : frame.parts) {
    const std::uint64_t bytes = part.size();
    std::memcpy(size_at, &bytes, sizeof bytes);
    size_at += sizeof bytes;
    if (bytes != 0) pieces_.push_back(piece_of(part.view()));
  }
  first_piece_ = 0;
  acknowledge_at_once_ = false;
  if (next != nullptr) ++next_;
}

std::span<iovec> FrameSender::pieces() {
  if (pieces_.empty()) begin_frame();
  return std::span(pieces_).subspan(pieces_.empty() ? 0 : first_piece_);
}

void FrameSender::written(std::size_t bytes) {
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
  if (writing_ != 0) written_ = writing_;
}

}  // namespace joblib_mpi
