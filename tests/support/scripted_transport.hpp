#pragma once

#include "transport/transport.hpp"

#include <deque>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi::test {

/// The transport of one rank in a cluster in which the test plays the other ranks. It refuses what a test does not
/// expect: broadcasts, and frames to ranks that do not exist or were given up.
class ScriptedTransport final : public Transport {
 public:
  ScriptedTransport(int rank, int size) : rank_(rank), size_(size) {}

  struct Sent {
    int destination;
    Frame frame;
    std::string no_room = {};
  };

  /// Queues a frame, which `receive` returns after those queued earlier.
  void arrives(int source, Frame frame) { arriving_.push_back({source, std::move(frame)}); }
  /// Queues a frame for whose parts this rank has no memory.
  void arrives_without_parts(int source, Frame frame, std::string reason) {
    for (SharedBytes& part : frame.parts) part = {};
    arriving_.push_back({source, std::move(frame), std::move(reason)});
  }
  /// Returns the frames that the tested code has sent since the last call.
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
    return ArrivedFrame{current_.destination, {current_.frame.body, current_.frame.parts, current_.no_room}};
  }
  [[nodiscard]] std::size_t broadcast(std::span<std::byte>, std::shared_ptr<const void>) override {
    throw std::logic_error("no broadcast was expected");
  }
  [[nodiscard]] std::size_t skip_broadcast(std::size_t) override {
    throw std::logic_error("no broadcast was expected");
  }
  [[nodiscard]] std::size_t broadcasts_done() const noexcept override { return 0; }
  void end_broadcasts() override { throw std::logic_error("no end of broadcasts was expected"); }
  [[nodiscard]] std::vector<int> take_heard_ranks() override { return std::exchange(heard, {}); }
  [[nodiscard]] std::vector<int> take_lost_ranks() override { return std::exchange(found_dead, {}); }
  [[nodiscard]] bool tells_of_dead_ranks() const noexcept override { return tells; }
  void give_up(int rank) override {
    if (!given_up.insert(rank).second) throw std::logic_error("a rank was given up twice");
  }
  void progress() override {}
  [[nodiscard]] bool quiet() const noexcept override { return quiet_; }

  std::vector<int> heard;       // the answer of the next take_heard_ranks
  std::vector<int> found_dead;  // the answer of the next take_lost_ranks
  std::set<int> given_up;
  bool tells = false;

 private:
  int rank_;
  int size_;
  bool quiet_ = true;
  std::deque<Sent> arriving_;  // with the source in place of the destination
  Sent current_;
  std::vector<Sent> sent_;
};

}  // namespace joblib_mpi::test
