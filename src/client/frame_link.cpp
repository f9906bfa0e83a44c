#include "client/frame_link.hpp"

#include "client/stream_io.hpp"
#include <joblib_mpi/error.hpp>

#include <new>
#include <utility>

namespace joblib_mpi {
namespace {

// Chosen, not measured: seldom enough to cost nothing, and soon enough that the other end keeps little.
constexpr std::size_t acknowledge_bytes = std::size_t{1} << 20;
constexpr std::uint64_t acknowledge_frames = 64;
constexpr std::chrono::milliseconds acknowledge_after{100};

}  // namespace

void FrameLink::connect(Descriptor socket, std::uint64_t received, double heartbeat_seconds, const LinkMemory& memory) {
  receiver_.reset();
  lent_.reset();
  borrowed_.reset();
  if (memory.lending != nullptr) {
    lent_.emplace(*memory.lending);
    borrowed_.emplace(memory.on_return, memory.arriving);
  }
  receiver_.emplace(borrowed_ ? &*borrowed_ : nullptr, memory.arriving);
  sender_.restart(received, lent_ ? &*lent_ : nullptr);
  heartbeat_ = LinkHeartbeat(heartbeat_seconds);
  socket_ = std::move(socket);
  why_gone_.clear();
}

void FrameLink::end_connection(std::string why) {
  socket_.close();
  why_gone_ = std::move(why);
}

std::optional<Frame> FrameLink::receive() {
  if (!receiver_) return std::nullopt;  // there was no connection yet
  try {
    while (auto received = receiver_->next()) {
      const FrameHead& head = received->head;
      sender_.arrived(head.acknowledged);
      if (lent_) lent_->end_loans(received->returned);
      if (head.number == 0 || head.number <= received_) continue;  // it came before the last connection was cut
      if (head.number != received_ + 1) throw SerializationError("a message from the other end is missing");
      ++received_;
      untold_bytes_ += head.body_bytes;
      for (const SharedBytes& part : received->frame.parts) untold_bytes_ += part.size();
      sender_.acknowledge(received_, false);
      if (untold_bytes_ >= acknowledge_bytes || received_ - told_ >= acknowledge_frames) acknowledge_now();
      return std::move(received->frame);
    }
  } catch (const SerializationError& error) {
    end_connection(error.what());
  } catch (const std::bad_alloc&) {
    end_connection("there is no memory for a message of the other end");
  }
  return std::nullopt;
}

void FrameLink::attend(Clock::time_point now) {
  if (!connected()) return;  // a greeting tells what has arrived
  if (borrowed_) {
    if (auto loans = borrowed_->take_returned(); !loans.empty()) sender_.give_back(std::move(loans));
  }
  if (heartbeat_.must_speak(now)) acknowledge_now();
  if (told_ == received_) return;
  if (!owes_since_) owes_since_ = now;
  if (now - *owes_since_ >= acknowledge_after) acknowledge_now();
}

FrameLink::Clock::time_point FrameLink::next_attention() const noexcept {
  return connected() && owes_since_ ? *owes_since_ + acknowledge_after : Clock::time_point::max();
}

void FrameLink::acknowledge_now() {
  sender_.acknowledge(received_, true);
  told_ = received_;
  untold_bytes_ = 0;
  owes_since_.reset();
}

void FrameLink::write() {
  while (has_more()) {
    const std::span<iovec> pieces = sender_.pieces();
    Moved moved = send_now(socket_, pieces, sender_.descriptors());
    if (moved.is_gone) return end_connection(std::move(moved.why));
    if (moved.bytes == 0) return;
    sender_.written(moved.bytes);
    heartbeat_.said();
  }
}

bool FrameLink::read() {
  if (!connected()) return false;
  const std::span<std::byte> space = receiver_->space();
  Moved moved = borrowed_ ? receive_now(socket_, space, receiver_->descriptors()) : receive_now(socket_, space);
  has_filled_space_ = moved.bytes == space.size();
  if (moved.is_gone) end_connection(std::move(moved.why));
  if (moved.bytes == 0) return false;
  receiver_->filled(moved.bytes);
  heartbeat_.heard();
  return true;
}

}  // namespace joblib_mpi
