# shellcheck shell=bash
# Functions that run suites, and their failed tests once more; tests/run.sh and the stages of .ci share them.
# Sourced from the repository's root after mpi_launch/setup.sh, with `set -euo pipefail`.
#
# A suite's JUnit report is build/reports/NAME.xml; that of the second run of its failed tests is
# NAME.again.xml. Failures are in the report, so these functions do not fail; count_results.py counts a missing report
# as a failure.

reports=build/reports

# Threads of OpenBLAS that have nothing to do sleep at once: by default each process that loads NumPy keeps a processor busy
# for a tenth of a second.
export OPENBLAS_THREAD_TIMEOUT=4

# begin_suites NAME...: removes the reports of earlier runs.
begin_suites() {
  local name
  mkdir -p "$reports"
  for name in "$@"; do rm -f "$reports/$name.xml" "$reports/$name.again.xml"; done
}

# build_for_tests [CMake options]: builds everything that the suites test, and installs what it needs.
build_for_tests() {
  install_dependencies build test
  make_virtual_environment
  # shellcheck disable=SC2154 # setup.sh sets it
  build_cpp develop -DJOBLIB_MPI_TESTS=ON -DJOBLIB_MPI_WERROR="$werror" "$@"
  install_python_package
}

# The programs of the unit tests under sanitizers, in build/sanitize.
build_unit_tests_with_sanitizers() {
  cmake --preset sanitize >/dev/null
  cmake --build build/sanitize --target unit_programs
}

# run_ctest NAME PRESET [ctest options]: runs a suite of ctest. Tests declare their number of ranks; four times as many run as
# there are cores, because most ranks wait most of the time.
run_ctest() {
  local name=$1 preset=$2
  shift 2
  timeout -k 10 1800 ctest --preset "$preset" --parallel "$((4 * $(nproc)))" --output-junit "$PWD/$reports/$name.xml" "$@" ||
    echo "ctest ended with status $?"
}

# run_pytest NAME [pytest options]: runs a suite of pytest, as many test files at a time as there are cores, at most 8:
# most tests wait for ranks most of the time. The order of the files is that of tests/python/conftest.py, long ones first.
run_pytest() {
  local name=$1
  shift
  # The older report format names the file of each test.
  timeout -k 10 1800 .venv/bin/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder \
    --junitxml="$reports/$name.xml" -o junit_family=xunit1 "$@" ||
    echo "pytest ended with status $?"
}

# run_ctest_again NAME PRESET: runs the failed tests again, one after another.
run_ctest_again() {
  local tests=()
  read_failed "$1"
  ((${#tests[@]})) || return 0
  run_ctest "$1.again" "$2" --parallel 1 --tests-regex "^($(IFS='|'; echo "${tests[*]}"))\$"
}

# run_pytest_again NAME: runs the failed tests again, one after another.
run_pytest_again() {
  local tests=()
  read_failed "$1"
  ((${#tests[@]})) || return 0
  run_pytest "$1.again" --numprocesses 0 "${tests[@]}"
}

# read_failed NAME: sets the caller's `tests` to the failed tests of the suite, in the notation of its runner.
read_failed() {
  mapfile -t tests < <(/usr/bin/python3 tests/count_results.py --failed "$reports/$1.xml")
  [[ ${#tests[@]} -eq 0 ]] || echo "running ${#tests[@]} failed tests of $1 again, alone"
}

# count_suites NAME...: prints the failures and, as the last line, "N passed, N failed".
count_suites() { /usr/bin/python3 tests/count_results.py "${@/#/$reports/}"; }
