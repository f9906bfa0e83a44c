"""Tests of the worker that a process belongs to, as the launcher's variables and a session tell."""

import socket

import pytest

import joblib_mpi
from joblib_mpi.worker_identity import Announcement, Worker, launched_worker, worker_of


@pytest.mark.parametrize(
    ("variables", "rank", "local_rank", "index"),
    [
        ({"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}, 5, 1, 4),
        ({"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "SLURM_LOCALID": "0"}, 5, 1, 4),
        ({"PMIX_RANK": "3", "SLURM_LOCALID": "2"}, 3, 2, 2),
        ({"PMI_RANK": "0", "MPI_LOCALRANKID": "0"}, 0, 0, 0),
        ({"PMI_RANK": "7"}, 7, -1, 6),
        ({}, -1, -1, -1),
    ],
)
def test_a_worker_is_what_its_launcher_says(variables, rank, local_rank, index):
    assert launched_worker(variables) == Worker(rank, local_rank, socket.gethostname(), index)


class Job:
    hosts = ("a", "b", "a", "b", "b")

    def __init__(self, rank):
        self.rank = rank

    def host(self, rank):
        return self.hosts[rank]


def test_a_rank_counts_those_before_it_on_its_host():
    workers = [worker_of(Job(rank)) for rank in range(5)]
    assert [worker.local_rank for worker in workers] == [0, 0, 1, 1, 2]
    assert [worker.index for worker in workers] == [0, 0, 1, 2, 3]


def test_the_program_is_on_rank_0(job):
    assert joblib_mpi.worker() == Worker(0, 0, "host0", 0)


def test_without_a_session_there_is_no_worker():
    with pytest.raises(joblib_mpi.SessionError):
        joblib_mpi.worker()


def test_an_announcement_is_heard_once_it_was_made():
    announcement = Announcement()
    assert announcement.heard() is None
    announcement.make(Worker(3, 1, "the rank's host", 2))
    assert announcement.heard() == Worker(3, 1, socket.gethostname(), 2)
