#!/usr/bin/env bash
# Runs a command and checks how it ends:
#
#   check_ending.sh [--status N | --fails] [--seconds N] [--says TEXT]... -- command...
#
# The command must end within N seconds (120), with status N (0) or, with --fails, any but 0; it must print every TEXT
# and leave no process behind.
set -euo pipefail

status=0
seconds=120
texts=()
while [[ $1 != -- ]]; do
  case $1 in
    --status) status=$2 ;;
    --fails) status="not 0"; set -- "$1" "" "${@:2}" ;;
    --seconds) seconds=$2 ;;
    --says) texts+=("$2") ;;
    *) echo "check_ending.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
shift

# Every process of the command inherits this variable, even if its parent has ended.
export JOBLIB_MPI_TEST_MARK="check_ending.$$.$RANDOM$RANDOM"

processes_left() {
  local environment pid
  for environment in /proc/[0-9]*/environ; do
    pid=${environment#/proc/}
    pid=${pid%/environ}
    [[ $pid != "$$" && $pid != "$BASHPID" ]] || continue
    # A process may have ended by now, or be a zombie, which has no environment.
    if grep -qaF "JOBLIB_MPI_TEST_MARK=$JOBLIB_MPI_TEST_MARK" "$environment" 2>/dev/null; then
      tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null || true
      echo "(pid $pid)"
    fi
  done
}

output=$(mktemp)
trap 'rm -f "$output"' EXIT
problems=()
ended=0
started=$SECONDS
timeout -k 5 "$seconds" "$@" >"$output" 2>&1 || ended=$?

# mpirun also reports 137 for a rank that was killed.
if [[ $ended -eq 124 || $ended -eq 137 && $((SECONDS - started)) -ge $seconds ]]; then
  problems+=("it did not end within $seconds s")
elif [[ $status == "not 0" ]]; then
  [[ $ended -ne 0 ]] || problems+=("it ended with status 0")
elif [[ $ended -ne $status ]]; then
  problems+=("it ended with status $ended instead of $status")
fi
for text in "${texts[@]}"; do
  grep -qF -- "$text" "$output" || problems+=("it did not print \"$text\"")
done
# By the clock, since on a busy machine one look may take a second: what is wrong must be said before ctest ends this.
give_up=$((SECONDS + 30))
while left=$(processes_left | grep -v "grep -qaF"); [[ -n $left && $SECONDS -lt $give_up ]]; do sleep 0.1; done
[[ -z $left ]] || problems+=("it left processes behind: $left")

if [[ ${#problems[@]} -gt 0 ]]; then
  printf 'FAILED: %s\n' "${problems[@]}"
  echo "---- command: $*"
  cat "$output"
  exit 1
fi
echo "ended with status $ended as expected"
