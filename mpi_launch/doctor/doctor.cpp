#include "doctor/doctor.hpp"

#include "launch_error.hpp"

namespace joblib_mpi::launch {

int doctor(const DoctorOptions&) {
  throw LaunchError("doctor is not part of this build");
}

}  // namespace joblib_mpi::launch
