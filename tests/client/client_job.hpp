#pragma once

#include "backends/sequential_backend.hpp"
#include "client/client.hpp"
#include "server/client_server.hpp"
#include "support/catch.hpp"
#include "support/loopback_cluster.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/delayed.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace client_test {

inline std::string shout(const std::string& word) {
  return word + "!";
}

inline std::vector<double> twice(std::vector<double> values) {
  for (double& value : values) value *= 2;
  return values;
}

inline std::atomic<bool> may_end{false};
inline std::atomic<int> started{0};
inline int wait_for_the_test() {
  ++started;
  while (!may_end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return 1;
}

}  // namespace client_test

namespace joblib_mpi::test {

constexpr std::chrono::seconds patience{60};

/// A job whose rank 0 has no program: one thread drives, and another serves clients.
struct Job {
  explicit Job(int workers = 2, std::size_t most_untaken_bytes = std::size_t{256} << 20)
      : cluster(workers),
        server(std::in_place, cluster.driver(),
               ClientServer::Options{.socket = folder / "socket",
                                     .identity = "version 1",
                                     .hosts = {"host0", "host1", "host2"},
                                     .most_untaken_bytes = most_untaken_bytes,
                                     .segments = &segments}),
        driving([this](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            if (!cluster.driver().drive()) std::this_thread::yield();
          }
        }) {}
  ~Job() { server.reset(); }

  [[nodiscard]] std::filesystem::path socket() const { return folder / "socket"; }
  void wait_for_clients(std::size_t number) const {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (server->n_clients() != number && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(server->n_clients() == number);
  }

  TemporaryFolder folder;
  SegmentPool segments;
  LoopbackCluster cluster;
  std::optional<ClientServer> server;
  std::jthread driving;
};

/// Returns the task that calls `function`.
template <auto function, class... Arguments>
TaskRequest task_of(std::uint64_t index, Arguments&&... arguments) {
  SequentialBackend keeps_arrays_in_the_task;
  auto call = delayed<function>(std::forward<Arguments>(arguments)...);
  return {index, "name", call.save(keeps_arrays_in_the_task).payload, {}};
}

template <class T>
T value_of(const FinishedTask& task) {
  CHECK(task.ending == TaskEnding::returned);
  PayloadReader reader(task.result);
  return load<T>(reader);
}

/// Waits for so many results.
inline std::vector<FinishedTask> results(Client& client, std::size_t number) {
  std::vector<FinishedTask> all;
  while (all.size() < number) {
    std::vector<FinishedTask> some = client.next_results(1);
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace joblib_mpi::test
