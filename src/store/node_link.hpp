#pragma once

#include "core/ids.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment_exchange.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

/// One end of the socket between a node head, which has the objects, and another rank of its node, which maps them.
///
/// All functions are non-blocking: what the socket does not accept at once is sent by a later call. If the other end is
/// closed, memory that was lent to it is free again, and memory that was borrowed from it stays valid.
class NodeLink {
 public:
  /// Takes over a connected socket that keeps the bounds of messages. `pool` must outlive the link.
  NodeLink(Descriptor socket, SegmentPool& pool);

  /// Begins the next run of the session, in which object ids start over. Both ends must call it.
  void begin_run() noexcept { ++run_; }

  // For the node head:
  /// Offers an object whose bytes are `block`, which lies in the pool.
  void offer(ObjectId object, const SharedBytes& block);
  /// Tells the other end that the node has no room for the object, and why.
  void refuse(ObjectId object, std::string_view reason);

  // For the other ranks of the node:
  /// An object that the node head has offered or refused.
  struct Offer {
    ObjectId object;
    std::optional<SharedBytes> block;  ///< empty if the node has no room
    std::string refusal;               ///< the reason, if `block` is empty
  };
  /// Returns the next object that the node head has offered or refused, if any. An object whose memory this process
  /// cannot map counts as refused.
  [[nodiscard]] std::optional<Offer> take_offer();

  // For both ends:
  /// Sends what is queued, and takes back memory that the other end does not use any more.
  void settle();
  /// Tells the other end which of its memory this end does not use any more. Costs next to nothing if there is none.
  void send_returned();
  /// Returns whether messages are queued.
  [[nodiscard]] bool has_waiting() const noexcept { return !waiting_.empty(); }
  /// Returns the number of blocks of this end that the other end uses.
  [[nodiscard]] std::size_t lent() const noexcept { return exchange_.lent(); }

 private:
  enum class Kind : std::uint8_t { hand_over, unmap, offer, refuse, end_loans };
  struct Header {
    Kind kind;
    std::uint32_t run = 0;
    ObjectId object = {};
    PartReference block = {};
    std::uint64_t segment_bytes = 0;
  };
  struct Waiting {
    Bytes message;
    std::shared_ptr<const Segment> segment;  // the segment whose descriptor goes with the message, or null
  };

  void send(const Header& header, std::span<const std::byte> rest = {},
            std::shared_ptr<const Segment> segment = nullptr);
  void flush();
  /// Maps a segment that the other end has handed over, or notes why that is impossible.
  void map(const Header& header, ReceivedMessage& received);
  /// Returns the object that the other end offers, or its refusal if its segment could not be mapped.
  [[nodiscard]] Offer offer_of(const Header& header);
  /// Receives messages up to the next offer. Returns false if there is no offer.
  bool receive();

  Descriptor socket_;
  SegmentExchange exchange_;
  std::deque<Waiting> waiting_;
  std::unordered_map<std::uint64_t, std::string> unmapped_;  // segments that could not be mapped, and why
  struct ArrivedOffer {
    std::uint32_t run;
    Offer offer;
  };
  std::deque<ArrivedOffer> offers_;
  std::uint32_t run_ = 0;
  bool open_ = true;
};

/// The links of one rank: a node head's links to the other ranks of its node, or another rank's link to its node head.
struct NodeLinks {
  std::vector<std::unique_ptr<NodeLink>> members;
  std::unique_ptr<NodeLink> head;

  /// Begins the next run of the session on all links.
  void begin_run() {
    for (const auto& member : members) member->begin_run();
    if (head) head->begin_run();
  }
};

}  // namespace joblib_mpi
