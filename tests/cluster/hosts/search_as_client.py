"""Search as a client of a job with workers on the hosts n1 and n2, and compare with a search alone.

The search is the one that scikit-learn users know from other distributed backends of joblib: many settings of an SVM on
the digits, within ``parallel_backend(..., scheduler_host=...)``.
"""

import socket
import sys
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_backend
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC

import joblib_mpi  # noqa: F401  # registers the backend

N_SETTINGS = 12

np.random.seed(0)  # the search draws from NumPy's global generator
digits = load_digits()
settings = {
    "C": np.logspace(-6, 6, 13),
    "gamma": np.logspace(-8, 8, 17),
    "tol": np.logspace(-4, -1, 4),
    "class_weight": [None, "balanced"],
}


def search():
    np.random.seed(0)
    return RandomizedSearchCV(SVC(kernel="rbf"), settings, cv=3, n_iter=N_SETTINGS)


with parallel_backend("mpi", scheduler_host=sys.argv[1]):
    distributed = search().fit(digits.data, digits.target)
    hosts = set(Parallel(n_jobs=-1, batch_size=1)(delayed(socket.gethostname)() for _ in range(60)))
alone = search().fit(digits.data, digits.target)
assert distributed.best_params_ == alone.best_params_, (distributed.best_params_, alone.best_params_)
assert np.array_equal(distributed.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
assert hosts == {"n1", "n2"}, hosts
assert "libmpi" not in Path("/proc/self/maps").read_text()
print("the same on", *sorted(hosts), distributed.best_params_)
