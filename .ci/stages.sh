# shellcheck shell=bash
# How .ci/run and .ci/nightly run their stages and tell what became of them. Sourced from the repository's root, after
# mpi_launch/setup.sh.
#
# A stage NAME is a function stage_NAME. It is a suite if its last line is "N passed, N failed", and a check otherwise,
# which counts as one test. A suite may have a function again_NAME, which runs once more what failed in it: it is called
# after all stages, when nothing else runs.
# shellcheck source=tests/suites.sh
. tests/suites.sh

logs=build/$(basename "$0")-logs

# What is compiled in one folder serves in others, .ci/debian.sh's among them: the compiler cache compares paths below this
# one only, and debug information may name the folder of an earlier build.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=true

# run_stage NAME: runs one stage with its name before each line, and notes in NAME.result what became of it.
run_stage() {
  local seconds=$SECONDS status
  run_logged "stage_$1" "$1" "$logs/$1.log"
  note_result "$1" "$logs/$1.log" "$status" $((SECONDS - seconds))
}

# run_logged FUNCTION NAME LOG: sets the caller's `status` to the function's, and notes in LOG.cpu the seconds that
# processors were busy with it.
run_logged() {
  local TIMEFORMAT='%U %S'
  set +e # inside "if" or "||" the function would not stop at its first error
  {
    time (set -e; "$1") </dev/null 2>&1 | tee "$3" | sed -u "s/^/$2 | /"
    status=${PIPESTATUS[0]}
  } 2>"$3.cpu"
  set -e
}

# note_result NAME LOG STATUS SECONDS [EXPECTED [BUSY]]: tests that are missing of that number have failed; processors were
# busy for so many seconds before.
note_result() {
  local name=$1 status=$3 expected=${5:-0} before=${6:-0} missing last busy passed=0 failed=0 flaky=0
  last=$(tail -n 1 "$2")
  busy=$(awk -v before="$before" '{ print int($1 + $2 + before) }' "$2.cpu")
  if is_suite "$last"; then
    read -r passed _ failed _ <<<"${last//,/}"
    flaky=$(grep -oE '^[0-9]+ flaky$' "$2" | tail -n 1 | cut -d ' ' -f 1)
    # Something else than its tests has failed.
    [[ $status -eq 0 || $failed -gt 0 ]] || { failed=1; last="$last; ended with status $status"; }
    missing=$((expected - passed - failed))
    ((missing <= 0)) || { failed=$((failed + missing)); last="$last; $missing of $expected have no result"; }
  elif [[ $status -eq 0 ]]; then
    passed=1
    last=passed
  else
    failed=1
    last="failed with status $status"
  fi
  printf '%d %d %d %-10s %4d s, CPU %4d s  %s\n' "$passed" "$failed" "${flaky:-0}" "$name" "$4" "$busy" "$last" >"$logs/$name.result"
}

is_suite() { [[ $1 =~ ^[0-9]+\ passed,\ [0-9]+\ failed$ ]]; }

run_stages() { for name in "$@"; do run_stage "$name"; done; }

# run_again NAME...: runs once more, alone, what failed in the suites among these stages. Their seconds are those of both
# runs.
run_again() {
  local name last seconds busy status passed failed
  for name in "$@"; do
    last=$(tail -n 1 "$logs/$name.log") || continue
    if ! declare -F "again_$name" >/dev/null || ! is_suite "$last" || [[ $last == *" 0 failed" ]]; then continue; fi
    read -r passed _ failed _ <<<"${last//,/}"
    read -r _ _ _ _ seconds _ _ busy _ <"$logs/$name.result"
    seconds=$((SECONDS - seconds))
    run_logged "again_$name" "$name, again" "$logs/$name.again.log"
    note_result "$name" "$logs/$name.again.log" "$status" $((SECONDS - seconds)) $((passed + failed)) "$busy"
  done
}

# What failed in a suite, or only at first, with its output; the end of a check that failed.
tell_failures() {
  local log=$logs/$1.log
  [[ ! -e $logs/$1.again.log ]] || log=$logs/$1.again.log
  if grep -qE '^(FAILED|FLAKY) ' "$log"; then
    sed -nE '/^(FAILED|FLAKY) /,$p' "$log"
  else
    tail -n 40 "$log"
  fi | sed "s/^/$1 | /"
}

# summarize NAME...: what failed is said again; the last line is "N passed, N failed" over all stages. Succeeds if
# nothing failed.
summarize() {
  local name passed failed flaky line total_passed=0 total_failed=0 total_flaky=0 lines=()
  echo
  for name in "$@"; do
    read -r passed failed flaky line <"$logs/$name.result" || { passed=0 failed=1 flaky=0 line="$name has no result"; }
    ((failed + flaky == 0)) || tell_failures "$name"
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    total_flaky=$((total_flaky + flaky))
    lines+=("$line")
  done
  printf '\n'
  printf '%s\n' "${lines[@]}"
  printf '\n%d flaky\n%d passed, %d failed\n' "$total_flaky" "$total_passed" "$total_failed"
  [[ $total_failed -eq 0 && $total_passed -gt 0 ]]
}

# check_stages NAME...: refuses a name without a stage.
check_stages() {
  local name
  for name in "$@"; do
    declare -F "stage_$name" >/dev/null && continue
    echo "$0: unknown stage \"$name\"; known: $(declare -F | sed -n 's/.* stage_//p' | xargs)" >&2
    return 2
  done
}

begin_stages() {
  rm -rf "$logs"
  mkdir -p "$logs"
}

# ctest_stage PRESET: builds a preset and runs its tests; its report has its name.
ctest_stage() {
  begin_suites "$1"
  build_cpp "$1"
  run_ctest "$1" "$1"
  count_suites "$1"
}

# again_ctest PRESET
again_ctest() {
  run_ctest_again "$1" "$1"
  count_suites "$1"
}

# use_own_system RELEASE: the Debian system that .ci/debian.sh enters from now on is one that no other clone's run uses.
# Downloaded packages stay beside it.
use_own_system() {
  export JOBLIB_MPI_CHROOT
  JOBLIB_MPI_CHROOT=/var/cache/joblib-mpi/bare-$1-$(pwd | cksum | cut -d ' ' -f 1)
}

# remove_own_systems: removes the systems that use_own_system has led to.
remove_own_systems() {
  local release
  for release in bookworm trixie; do
    use_own_system "$release"
    [[ ! -d $JOBLIB_MPI_CHROOT ]] || .ci/debian.sh "$release" --remove >&2 || true # after the last line, which counts
  done
}

# configure_clang PRESET FOLDER [CMake options]: for clang, with warnings as errors.
configure_clang() {
  local preset=$1 folder=$2 compiler
  shift 2
  compiler=$(debian_clang)
  cmake --preset "$preset" -B "$folder" -DCMAKE_CXX_COMPILER="${compiler/clang/clang++}" -DJOBLIB_MPI_WERROR=ON "$@"
}

# The checks of .clang-tidy that all sources pass, names above all; and warnings, some of which unity builds cannot have.
tidy_checks='-*,readability-identifier-naming,readability-container-size-empty,misc-unused-parameters,clang-diagnostic-*'

# Git's patterns for the sources that run_clang_tidy has a compile command for: all but what CMake tries while it configures,
# a project that is built against an installed package, calls that must not compile, and helpers of Python tests.
# shellcheck disable=SC2034 # used by the scripts that source this one
tidy_sources=('*.cpp' ':!cmake' ':!tests/install' ':!tests/refused' ':!tests/python')

# make_bindings_python FOLDER: a Python environment with nanobind, which python/bindings is compiled against. It is not .venv,
# which another stage may be changing at the same time.
make_bindings_python() {
  local requirements=()
  [[ -x $1/bin/python ]] || /usr/bin/python3 -m venv "$1"
  mapfile -t requirements < <(grep '^requires = ' pyproject.toml | grep -o '"nanobind[^"]*"' | tr -d '"')
  "$1/bin/python" -m pip --disable-pip-version-check install --quiet "${requirements[@]}"
}

# run_clang_tidy: the files whose names it reads, a line each; behind a name may stand a tab and what is to be looked at of
# the file, as clang-tidy's --line-filter takes it.
run_clang_tidy() {
  local python=$PWD/build/clang-tidy-python
  make_bindings_python "$python"
  configure_clang develop build/clang-tidy -DCMAKE_UNITY_BUILD=OFF -DJOBLIB_MPI_PYTHON=ON \
    -DPython_EXECUTABLE="$python/bin/python" >/dev/null
  # Boost and CMake define OMPI_SKIP_MPICXX, with different values; clang-tidy takes this for a finding in our code.
  # shellcheck disable=SC2016 # expanded by the shells that it is given to
  xargs --no-run-if-empty --max-procs="$(nproc)" --delimiter '\n' -n 1 bash -c '
    IFS=$'"'\t'"' read -r file lines <<<"$3"
    "$1" -p build/clang-tidy --quiet --checks="$2" --warnings-as-errors="*" \
      --extra-arg=-UOMPI_SKIP_MPICXX --extra-arg=-DOMPI_SKIP_MPICXX= ${lines:+--line-filter="$lines"} "$file"
  ' clang-tidy "$(debian_clang_tidy)" "$tidy_checks"
}
