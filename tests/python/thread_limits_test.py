"""Tests of the share of a node's cores that a rank's numeric libraries get."""

import pytest

from joblib_mpi.thread_limits import launched_rank, ranks_on_node, threads_per_rank


@pytest.mark.parametrize(
    ("environment", "cores", "expected"),
    [
        ({}, 8, 8),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "4"}, 8, 2),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "16"}, 8, 1),
        ({"SLURM_STEP_TASKS_PER_NODE": "4(x2),3"}, 8, 2),
        ({"SLURM_STEP_TASKS_PER_NODE": "2"}, 8, 4),
        # The rank is bound to four cores, and sees only these.
        ({"SLURM_STEP_TASKS_PER_NODE": "2", "JOBLIB_MPI_THREADS": "4"}, 4, 4),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "2", "JOBLIB_MPI_THREADS": "0"}, 8, 4),
    ],
)
def test_the_cores_of_a_node_are_shared_among_its_ranks(environment, cores, expected):
    assert threads_per_rank(environment, cores) == expected


def test_the_launcher_of_mpi_is_believed_before_slurm():
    assert launched_rank({"OMPI_COMM_WORLD_RANK": "3", "SLURM_PROCID": "0"}) == 3
    assert launched_rank({"SLURM_PROCID": "2"}) == 2
    assert launched_rank({}) is None
    assert ranks_on_node({"OMPI_COMM_WORLD_LOCAL_SIZE": "2", "SLURM_STEP_TASKS_PER_NODE": "8"}) == 2
