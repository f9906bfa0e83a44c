#pragma once

namespace joblib_mpi {

/// Returns once all ranks of the job have left MPI_Init. To be called by all of them, before their first message.
///
/// MPI_Init ends with a fence of PMIx, through which a rank may come early: Slurm's PMIx holds up nobody in a fence
/// that collects no data, on fewer nodes than TreeWidth (its reverse_tree_info() makes each node a root of its own;
/// seen in 22.05 and 24.11). A message from such a rank crashes one that is still in MPI_Init (Open MPI's issue 12495).
void wait_for_ranks_in_init();

/// The same if the program has called MPI_Init, before the first session on MPI_COMM_WORLD. (The ranks of any other
/// communicator have met when they made it.) Returns at once except under srun: nothing is known against other
/// launchers.
void wait_for_ranks_in_program_init();

}  // namespace joblib_mpi
