#pragma once

namespace joblib_mpi {

/// Returns once all ranks of the job have left MPI_Init. All ranks must call it before their first message.
///
/// MPI_Init ends with a PMIx fence that a rank may pass early: Slurm's PMIx holds back no rank in a fence that collects
/// no data, on fewer nodes than TreeWidth (its reverse_tree_info() makes each node the root of a separate tree; seen in
/// 22.05 and 24.11). A message from such a rank crashes a rank that is still in MPI_Init (Open MPI's issue 12495).
void wait_for_ranks_in_init();

/// Does what `wait_for_ranks_in_init` does if the program has called MPI_Init, before the first session on
/// MPI_COMM_WORLD. (The ranks of any other communicator met when they made it.) Returns at once except under srun,
/// since no other launcher is known to have the problem.
void wait_for_ranks_in_program_init();

}  // namespace joblib_mpi
