"""A randomized search that continues where an earlier run had to stop.

    mpirun -n 4 .venv/bin/python -m joblib_mpi examples/python/resumable_search.py --checkpoint search.h5

The checkpoint keeps the fits that have finished. After a time limit or a crash, the same command computes only what is
missing. On SIGUSR1 or SIGTERM the run ends in time, with status 75: see slurm/requeue.sbatch.
"""

import argparse

import numpy
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC

PARAMETERS = {"C": numpy.logspace(-6, 6, 13), "gamma": numpy.logspace(-8, 8, 17)}


def main():
    """Run the missing part of the search, and print its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="search.h5", help="the file of finished fits (default: search.h5)")
    parser.add_argument("--n-iter", type=int, default=20, help="candidates to try, of 221 (default: 20)")
    arguments = parser.parse_args()

    X, y = load_digits(return_X_y=True)  # noqa: N806
    # The candidates must be the same in each run, or the checkpoint would belong to another search.
    search = RandomizedSearchCV(SVC(), PARAMETERS, n_iter=arguments.n_iter, cv=3, random_state=0, n_jobs=-1)
    with parallel_config(backend="mpi", checkpoint=arguments.checkpoint):
        search.fit(X, y)
    print(f"best parameters {search.best_params_}, score {search.best_score_:.6f}")


if __name__ == "__main__":
    main()
