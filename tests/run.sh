#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests: Catch2 through ctest, Python through pytest.
# The last line is "N passed, N failed"; the exit status is 0 only if no test failed and both suites ran some.
#
#   tests/run.sh                      every test
#   tests/run.sh --smoke              one or two tests of each kind
#   tests/run.sh --cpp LABELS         of C++ only tests with one of these ctest labels: loss,slurm; none skips C++
#   tests/run.sh --without LABELS     of C++ no tests with one of these ctest labels
#   tests/run.sh --python LABELS      of Python only tests with one of these marks: unit,system; none skips Python
#   tests/run.sh --sanitized          the unit tests of C++ under AddressSanitizer and UndefinedBehaviorSanitizer
#   tests/run.sh --once               does not run failed tests again
#   tests/run.sh --again              runs the failed tests of the last run again, and counts both runs
#   tests/run.sh --reports NAME       keeps reports in build/reports/NAME, for runs of which none may count another's failures
#
# Failed tests run once more at the end, one by one. A test that passes then counts as passed and is reported as FLAKY.
# With CI=true compiler warnings are errors. Other arguments are passed on to CMake's configure step.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=mpi_launch/setup.sh
. mpi_launch/setup.sh
# shellcheck source=tests/suites.sh
. tests/suites.sh

cpp=all python=all without="" sanitized=no first=yes again=yes cmake_options=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --smoke) cpp=smoke python=smoke ;;
    --cpp) cpp=${2:?--cpp needs labels}; shift ;;
    --without) without=${2:?--without needs labels}; shift ;;
    --python) python=${2:?--python needs labels}; shift ;;
    --sanitized) sanitized=yes cmake_options+=(-DJOBLIB_MPI_UNIT_TESTS=OFF) ;;
    --once) again=no ;;
    --again) first=no ;;
    --reports) reports+=/${2:?--reports needs a name}; shift ;;
    -D*) cmake_options+=("$1") ;;
    *) echo "run.sh: unknown argument $1; known: --smoke, --cpp, --without, --python, --sanitized, --once, --again, --reports, -DNAME=VALUE" >&2; exit 2 ;;
  esac
  shift
done

run_selected_ctest() {
  local selection=()
  [[ $cpp == all ]] || selection=(--label-regex "^(${cpp//,/|})\$")
  [[ -z $without ]] || selection+=(--label-exclude "^(${without//,/|})\$")
  run_ctest ctest develop "${selection[@]}"
}

# The unit tests alone, in programs of their own.
run_selected_unit() { run_ctest unit sanitize --label-regex '^unit$' --parallel "$(nproc)"; }

run_selected_pytest() {
  local selection=()
  [[ $python == all ]] || selection=(-m "${python//,/ or }")
  run_pytest pytest tests/python "${selection[@]}"
}

suites=()
[[ $sanitized == no ]] || suites+=(unit)
[[ $cpp == none ]] || suites+=(ctest)
[[ $python == none ]] || suites+=(pytest)

allow_mpi_as_root
if [[ $first == yes ]]; then
  begin_suites unit ctest pytest
  # Each suite runs even if an earlier step failed; a suite without a report counts as a failure.
  set +e # inside "||" or "if", the subshell would not stop at its first error
  (
    set -e
    build_for_tests "${cmake_options[@]}"
    [[ $sanitized == no ]] || build_unit_tests_with_sanitizers
  )
  build_status=$?
  set -e
  if [[ $build_status -eq 0 ]]; then
    for suite in "${suites[@]}"; do "run_selected_$suite"; done
  fi
fi
if [[ $again == yes ]]; then
  for suite in "${suites[@]}"; do
    case $suite in
      unit) run_ctest_again unit sanitize ;;
      *) "run_${suite}_again" "$suite" develop ;;
    esac
  done
fi
count_suites "${suites[@]}"
