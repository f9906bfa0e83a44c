#pragma once

#include "transport/transport.hpp"

#include <memory>
#include <vector>

namespace joblib_mpi {

class LoopbackNetwork;

/// What a dead rank's own calls throw, so that its loop ends as its process would.
struct LoopbackRankDied {};

/// A transport between threads of one process: a whole cluster in a unit test.
class LoopbackTransport final : public Transport {
 public:
  /// One transport per rank, connected with each other. Each may be used by a thread of its own.
  [[nodiscard]] static std::vector<std::unique_ptr<LoopbackTransport>> make_cluster(int size);
  /// The same with these ranks as node heads; 0 must be one. Otherwise all are.
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
  [[nodiscard]] std::vector<int> take_lost_ranks() override;
  void give_up(int rank) override;
  void progress() override {}
  [[nodiscard]] bool quiet() const noexcept override;

  /// Whether the other ranks hear of a death from their transports.
  enum class Death { found, silent };
  /// Any thread may call it: this rank is dead from now on. What it has sent arrives, nothing else ever does.
  void die(Death death);

 private:
  std::shared_ptr<LoopbackNetwork> network_;
  int rank_;
  std::size_t deaths_seen_ = 0;
  std::vector<bool> given_up_;  // by rank
  Frame current_;               // what the last receive() views
};

}  // namespace joblib_mpi
