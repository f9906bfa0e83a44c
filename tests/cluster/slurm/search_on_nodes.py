"""Runs a scikit-learn search and prints on which of the nodes n1, n2, ... its models were fitted."""

import socket
import sys

import numpy
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC


def score(estimator, X, y):  # noqa: N803
    return {"accuracy": estimator.score(X, y), "node": int(socket.gethostname().removeprefix("n"))}


def search(n_jobs):
    X, y = load_digits(return_X_y=True)  # noqa: N806
    parameters = {"C": numpy.logspace(-2, 4, 7), "gamma": numpy.logspace(-5, -1, 9)}
    searching = RandomizedSearchCV(
        SVC(), parameters, n_iter=10, cv=3, random_state=0, scoring=score, refit="accuracy", n_jobs=n_jobs
    )
    return searching.fit(X[:600], y[:600])


with parallel_config(backend="mpi"):
    on_nodes = search(n_jobs=-1)
alone = search(n_jobs=1)
nodes = sorted({int(node) for split in range(3) for node in on_nodes.cv_results_[f"split{split}_test_node"]})
same = on_nodes.best_params_ == alone.best_params_ and numpy.array_equal(
    on_nodes.cv_results_["mean_test_accuracy"], alone.cv_results_["mean_test_accuracy"]
)
print("fitted on nodes", *nodes, end=", ")
print("scores are those of a sequential search" if same else "SCORES DIFFER")
sys.exit(0 if same else 1)
