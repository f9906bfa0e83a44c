"""Tests that unchanged scikit-learn gives the same results on worker ranks as sequentially."""

import pytest

pytest.importorskip("sklearn")

PRELUDE = """
    import numpy
    from joblib import parallel_config
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GridSearchCV, cross_validate
    from sklearn.svm import SVC
    X, y = load_digits(return_X_y=True)
    X, y = X[:300], y[:300]
"""


@pytest.mark.also_attached
@pytest.mark.parametrize("scatter", ["", ", scatter=[X, y]"])
@pytest.mark.parametrize(
    "work",
    [
        "GridSearchCV(SVC(), {'C': [0.1, 1, 10], 'gamma': [1e-3, 1e-2]}).fit(X, y).cv_results_['mean_test_score']",
        "cross_validate(SVC(), X, y, cv=5)['test_score']",
        "RandomForestClassifier(20, random_state=0, n_jobs=-1).fit(X, y).predict_proba(X)",
    ],
)
def test_the_result_is_that_of_a_sequential_run(shared_script, work, scatter):
    ended = shared_script(
        4,
        PRELUDE
        + f"""
    sequential = {work}
    with parallel_config(backend="mpi"{scatter}):
        parallel = {work}
    print(numpy.array_equal(sequential, parallel))
    """,
    )
    assert (ended.status, ended.stdout) == (0, "True\n"), ended
