#include "probe/mpi_text_messages.hpp"

#include "mpi/mpi_abandoned_memory.hpp"
#include "mpi/mpi_check.hpp"
#include "mpi/mpi_failures.hpp"

#include <memory>
#include <thread>

namespace joblib_mpi::launch {
namespace {

using Clock = std::chrono::steady_clock;

/// The pause between two polls.
constexpr std::chrono::microseconds look_pause{500};

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

/// Waits until the request is complete. Returns false at the deadline or if the other rank is dead; then the memory is
/// never freed, because MPI may still use it.
bool complete(MPI_Request& request, Clock::time_point deadline, const std::shared_ptr<std::string>& memory) {
  for (;;) {
    int done = 0;
    const int code = MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (!is_rank_failure(code)) check_mpi(code, "MPI_Test");
    if (code == MPI_SUCCESS && done != 0) return true;
    if (code != MPI_SUCCESS || Clock::now() >= deadline) {
      abandon_to_mpi(memory);
      return false;
    }
    std::this_thread::sleep_for(look_pause);
  }
}

}  // namespace

bool TextMessages::send(int rank, int tag, std::string text, double limit_seconds) const {
  const auto memory = std::make_shared<std::string>(std::move(text));
  MPI_Request request = MPI_REQUEST_NULL;
  const int code =
      MPI_Isend(memory->data(), static_cast<int>(memory->size()), MPI_CHAR, rank, tag, communicator_, &request);
  if (is_rank_failure(code)) return false;
  check_mpi(code, "MPI_Isend");
  return complete(request, after(limit_seconds), memory);
}

std::optional<std::string> TextMessages::receive(int rank, int tag, double limit_seconds) const {
  auto arrived = receive_until(rank, tag, after(limit_seconds));
  if (!arrived) return std::nullopt;
  return std::move(arrived->second);
}

std::map<int, std::string> TextMessages::receive_from_others(int tag, double limit_seconds) const {
  int size = 0;
  check_mpi(MPI_Comm_size(communicator_, &size), "MPI_Comm_size");
  std::map<int, std::string> texts;
  const auto deadline = after(limit_seconds);
  while (static_cast<int>(texts.size()) < size - 1) {
    auto arrived = receive_until(MPI_ANY_SOURCE, tag, deadline);
    if (!arrived) break;
    texts.insert(std::move(*arrived));
  }
  return texts;
}

std::optional<TextMessages::Arrived> TextMessages::receive_until(int rank, int tag, Clock::time_point deadline) const {
  for (;;) {
    int arrived = 0;
    MPI_Status status;
    const int code = MPI_Iprobe(rank, tag, communicator_, &arrived, &status);
    // A dead rank makes MPI_Iprobe on any source fail until its death is acknowledged, which dead_ranks does.
    if (is_rank_failure(code)) {
      if (rank != MPI_ANY_SOURCE || dead_ranks(communicator_).empty()) return std::nullopt;
      arrived = 0;
    } else {
      check_mpi(code, "MPI_Iprobe");
    }
    if (arrived != 0) {
      int size = 0;
      check_mpi(MPI_Get_count(&status, MPI_CHAR, &size), "MPI_Get_count");
      const auto memory = std::make_shared<std::string>(static_cast<std::size_t>(size), ' ');
      MPI_Request request = MPI_REQUEST_NULL;
      const int received = MPI_Irecv(memory->data(), size, MPI_CHAR, status.MPI_SOURCE, tag, communicator_, &request);
      if (is_rank_failure(received)) return std::nullopt;
      check_mpi(received, "MPI_Irecv");
      if (!complete(request, deadline, memory)) return std::nullopt;
      return Arrived{status.MPI_SOURCE, std::move(*memory)};
    }
    if (Clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(look_pause);
  }
}

}  // namespace joblib_mpi::launch
