"""A grid search on one of several data sets, as the work of one element of a job array.

    mpirun -n 4 .venv/bin/python -m joblib_mpi examples/python/one_dataset.py 2 --output results

The number selects one of the sorted data sets. The result is written to a file in the output folder that is named after
the data set, so that the elements of an array write different files.
"""

import argparse
import json
from pathlib import Path

from joblib import parallel_config
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

DATA_SETS = {"breast_cancer": load_breast_cancer, "digits": load_digits, "iris": load_iris, "wine": load_wine}
PARAMETERS = {"kneighborsclassifier__n_neighbors": [1, 3, 5, 9, 15], "kneighborsclassifier__p": [1, 2]}


def main():
    """Search on the data set with the given number, and write the best parameters and their score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("number", type=int, choices=range(len(DATA_SETS)), help="which data set")
    parser.add_argument("--output", type=Path, default=Path(), help="the folder for the result (default: here)")
    arguments = parser.parse_args()
    name = sorted(DATA_SETS)[arguments.number]

    X, y = DATA_SETS[name](return_X_y=True)  # noqa: N806
    search = GridSearchCV(make_pipeline(StandardScaler(), KNeighborsClassifier()), PARAMETERS, cv=5, n_jobs=-1)
    with parallel_config(backend="mpi"):
        search.fit(X, y)

    arguments.output.mkdir(parents=True, exist_ok=True)
    result = {"parameters": search.best_params_, "score": search.best_score_}
    (arguments.output / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"{name}: {search.best_score_:.4f} with {search.best_params_}")


if __name__ == "__main__":
    main()
