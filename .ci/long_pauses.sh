#!/usr/bin/env bash
# Runs the tests of pauses with processes that stop for 12, 30 and 60 s, with the heartbeat that jobs have by default. The
# last line is "N passed, N failed".
#
#   .ci/long_pauses.sh            with what is built and installed
#   .ci/long_pauses.sh --build    builds and installs it first
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=mpi_launch/setup.sh
. mpi_launch/setup.sh
# shellcheck source=tests/suites.sh
. tests/suites.sh

allow_mpi_as_root
begin_suites pauses
# shellcheck disable=SC2119 # with no option
[[ ${1:-} != --build ]] || build_for_tests
JOBLIB_MPI_TEST_PAUSES="12 30 60" run_pytest pauses --numprocesses 6 --dist load tests/python/end_to_end/pause_test.py
count_suites pauses
