"""Makes calls of all kinds on its own workers until the file "enough" is there, also if its job is lost.

Each call that ends adds a line to the file "calls": "right", or "lost" if the job was gone. Anything else ends the
program.
"""

import os
import random
import sys
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config

import joblib_mpi


def total(array, number):
    return float(array.sum()) + number


def large(number):
    return np.full(200_000, number)


def in_a_list(parallel, numbers, array):
    return parallel()(delayed(total)(array, number) for number in numbers) == [array.sum() + n for n in numbers]


def unordered(parallel, numbers, array):
    results = parallel(return_as="generator_unordered")(delayed(total)(array, number) for number in numbers)
    return sorted(results) == [array.sum() + number for number in numbers]


def with_large_results(parallel, numbers, array):
    few = numbers[:20]
    results = parallel()(delayed(large)(number) for number in few)
    return all((result == number).all() for result, number in zip(results, few, strict=True))


def main():
    chance = random.Random(int(sys.argv[1]))
    array = np.arange(100_000.0)
    with open("calls", "a", buffering=1) as calls, parallel_config(backend="mpi", n_workers=2, scatter=[array]):
        while True:
            is_last = os.path.exists("enough")
            call = chance.choice([in_a_list, unordered, with_large_results])
            try:
                is_right = call(Parallel, range(chance.randrange(1, 200)), array)
            except joblib_mpi.SessionError as error:
                print(error, file=sys.stderr)
                calls.write("lost\n")
                continue
            if not is_right:
                sys.exit(f"{call.__name__} has returned other results")
            calls.write("right\n")
            if is_last:
                return


if __name__ == "__main__":
    main()
    print(Path("calls").read_text().count("right") > 0)
