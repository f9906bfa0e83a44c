#pragma once

#include "farm.hpp"

#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <vector>

/// A farm written by hand, of MPI_Send and MPI_Recv. A message without tasks ends it.
class BareFarm final : public Farm {
 public:
  /// Keeps `messages_in_flight` messages at each worker, with `tasks_per_message` tasks each.
  BareFarm(std::string name, MPI_Comm communicator, std::size_t messages_in_flight, std::size_t tasks_per_message)
      : Farm(std::move(name)),
        communicator_(communicator),
        messages_in_flight_(messages_in_flight),
        tasks_per_message_(tasks_per_message) {
    MPI_Comm_rank(communicator, &rank_);
    MPI_Comm_size(communicator, &size_);
  }

  std::vector<std::uint32_t> run(std::span<const std::uint32_t> tasks) override {
    if (rank_ == 0) return lead(tasks);
    serve();
    return {};
  }

 private:
  std::vector<std::uint32_t> lead(std::span<const std::uint32_t> tasks) {
    std::vector<std::uint32_t> results(tasks.size());
    std::vector<std::deque<std::size_t>> first_tasks(static_cast<std::size_t>(size_));  // by rank, one a message
    std::size_t sent = 0;
    const auto send_next = [&](int worker) {
      if (sent == tasks.size()) return;
      const std::size_t count = std::min(tasks_per_message_, tasks.size() - sent);
      MPI_Send(&tasks[sent], static_cast<int>(count), MPI_UINT32_T, worker, 0, communicator_);
      first_tasks[static_cast<std::size_t>(worker)].push_back(sent);
      sent += count;
    };
    for (std::size_t message = 0; message < messages_in_flight_; ++message) {
      for (int worker = 1; worker < size_; ++worker) send_next(worker);
    }
    std::vector<std::uint32_t> arrived(tasks_per_message_);
    for (std::size_t received = 0; received < tasks.size();) {
      MPI_Status status;
      MPI_Recv(arrived.data(), static_cast<int>(arrived.size()), MPI_UINT32_T, MPI_ANY_SOURCE, 0, communicator_,
               &status);
      int count = 0;
      MPI_Get_count(&status, MPI_UINT32_T, &count);
      auto& firsts = first_tasks[static_cast<std::size_t>(status.MPI_SOURCE)];
      std::copy_n(arrived.begin(), count, results.begin() + static_cast<std::ptrdiff_t>(firsts.front()));
      firsts.pop_front();
      received += static_cast<std::size_t>(count);
      send_next(status.MPI_SOURCE);
    }
    for (int worker = 1; worker < size_; ++worker) MPI_Send(nullptr, 0, MPI_UINT32_T, worker, 0, communicator_);
    return results;
  }

  void serve() {
    std::vector<std::uint32_t> tasks(tasks_per_message_);
    while (true) {
      MPI_Status status;
      MPI_Recv(tasks.data(), static_cast<int>(tasks.size()), MPI_UINT32_T, 0, 0, communicator_, &status);
      int count = 0;
      MPI_Get_count(&status, MPI_UINT32_T, &count);
      if (count == 0) return;
      std::transform(tasks.begin(), tasks.begin() + count, tasks.begin(), work);
      MPI_Send(tasks.data(), count, MPI_UINT32_T, 0, 0, communicator_);
    }
  }

  MPI_Comm communicator_;
  std::size_t messages_in_flight_;
  std::size_t tasks_per_message_;
  int rank_ = 0;
  int size_ = 0;
};
