#pragma once

#include <boost/mpi/environment.hpp>

#include <memory>
#include <string>

namespace joblib_mpi {

/// This process in words for people, also before MPI is initialised: "rank 2 on n1", as far as the launcher tells.
[[nodiscard]] std::string this_process();

/// MPI from its initialisation to its finalisation. Both wait for all ranks, and some may never come: if that takes
/// longer than the limit, the process says so and ends.
class MpiLifetime {
 public:
  /// Initialises MPI. `argc` and `argv` are passed to MPI_Init_thread (MPI 4.0, section 11.2.1) unless they are null.
  explicit MpiLifetime(double limit_seconds, int* argc = nullptr, char*** argv = nullptr);
  MpiLifetime(const MpiLifetime&) = delete;
  MpiLifetime& operator=(const MpiLifetime&) = delete;
  /// Finalises MPI, except after `leave_unfinalised` and where the launcher needs it not.
  ~MpiLifetime();

  /// With which status the process ends if its finalisation does not return.
  void set_exit_status(int status) noexcept { exit_status_ = status; }
  /// For a job that has failed and in which finalising could only wait in vain.
  void leave_unfinalised() noexcept { finalise_ = false; }

 private:
  double limit_seconds_;
  int exit_status_ = 1;
  bool finalise_ = true;
  std::unique_ptr<boost::mpi::environment> environment_;
};

}  // namespace joblib_mpi
