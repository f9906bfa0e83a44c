#include "probe/mpi_ping_pong.hpp"

#include "mpi/mpi_check.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

namespace joblib_mpi::launch {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int ping_order_tag = 101;
constexpr int answer_tag = 102;

/// The content of an 8-byte message: it tells the other rank what to do next.
enum class Order : std::int64_t { echo, take_large, stop };

/// Rounds that are not counted, because MPI makes connections with the first messages.
constexpr int warm_up_rounds = 10;
constexpr std::size_t most_rounds = 2000;
constexpr std::size_t most_large = 20;

void say(MPI_Comm communicator, int rank, int tag, Order order) {
  check_mpi(MPI_Send(&order, 1, MPI_INT64_T, rank, tag, communicator), "MPI_Send");
}

Order hear(MPI_Comm communicator, int rank, int tag) {
  Order order{};
  check_mpi(MPI_Recv(&order, 1, MPI_INT64_T, rank, tag, communicator, MPI_STATUS_IGNORE), "MPI_Recv");
  return order;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

LinkSpeed measure_link(MPI_Comm communicator, int rank, std::size_t bytes, double limit_seconds) {
  const auto round_trip = [&] {
    const auto start = Clock::now();
    say(communicator, rank, ping_order_tag, Order::echo);
    static_cast<void>(hear(communicator, rank, answer_tag));
    return seconds_since(start);
  };
  const auto large = [&, data = std::vector<char>(bytes, 'x')] {
    say(communicator, rank, ping_order_tag, Order::take_large);
    const auto start = Clock::now();
    check_mpi(MPI_Send(data.data(), static_cast<int>(data.size()), MPI_CHAR, rank, ping_order_tag, communicator),
              "MPI_Send");
    static_cast<void>(hear(communicator, rank, answer_tag));
    return seconds_since(start);
  };

  auto start = Clock::now();
  for (int round = 0; round < warm_up_rounds && seconds_since(start) < limit_seconds / 2; ++round) round_trip();
  start = Clock::now();
  std::vector<double> trips;
  do {
    trips.push_back(round_trip());
  } while (trips.size() < most_rounds && seconds_since(start) < limit_seconds / 2);
  start = Clock::now();
  std::vector<double> transfers;
  do {
    transfers.push_back(large());
  } while (transfers.size() < most_large && seconds_since(start) < limit_seconds / 2);
  say(communicator, rank, ping_order_tag, Order::stop);

  std::ranges::nth_element(trips, trips.begin() + static_cast<std::ptrdiff_t>(trips.size() / 2));
  const double trip = trips[trips.size() / 2];
  const double fastest = *std::ranges::min_element(transfers);
  return {.latency_microseconds = trip / 2 * 1e6, .megabytes_per_second = static_cast<double>(bytes) / fastest / 1e6};
}

void answer_ping_pong(MPI_Comm communicator, int rank, std::size_t bytes) {
  std::vector<char> data(bytes);
  for (;;) {
    const Order order = hear(communicator, rank, ping_order_tag);
    if (order == Order::stop) return;
    if (order == Order::take_large) {
      check_mpi(MPI_Recv(data.data(), static_cast<int>(data.size()), MPI_CHAR, rank, ping_order_tag, communicator,
                         MPI_STATUS_IGNORE),
                "MPI_Recv");
    }
    say(communicator, rank, answer_tag, Order::echo);
  }
}

}  // namespace joblib_mpi::launch
