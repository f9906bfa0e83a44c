# The options with which mpiexec lets the other ranks continue when one dies.
#
# Sets JOBLIB_MPI_SURVIVING_OPTIONS, and JOBLIB_MPI_STATUS_AFTER_LOSS: mpiexec's status when a rank was killed but the
# program succeeded.
include_guard()

execute_process(COMMAND ${MPIEXEC_EXECUTABLE} --version OUTPUT_VARIABLE mpiexec_version ERROR_QUIET)
if(mpiexec_version MATCHES "\\((Open MPI|OpenRTE)\\) 4\\.")
  set(JOBLIB_MPI_SURVIVING_OPTIONS --mca orte_abort_on_non_zero_status 0 --mca orte_allowed_exit_without_sync 1)
  set(JOBLIB_MPI_STATUS_AFTER_LOSS 137) # that of the dead rank: 128 + SIGKILL
else()
  set(JOBLIB_MPI_SURVIVING_OPTIONS --with-ft ulfm)
  set(JOBLIB_MPI_STATUS_AFTER_LOSS 0)
endif()
