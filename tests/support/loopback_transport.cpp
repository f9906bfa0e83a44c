#include "support/loopback_transport.hpp"

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <numeric>
#include <utility>

namespace joblib_mpi {

/// The mailboxes of all ranks, under one lock.
class LoopbackNetwork {
 public:
  LoopbackNetwork(int size, const std::vector<int>& node_heads) : ranks_(static_cast<std::size_t>(size)) {
    for (const int head : node_heads) at(head).leads = true;
  }

  [[nodiscard]] int size() const noexcept { return static_cast<int>(ranks_.size()); }

  void send(int source, int destination, Frame frame) {
    std::unique_lock lock(mutex_);
    wait_while_paused(source, lock);
    require_alive(source);
    Rank& receiver = ranks_.at(static_cast<std::size_t>(destination));
    if (!receiver.dead) receiver.mailbox.push_back({source, copied(std::move(frame))});
  }

  [[nodiscard]] bool receive(int rank, int& source, Frame& frame) {
    std::unique_lock lock(mutex_);
    wait_while_paused(rank, lock);
    require_alive(rank);
    auto& mailbox = at(rank).mailbox;
    if (mailbox.empty()) return false;
    source = mailbox.front().source;
    frame = std::move(mailbox.front().frame);
    mailbox.pop_front();
    return true;
  }

  [[nodiscard]] std::size_t broadcast(int rank, std::span<std::byte> memory, std::shared_ptr<const void> owner) {
    const std::lock_guard lock(mutex_);
    require_alive(rank);
    assert(at(rank).leads && !at(rank).broadcasts_ended);
    at(rank).broadcasts.push_back({memory, std::move(owner)});
    deliver_broadcasts();
    return at(rank).broadcasts.size();
  }

  [[nodiscard]] std::size_t broadcasts_done(int rank) {
    const std::lock_guard lock(mutex_);
    return at(rank).broadcasts_done;
  }

  void end_broadcasts(int rank) {
    const std::lock_guard lock(mutex_);
    at(rank).broadcasts_ended = true;
  }

  void die(int rank, bool found) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(at(rank).dead, true)) return;
    at(rank).mailbox.clear();
    set_paused(rank, false);
    if (found) deaths_found_.push_back(rank);
  }

  void pause(int rank, bool paused) {
    const std::lock_guard lock(mutex_);
    if (!at(rank).dead) set_paused(rank, paused);
  }

  [[nodiscard]] std::vector<int> deaths_found_since(std::size_t seen) {
    const std::lock_guard lock(mutex_);
    return {deaths_found_.begin() + static_cast<std::ptrdiff_t>(seen), deaths_found_.end()};
  }

  [[nodiscard]] bool quiet(int rank) {
    const std::lock_guard lock(mutex_);
    const Rank& state = at(rank);
    return state.mailbox.empty() && (state.broadcasts_ended || state.broadcasts_done == state.broadcasts.size());
  }

 private:
  struct Mail {
    int source;
    Frame frame;
  };
  struct Broadcast {
    std::span<std::byte> memory;
    std::shared_ptr<const void> owner;
  };
  struct Rank {
    std::deque<Mail> mailbox;
    std::vector<Broadcast> broadcasts;
    std::size_t broadcasts_done = 0;
    bool broadcasts_ended = false;
    bool dead = false;
    bool paused = false;
    bool leads = false;
  };

  Rank& at(int rank) { return ranks_[static_cast<std::size_t>(rank)]; }

  void set_paused(int rank, bool paused) {
    at(rank).paused = paused;
    pauses_changed_.notify_all();
  }

  void wait_while_paused(int rank, std::unique_lock<std::mutex>& lock) {
    pauses_changed_.wait(lock, [&] { return !at(rank).paused; });
  }

  void require_alive(int rank) {
    if (at(rank).dead) throw LoopbackRankDied();
  }

  /// Returns a copy of the frame whose parts are the receiver's memory, as they would be on another machine.
  static Frame copied(Frame frame) {
    for (SharedBytes& part : frame.parts) part = SharedBytes(copy_of(part.view()));
    return frame;
  }

  /// Delivers broadcasts: a receiver gets one once both it and rank 0 have queued it. Rank 0 is done when all receivers
  /// have it, so it is never done if one is dead.
  void deliver_broadcasts() {
    Rank& root = ranks_.front();
    if (root.broadcasts_ended) return;
    std::size_t slowest = root.broadcasts.size();
    for (auto rank = ranks_.begin() + 1; rank != ranks_.end(); ++rank) {
      if (!rank->leads) continue;
      while (!rank->broadcasts_ended && !rank->dead &&
             rank->broadcasts_done < std::min(rank->broadcasts.size(), root.broadcasts.size())) {
        const std::span<std::byte> from = root.broadcasts[rank->broadcasts_done].memory;
        Broadcast& to = rank->broadcasts[rank->broadcasts_done++];
        assert(from.size() == to.memory.size());
        std::ranges::copy(from, to.memory.begin());
        to.owner.reset();
      }
      slowest = std::min(slowest, rank->broadcasts_done);
    }
    while (root.broadcasts_done < slowest) root.broadcasts[root.broadcasts_done++].owner.reset();
  }

  std::mutex mutex_;
  std::condition_variable pauses_changed_;
  std::vector<Rank> ranks_;
  std::vector<int> deaths_found_;
};

std::vector<std::unique_ptr<LoopbackTransport>> LoopbackTransport::make_cluster(int size) {
  std::vector<int> all(static_cast<std::size_t>(size));
  std::iota(all.begin(), all.end(), 0);
  return make_cluster(size, all);
}

std::vector<std::unique_ptr<LoopbackTransport>> LoopbackTransport::make_cluster(int size,
                                                                                const std::vector<int>& node_heads) {
  const auto network = std::make_shared<LoopbackNetwork>(size, node_heads);
  std::vector<std::unique_ptr<LoopbackTransport>> cluster;
  for (int rank = 0; rank < size; ++rank) cluster.push_back(std::make_unique<LoopbackTransport>(network, rank));
  return cluster;
}

LoopbackTransport::LoopbackTransport(std::shared_ptr<LoopbackNetwork> network, int rank)
    : network_(std::move(network)), rank_(rank), given_up_(static_cast<std::size_t>(network_->size())) {}

LoopbackTransport::~LoopbackTransport() = default;

int LoopbackTransport::size() const noexcept {
  return network_->size();
}

void LoopbackTransport::send(int destination, Frame& frame) {
  Frame sent = std::exchange(frame, {});
  if (!given_up_[static_cast<std::size_t>(destination)]) network_->send(rank_, destination, std::move(sent));
}

std::optional<ArrivedFrame> LoopbackTransport::receive() {
  int source = 0;
  while (network_->receive(rank_, source, current_)) {
    if (given_up_[static_cast<std::size_t>(source)]) continue;
    return ArrivedFrame{source, {current_.body, current_.parts}};
  }
  return std::nullopt;
}

std::size_t LoopbackTransport::broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) {
  return network_->broadcast(rank_, memory, std::move(owner));
}

std::size_t LoopbackTransport::skip_broadcast(std::size_t bytes) {
  auto unread = std::make_shared<Bytes>(bytes);
  const std::span<std::byte> place(*unread);
  return network_->broadcast(rank_, place, std::move(unread));
}

void LoopbackTransport::end_broadcasts() {
  network_->end_broadcasts(rank_);
}

std::vector<int> LoopbackTransport::take_lost_ranks() {
  std::vector<int> lost = network_->deaths_found_since(deaths_seen_);
  deaths_seen_ += lost.size();
  return lost;
}

void LoopbackTransport::give_up(int rank) {
  given_up_[static_cast<std::size_t>(rank)] = true;
}

void LoopbackTransport::die(Death death) {
  network_->die(rank_, death == Death::found);
}

void LoopbackTransport::pause() {
  network_->pause(rank_, true);
}

void LoopbackTransport::resume() {
  network_->pause(rank_, false);
}

std::size_t LoopbackTransport::broadcasts_done() const noexcept {
  return network_->broadcasts_done(rank_);
}

bool LoopbackTransport::quiet() const noexcept {
  return network_->quiet(rank_);
}

}  // namespace joblib_mpi
