#pragma once

#include "transport/transport.hpp"

#include <deque>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

namespace joblib_mpi::test {

/// One rank of a cluster whose other ranks are the test. What was not scripted is refused: frames to ranks that are not
/// there or that were given up, and broadcasts.
class ScriptedTransport final : public Transport {
 public:
  ScriptedTransport(int rank, int size) : rank_(rank), size_(size) {}

  struct Sent {
    int destination;
    Frame frame;
  };

  /// The next `receive` without an older one returns it.
  void arrives(int source, Frame frame) { arriving_.push_back({source, std::move(frame)}); }
  /// What the tested code has sent since the last look.
  [[nodiscard]] std::vector<Sent> take_sent() { return std::exchange(sent_, {}); }
  void set_quiet(bool quiet) { quiet_ = quiet; }

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }
  void send(int destination, Frame& frame) override {
    if (destination < 0 || destination >= size_ || destination == rank_) throw std::logic_error("sent to a wrong rank");
    if (frame.empty()) throw std::logic_error("sent an empty frame");
    if (given_up.contains(destination)) throw std::logic_error("sent to a rank that was given up");
    sent_.push_back({destination, std::exchange(frame, {})});
  }
  [[nodiscard]] std::optional<ArrivedFrame> receive() override {
    if (arriving_.empty()) return std::nullopt;
    current_ = std::move(arriving_.front());
    arriving_.pop_front();
    return ArrivedFrame{current_.destination, {current_.frame.body, current_.frame.parts}};
  }
  [[nodiscard]] std::size_t broadcast(std::span<std::byte>, std::shared_ptr<const void>) override {
    throw std::logic_error("no broadcast was expected");
  }
  [[nodiscard]] std::size_t skip_broadcast(std::size_t) override {
    throw std::logic_error("no broadcast was expected");
  }
  [[nodiscard]] std::size_t broadcasts_done() const noexcept override { return 0; }
  void end_broadcasts() override { throw std::logic_error("no end of broadcasts was expected"); }
  [[nodiscard]] std::vector<int> take_lost_ranks() override { return std::exchange(found_dead, {}); }
  void give_up(int rank) override {
    if (!given_up.insert(rank).second) throw std::logic_error("a rank was given up twice");
  }
  void progress() override {}
  [[nodiscard]] bool quiet() const noexcept override { return quiet_; }

  std::vector<int> found_dead;  // what the next take_lost_ranks says
  std::set<int> given_up;

 private:
  int rank_;
  int size_;
  bool quiet_ = true;
  std::deque<Sent> arriving_;  // with the source for the destination
  Sent current_;
  std::vector<Sent> sent_;
};

}  // namespace joblib_mpi::test
