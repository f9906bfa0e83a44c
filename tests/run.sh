#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test: Catch2 through ctest, Python through pytest.
# The last line is "N passed, N failed"; the exit status is 0 only if no test failed and both suites ran some.
# With CI=true compiler warnings are errors. Arguments are passed on to CMake's configure step.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=mpi_launch/setup.sh
. mpi_launch/setup.sh

reports=build/reports

build_everything() {
  install_dependencies build test
  make_virtual_environment
  build_cpp develop -DJOBLIB_MPI_TESTS=ON -DJOBLIB_MPI_WERROR="$werror" "$@"
  install_python_package
}

run_ctest() {
  # Tests say how many processors their ranks take, so that MPI tests do not fight for the cores.
  timeout -k 10 1800 ctest --preset develop --parallel "$(nproc)" --output-junit "$PWD/$reports/ctest.xml"
}

run_pytest() {
  timeout -k 10 1800 .venv/bin/python -m pytest tests/python --junitxml="$reports/pytest.xml"
}

mkdir -p "$reports"
rm -f "$reports"/*.xml
# Each suite runs even if something before it failed; count_results.py counts what left no report as a failure.
set +e # inside "||" or "if" the subshell would not stop at its first error
(set -e; build_everything "$@")
build_status=$?
set -e
if [[ $build_status -eq 0 ]]; then
  allow_mpi_as_root
  run_ctest || echo "ctest ended with status $?"
  run_pytest || echo "pytest ended with status $?"
fi
/usr/bin/python3 tests/count_results.py "$reports/ctest.xml" "$reports/pytest.xml"
