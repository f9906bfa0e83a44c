#pragma once

#ifdef JOBLIB_MPI_WITH_DYNAMPI

#include "farm.hpp"

#include <dynampi/dynampi.hpp>
#include <mpi.h>

#include <string>

/// DynaMPI's farm, the one that returns results in the order of the tasks. DynaMPI is no part of this project:
/// https://github.com/ryanstocks00/DynaMPI.
class DynampiFarm final : public Farm {
 public:
  DynampiFarm(std::string name, MPI_Comm communicator) : Farm(std::move(name)), communicator_(communicator) {}

  std::vector<std::uint32_t> run(std::span<const std::uint32_t> tasks) override {
    int rank = 0;
    MPI_Comm_rank(communicator_, &rank);
    Distributor distributor(work, {.comm = communicator_});  // the other ranks work in here until the end
    if (rank != 0) return {};
    for (const std::uint32_t task : tasks) distributor.insert_task(task);
    return distributor.finish_remaining_tasks();
  }

 private:
  using Distributor = dynampi::NaiveMPIWorkDistributor<std::uint32_t, std::uint32_t>;

  MPI_Comm communicator_;
};

#endif
