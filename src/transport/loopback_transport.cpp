#include "transport/loopback_transport.hpp"

#include <algorithm>
#include <cassert>
#include <deque>
#include <mutex>
#include <utility>

namespace joblib_mpi {

/// The mailboxes of all ranks, under one lock.
class LoopbackNetwork {
 public:
  explicit LoopbackNetwork(int size) : ranks_(static_cast<std::size_t>(size)) {}

  [[nodiscard]] int size() const noexcept { return static_cast<int>(ranks_.size()); }

  void send(int source, int destination, Frame frame) {
    const std::lock_guard lock(mutex_);
    ranks_.at(static_cast<std::size_t>(destination)).mailbox.push_back({source, copied(std::move(frame))});
  }

  [[nodiscard]] bool receive(int rank, int& source, Frame& frame) {
    const std::lock_guard lock(mutex_);
    auto& mailbox = at(rank).mailbox;
    if (mailbox.empty()) return false;
    source = mailbox.front().source;
    frame = std::move(mailbox.front().frame);
    mailbox.pop_front();
    return true;
  }

  [[nodiscard]] std::size_t broadcast(int rank, std::span<std::byte> memory) {
    const std::lock_guard lock(mutex_);
    at(rank).broadcasts.push_back(memory);
    deliver_broadcasts();
    return at(rank).broadcasts.size();
  }

  [[nodiscard]] std::size_t broadcasts_done(int rank) {
    const std::lock_guard lock(mutex_);
    return at(rank).broadcasts_done;
  }

  [[nodiscard]] bool quiet(int rank) {
    const std::lock_guard lock(mutex_);
    return at(rank).mailbox.empty() && at(rank).broadcasts_done == at(rank).broadcasts.size();
  }

 private:
  struct Mail {
    int source;
    Frame frame;
  };
  struct Rank {
    std::deque<Mail> mailbox;
    std::vector<std::span<std::byte>> broadcasts;
    std::size_t broadcasts_done = 0;
  };

  Rank& at(int rank) { return ranks_[static_cast<std::size_t>(rank)]; }

  /// The receiver's parts are memory of its own, as they would be on another machine.
  static Frame copied(Frame frame) {
    for (SharedBytes& part : frame.parts) part = SharedBytes(copy_of(part.view()));
    return frame;
  }

  /// A receiver gets a broadcast once it and rank 0 have queued it; rank 0 is done when all have it.
  void deliver_broadcasts() {
    Rank& root = ranks_.front();
    std::size_t slowest = root.broadcasts.size();
    for (auto rank = ranks_.begin() + 1; rank != ranks_.end(); ++rank) {
      for (; rank->broadcasts_done < std::min(rank->broadcasts.size(), root.broadcasts.size());
           ++rank->broadcasts_done) {
        const std::span<std::byte> from = root.broadcasts[rank->broadcasts_done];
        const std::span<std::byte> to = rank->broadcasts[rank->broadcasts_done];
        assert(from.size() == to.size());
        std::ranges::copy(from, to.begin());
      }
      slowest = std::min(slowest, rank->broadcasts_done);
    }
    root.broadcasts_done = slowest;
  }

  std::mutex mutex_;
  std::vector<Rank> ranks_;
};

std::vector<std::unique_ptr<LoopbackTransport>> LoopbackTransport::make_cluster(int size) {
  const auto network = std::make_shared<LoopbackNetwork>(size);
  std::vector<std::unique_ptr<LoopbackTransport>> cluster;
  for (int rank = 0; rank < size; ++rank) cluster.push_back(std::make_unique<LoopbackTransport>(network, rank));
  return cluster;
}

LoopbackTransport::LoopbackTransport(std::shared_ptr<LoopbackNetwork> network, int rank)
    : network_(std::move(network)), rank_(rank) {}

LoopbackTransport::~LoopbackTransport() = default;

int LoopbackTransport::size() const noexcept {
  return network_->size();
}

void LoopbackTransport::send(int destination, Frame& frame) {
  network_->send(rank_, destination, std::exchange(frame, {}));
}

std::optional<ArrivedFrame> LoopbackTransport::receive() {
  int source = 0;
  if (!network_->receive(rank_, source, current_)) return std::nullopt;
  return ArrivedFrame{source, {current_.body, current_.parts}};
}

std::size_t LoopbackTransport::broadcast(std::span<std::byte> memory, std::shared_ptr<const void>) {
  return network_->broadcast(rank_, memory);
}

std::size_t LoopbackTransport::broadcasts_done() const noexcept {
  return network_->broadcasts_done(rank_);
}

bool LoopbackTransport::quiet() const noexcept {
  return network_->quiet(rank_);
}

}  // namespace joblib_mpi
