"""A randomized search for the parameters of a support vector classifier, on the ranks of an MPI job.

    mpirun -n 4 .venv/bin/python -m joblib_mpi examples/python/digits_search.py

The search runs plainly, then with the data scattered to all workers beforehand, then sequentially on rank 0. All three
must find the same parameters and scores. Only ``backend="mpi"`` and ``scatter`` have to do with MPI.
"""

import argparse
import sys
import time

import numpy
from joblib import effective_n_jobs, parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC

PARAMETERS = {
    "C": numpy.logspace(-6, 6, 13),
    "gamma": numpy.logspace(-8, 8, 17),
    "tol": numpy.logspace(-4, -1, 4),
    "class_weight": [None, "balanced"],
}


def search(digits, n_iter, n_jobs, verbose=0):
    """Return the fitted search and its wall time in seconds; the candidates are the same every time."""
    searching = RandomizedSearchCV(
        SVC(kernel="rbf"), PARAMETERS, n_iter=n_iter, cv=3, random_state=0, n_jobs=n_jobs, verbose=verbose
    )
    start = time.perf_counter()
    searching.fit(digits.data, digits.target)
    return searching, time.perf_counter() - start


def same(one, other):
    """Return whether two searches found the same parameters and exactly the same scores."""
    return one.best_params_ == other.best_params_ and numpy.array_equal(
        one.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"]
    )


def main():
    """Run the three searches; return 1 if they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-iter", type=int, default=20, help="candidates to try, of 1768 (default: 20)")
    n_iter = parser.parse_args().n_iter
    digits = load_digits()

    with parallel_config(backend="mpi", verbose=5):
        n_workers = effective_n_jobs(-1)
        print(f"{n_iter} candidates, 3 folds each, {n_workers} tasks at a time", flush=True)
        plain, plain_seconds = search(digits, n_iter, n_jobs=-1)
    with parallel_config(backend="mpi", scatter=[digits.data, digits.target], verbose=5):
        scattered, scattered_seconds = search(digits, n_iter, n_jobs=-1)
    print("the same search sequentially on rank 0", flush=True)
    sequential, sequential_seconds = search(digits, n_iter, n_jobs=1)

    best = ", ".join(f"{name}={value}" for name, value in sorted(plain.best_params_.items()))
    print(f"best parameters   {best}")
    print(f"best score        {plain.best_score_:.6f}")
    times = {"mpi": plain_seconds, "mpi, scatter": scattered_seconds, "sequential": sequential_seconds}
    for name, seconds in times.items():
        print(f"{name:<17} {seconds:.2f} s   {sequential_seconds / seconds:.2f} times as fast as sequential")
    agree = same(plain, sequential) and same(scattered, sequential)
    print("parameters and scores are the same" if agree else "PARAMETERS OR SCORES DIFFER")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
