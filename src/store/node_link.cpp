#include "store/node_link.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>
#include <utility>

namespace joblib_mpi {
namespace {

/// The limit for one message; sockets accept far longer ones.
constexpr std::size_t most_message_bytes = 8192;

}  // namespace

NodeLink::NodeLink(Descriptor socket, SegmentPool& pool)
    : socket_(std::move(socket)), exchange_(pool, SegmentExchange::Lending::borrowed_too) {}

void NodeLink::offer(ObjectId object, const SharedBytes& block) {
  std::vector<SegmentExchange::Handover> handovers;
  const PartReference reference = exchange_.lend(block, Access::read_only, handovers);
  for (auto& [segment, access] : handovers) {
    const Header header{.kind = Kind::hand_over,
                        .block = {.loan = 0, .segment = segment->id(), .offset = 0, .bytes = 0, .access = access},
                        .segment_bytes = segment->bytes().size()};
    send(header, {}, std::move(segment));
  }
  send({.kind = Kind::offer, .run = run_, .object = object, .block = reference});
}

void NodeLink::refuse(ObjectId object, std::string_view reason) {
  reason = reason.substr(0, most_message_bytes - sizeof(Header));
  send({.kind = Kind::refuse, .run = run_, .object = object}, std::as_bytes(std::span(reason)));
}

void NodeLink::send(const Header& header, std::span<const std::byte> rest, std::shared_ptr<const Segment> segment) {
  if (!open_) return;
  Waiting& last = waiting_.emplace_back(Bytes(sizeof header + rest.size()), std::move(segment));
  std::memcpy(last.message.data(), &header, sizeof header);
  if (!rest.empty()) std::memcpy(last.message.data() + sizeof header, rest.data(), rest.size());
  flush();
}

void NodeLink::flush() {
  while (!waiting_.empty()) {
    const Waiting& next = waiting_.front();
    const int descriptor = next.segment ? next.segment->descriptor() : -1;
    if (send_message(socket_, next.message, descriptor, false) != Sending::done)
      return;  // the socket is full, or closed, which `receive` will notice
    waiting_.pop_front();
  }
}

void NodeLink::send_returned() {
  const std::vector<std::uint64_t> loans = exchange_.take_returned();
  constexpr std::size_t most = (most_message_bytes - sizeof(Header)) / sizeof(std::uint64_t);
  for (std::span<const std::uint64_t> rest(loans); !rest.empty();) {
    const auto some = rest.first(std::min(most, rest.size()));
    send({.kind = Kind::end_loans}, std::as_bytes(some));
    rest = rest.subspan(some.size());
  }
}

void NodeLink::settle() {
  if (!open_) return;
  for (const std::uint64_t segment : exchange_.take_dropped()) {
    send({.kind = Kind::unmap, .block = {.loan = 0, .segment = segment, .offset = 0, .bytes = 0, .access = {}}});
  }
  send_returned();
  flush();
  while (receive()) {
  }
}

std::optional<NodeLink::Offer> NodeLink::take_offer() {
  if (offers_.empty()) settle();
  while (!offers_.empty() && offers_.front().run < run_) offers_.pop_front();
  if (offers_.empty() || offers_.front().run > run_) return std::nullopt;
  Offer offer = std::move(offers_.front().offer);
  offers_.pop_front();
  return offer;
}

void NodeLink::map(const Header& header, ReceivedMessage& received) {
  const std::uint64_t segment = header.block.segment;
  try {
    if (received.lost_descriptor) throw std::system_error(no_more_files());
    exchange_.map(segment, header.segment_bytes, header.block.access, std::move(received.descriptor));
    unmapped_.erase(segment);
  } catch (const std::system_error& error) {
    unmapped_.insert_or_assign(segment, error.what());
  }
}

NodeLink::Offer NodeLink::offer_of(const Header& header) {
  const auto unmapped = unmapped_.find(header.block.segment);
  if (unmapped == unmapped_.end()) return {header.object, exchange_.borrow(header.block), {}};
  send({.kind = Kind::end_loans}, std::as_bytes(std::span(&header.block.loan, 1)));
  return {header.object, std::nullopt, unmapped->second};
}

bool NodeLink::receive() {
  std::array<std::byte, most_message_bytes> message;
  while (open_) {
    auto received = receive_message(socket_, message, false);
    if (!received) return false;
    if (received->bytes < sizeof(Header)) {
      open_ = false;
      waiting_.clear();
      exchange_.end_all_loans();
      return false;
    }
    Header header{};
    std::memcpy(&header, message.data(), sizeof header);
    const auto rest = std::span<const std::byte>(message).first(received->bytes).subspan(sizeof header);
    switch (header.kind) {
      case Kind::hand_over:
        map(header, *received);
        break;
      case Kind::unmap:
        unmapped_.erase(header.block.segment);
        exchange_.unmap(header.block.segment);
        break;
      case Kind::end_loans:
        for (std::size_t at = 0; at + sizeof(std::uint64_t) <= rest.size(); at += sizeof(std::uint64_t)) {
          std::uint64_t loan = 0;
          std::memcpy(&loan, rest.data() + at, sizeof loan);
          exchange_.end_loan(loan);
        }
        break;
      case Kind::offer:
        offers_.push_back({header.run, offer_of(header)});
        return true;
      case Kind::refuse:
        offers_.push_back(
            {header.run, {header.object, std::nullopt, {reinterpret_cast<const char*>(rest.data()), rest.size()}}});
        return true;
    }
  }
  return false;
}

}  // namespace joblib_mpi
