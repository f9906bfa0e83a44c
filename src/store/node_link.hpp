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
#include <vector>

namespace joblib_mpi {

/// One end of the socket between a node's head, which has the objects, and another rank of the node, which maps them.
///
/// Nothing here waits: what the socket does not take at once goes with a later call. If the other end is gone, what was
/// lent to it is free, and what was borrowed from it stays.
class NodeLink {
 public:
  /// A connected socket that keeps the bounds of messages. Both must stay as long as this.
  NodeLink(Descriptor socket, SegmentPool& pool);

  /// Both ends begin the next run of their session, in which objects have the same ids again.
  void begin_run() noexcept { ++run_; }

  // The node head's.
  /// The object's bytes are `block`, which lies in the pool.
  void offer(ObjectId object, const SharedBytes& block);
  /// The node has no room for the object, for that reason.
  void refuse(ObjectId object, std::string_view reason);

  // The others'.
  struct Offer {
    ObjectId object;
    std::optional<SharedBytes> block;  ///< none if the node has no room
    std::string refusal;
  };
  /// The next object that the node head has offered or refused, if any. Throws std::system_error if its memory cannot
  /// be mapped.
  [[nodiscard]] std::optional<Offer> take_offer();

  // Both ends'.
  /// Sends what waits, and takes back what is not used any more.
  void settle();
  /// Lets the other end know what is not used here any more. Costs next to nothing if that is nothing.
  void send_returned();
  /// Whether something waits to be sent.
  [[nodiscard]] bool has_waiting() const noexcept { return !waiting_.empty(); }
  /// Blocks that the other end has of this one.
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
    std::shared_ptr<const Segment> segment;  // to be handed over with it
  };

  void send(const Header& header, std::span<const std::byte> rest = {},
            std::shared_ptr<const Segment> segment = nullptr);
  void flush();
  /// Takes what is there, up to the next offer.
  bool receive();

  Descriptor socket_;
  SegmentExchange exchange_;
  std::deque<Waiting> waiting_;
  struct ArrivedOffer {
    std::uint32_t run;
    Offer offer;
  };
  std::deque<ArrivedOffer> offers_;
  std::uint32_t run_ = 0;
  bool open_ = true;
};

/// The links of one rank: with the others of its node if it is the node head, else with the node head.
struct NodeLinks {
  std::vector<std::unique_ptr<NodeLink>> members;
  std::unique_ptr<NodeLink> head;

  void begin_run() {
    for (const auto& member : members) member->begin_run();
    if (head) head->begin_run();
  }
};

}  // namespace joblib_mpi
