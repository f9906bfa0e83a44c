#!/usr/bin/env bash
# Real jobs of the Python package whose compiled part runs under sanitizers.
#
#   .ci/sanitized_python.sh sanitize          AddressSanitizer and UndefinedBehaviorSanitizer
#   .ci/sanitized_python.sh thread-sanitize   ThreadSanitizer
#
# The names are those of presets. Python, numpy and MPI are as everywhere, and get the sanitizers' library by LD_PRELOAD;
# what it finds in them and is no fault of ours is in .ci/sanitizers, with the reason. The report of pytest is
# build/reports/python-PRESET.xml; the last line is "N passed, N failed". Fails if a process, a killed one included, has
# left a report. .venv must have been made: other jobs may be using it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=mpi_launch/setup.sh
. mpi_launch/setup.sh
# shellcheck source=tests/suites.sh
. tests/suites.sh

preset=$1
folder=$PWD/build/$preset-python

# Jobs in which memory, threads and processes do what they do: not those of the launcher, of terminals, notebooks and other
# users, nor what mostly computes. Left out of these: what needs the machine's memory for itself, since the sanitizers need
# it several times, what counts memory or descriptors, and the limit of a core file, which AddressSanitizer sets.
tests=(parallel_test.py error_test.py spill_test.py script_functions_test.py fault_test.py random_faults_test.py
  isolation_test.py initializer_test.py take_back_test.py on_workers_test.py checkpoint_test.py script_state_test.py
  sharing_test.py serve_test.py node_zygotes_test.py worker_identity_test.py ship_test.py local_job_test.py)
left_out="2_gib or 100000 or memory or given_back or more_ranks_than_cores or one_copy or (was_started_with and limit)"
# ThreadSanitizer ends a child that was forked from a process with threads and then starts one itself, as managers do, and
# keeps signals back until a thread calls something, which one that sleeps does not.
left_out_of_threads="managers or sigterm"

build_package() {
  cmake --preset "$preset" -B "$folder" -DJOBLIB_MPI_TESTS=OFF -DJOBLIB_MPI_LAUNCHER=OFF -DJOBLIB_MPI_PYTHON=ON \
    -DPython_EXECUTABLE="$PWD/.venv/bin/python" >/dev/null
  cmake --build "$folder" --target _core _mpi
  rm -rf "$folder/package" "$folder/found"
  mkdir -p "$folder/package" "$folder/found"
  cp -r python/joblib_mpi "$folder/package/"
  cp "$folder"/python/bindings/{_core.*,_mpi.*,libjoblib_mpi_core}.so "$folder/package/joblib_mpi/"
}

# run_jobs LIBRARY [command that runs pytest]
run_jobs() {
  local library=$1 libraries
  shift
  # With the library of C++, which Python has not loaded when the sanitizer looks for its functions.
  libraries="$(c++ -print-file-name="$library") $(c++ -print-file-name=libstdc++.so.6)"
  env LD_PRELOAD="$libraries" PYTHONPATH="$folder/package" "$@" \
    timeout -k 10 1200 .venv/bin/python -m pytest --junitxml="$reports/python-$preset.xml" -o junit_family=xunit1 \
    -k "not ($left_out)" "${tests[@]/#/tests/python/end_to_end/}" || echo "pytest ended with status $?"
}

begin_suites "python-$preset"
build_package
allow_mpi_as_root
# Tasks that end their process by a signal do so on purpose; a crash of ours makes its test fail.
any="handle_segv=0:handle_sigbus=0:handle_sigfpe=0:log_path=$folder/found/report"
export ASAN_OPTIONS="$any:detect_leaks=0:suppressions=$PWD/.ci/sanitizers/address.txt" # Python frees at its end only what it must
export UBSAN_OPTIONS="$any:print_stacktrace=1"
# Executors are forked, and the order of locks is seen without that of libraries, so it is not looked at.
export TSAN_OPTIONS="$any:die_after_fork=0:detect_deadlocks=0:exitcode=0:suppressions=$PWD/.ci/sanitizers/thread.txt"
case $preset in
  sanitize) run_jobs libasan.so ;;
  thread-sanitize)
    left_out+=" or $left_out_of_threads"
    run_jobs libtsan.so setarch -R # it needs addresses that are not random
    ;;
  *) echo "$0: unknown preset \"$preset\"; known: sanitize thread-sanitize" >&2; exit 2 ;;
esac
status=0
for report in "$folder"/found/*; do
  [[ -s $report ]] || continue
  echo "--- $report"
  head -n 80 "$report"
  status=1
done
count_suites "python-$preset" || status=1
exit "$status"
