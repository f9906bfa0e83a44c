#pragma once

#include "transport/transport.hpp"

#include <memory>
#include <vector>

namespace joblib_mpi {

class LoopbackNetwork;

/// The exception that a dead rank's calls throw, so that its loop ends as its process would.
struct LoopbackRankDied {};

/// A transport between threads of one process, for a whole cluster in a unit test.
class LoopbackTransport final : public Transport {
 public:
  /// Returns one transport per rank, connected with each other. Each may be used by a different thread.
  [[nodiscard]] static std::vector<std::unique_ptr<LoopbackTransport>> make_cluster(int size);
  /// Returns one transport per rank, with the given ranks as node heads, of which 0 must be one. In clusters made
  /// without such a list all ranks are node heads.
  [[nodiscard]] static std::vector<std::unique_ptr<LoopbackTransport>> make_cluster(int size,
                                                                                    const std::vector<int>& node_heads);

  LoopbackTransport(std::shared_ptr<LoopbackNetwork> network, int rank);
  ~LoopbackTransport() override;

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override;
  void send(int destination, Frame& frame) override;
  [[nodiscard]] std::optional<ArrivedFrame> receive() override;
  [[nodiscard]] std::size_t broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) override;
  [[nodiscard]] std::size_t skip_broadcast(std::size_t bytes) override;
  [[nodiscard]] std::size_t broadcasts_done() const noexcept override;
  void end_broadcasts() override;
  [[nodiscard]] std::vector<int> take_heard_ranks() override { return {}; }
  [[nodiscard]] std::vector<int> take_lost_ranks() override;
  [[nodiscard]] bool tells_of_dead_ranks() const noexcept override { return true; }
  void give_up(int rank) override;
  void progress() override {}
  [[nodiscard]] bool quiet() const noexcept override;

  /// True if the transports of other ranks report the death of a rank.
  enum class Death { found, silent };
  /// Makes this rank dead from now on. What it has sent still arrives; nothing else does. Thread-safe.
  void die(Death death);
  /// Makes this rank's calls wait until `resume`, as those of a stopped process do. Thread-safe.
  void pause();
  /// Lets a paused rank go on. Thread-safe.
  void resume();

 private:
  std::shared_ptr<LoopbackNetwork> network_;
  int rank_;
  std::size_t deaths_seen_ = 0;
  std::vector<bool> given_up_;  // by rank
  Frame current_;               // the frame that the last receive() views
};

}  // namespace joblib_mpi
