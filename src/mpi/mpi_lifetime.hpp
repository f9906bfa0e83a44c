#pragma once

#include <boost/mpi/environment.hpp>

#include <memory>
#include <string>

namespace joblib_mpi {

/// Returns a readable name of this process such as "rank 2 on n1", with the rank that the launcher's environment
/// states, unless that has been removed. May be called before MPI is initialised.
[[nodiscard]] std::string this_process();

/// Initialises MPI and finalises it. Both wait for all ranks, some of which may never arrive: if either takes longer
/// than the limit, the process prints a message and ends.
class MpiLifetime {
 public:
  /// Initialises MPI. `argc` and `argv` are passed to MPI_Init_thread (MPI 4.0, section 11.2.1) unless they are null.
  explicit MpiLifetime(double limit_seconds, int* argc = nullptr, char*** argv = nullptr);
  MpiLifetime(const MpiLifetime&) = delete;
  MpiLifetime& operator=(const MpiLifetime&) = delete;
  /// Finalises MPI, except after `leave_unfinalised` and where the launcher does not need it.
  ~MpiLifetime();

  /// Sets the status with which the process ends if MPI_Finalize does not return.
  void set_exit_status(int status) noexcept { exit_status_ = status; }
  /// Makes the destructor leave MPI alone: the job has failed, and finalising could only wait in vain.
  void leave_unfinalised() noexcept { finalise_ = false; }

 private:
  // From the launcher's environment, which may be removed once MPI is initialised.
  const std::string process_;
  const bool launcher_needs_no_finalisation_;

  double limit_seconds_;
  int exit_status_ = 1;
  bool finalise_ = true;
  std::unique_ptr<boost::mpi::environment> environment_;
};

}  // namespace joblib_mpi
