"""Goes the main paths of a job: one line each, "right" or the error. With FOLDER, its file system is filled first."""

import os
import sys
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config

import joblib_mpi


def total(array, number):
    return float(array.sum()) + number


def block(number):
    return np.full(500_000, float(number))


def nested(number):
    return sum(Parallel(n_jobs=2)(delayed(pow)(number + i, 2) for i in range(4)))


def search():
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    rng = np.random.default_rng(0)
    data = rng.normal(size=(20_000, 20))
    targets = data @ rng.normal(size=20) + rng.normal(size=20_000)

    def scores():
        grid = {"alpha": [0.1, 1.0, 10.0, 100.0]}
        return GridSearchCV(Ridge(), grid, n_jobs=-1, cv=3).fit(data, targets).cv_results_["mean_test_score"]

    with parallel_config(backend="threading", n_jobs=1):
        expected = scores()
    with parallel_config(backend="mpi", scatter=[data, targets]):
        return bool(np.allclose(scores(), expected))


def generators():
    for return_as in ("generator", "generator_unordered"):
        results = Parallel(return_as=return_as)(delayed(pow)(i, 2) for i in range(200))
        if sorted(results) != [i**2 for i in range(200)]:
            return False
        left = Parallel(return_as=return_as)(delayed(block)(i) for i in range(20))
        next(left)
        left.close()
    return True


def arrays():
    arrays = [np.full(150_000, float(i)) for i in range(100)]
    results = Parallel(batch_size=1)(delayed(total)(array, i) for array in arrays for i in range(2))
    return results == [150_000.0 * number + i for number in range(100) for i in range(2)]


def scattered():
    arrays = [np.full(150_000, float(i)) for i in range(100)]
    handles = [joblib_mpi.scatter(array) for array in arrays]
    results = Parallel(batch_size=1)(delayed(total)(handle, 0) for handle in handles)
    return results == [150_000.0 * number for number in range(100)]


def spill():
    with parallel_config(backend="mpi", spill_threshold="1MB"):
        results = Parallel()(delayed(block)(i) for i in range(16))
    return [float(result[-1]) for result in results] == [float(i) for i in range(16)]


def checkpoint():
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    for _ in range(2):
        with parallel_config(backend="mpi", checkpoint=os.path.join(folder, "run.h5")):
            results = Parallel()(delayed(block)(i) for i in range(4))
        if [float(result[-1]) for result in results] != [float(i) for i in range(4)]:
            return False
    return True


def nested_calls():
    results = Parallel()(delayed(nested)(i) for i in range(20))
    return results == [sum((i + j) ** 2 for j in range(4)) for i in range(20)]


def fill(folder):
    with open(Path(folder, "full"), "wb", buffering=0) as file:
        for piece in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(piece))
            except OSError:
                pass


if __name__ == "__main__":
    if len(sys.argv) > 1:
        fill(sys.argv[1])
    for path in (search, generators, arrays, scattered, spill, checkpoint, nested_calls):
        try:
            with parallel_config(backend="mpi"):
                outcome = "right" if path() else "wrong"
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        print(f"{path.__name__}: {outcome}", flush=True)
