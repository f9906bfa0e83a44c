# shellcheck shell=bash
# To be sourced: functions that submit jobs, wait for them and check them. A test ends at the first check that fails.

fail() {
  echo "FAILED: $*"
  exit 1
}

# wait_for WHAT COMMAND...: waits until COMMAND succeeds; tries every 0.1 s for two minutes.
wait_for() {
  local what=$1 tenths
  shift
  for ((tenths = 0; tenths < 1200; ++tenths)); do
    if "$@"; then return 0; fi
    sleep 0.1
  done
  fail "no sign of $what within 120 s"
}

# wait_while_runs JOB WHAT COMMAND...: waits until COMMAND succeeds, like wait_for; fails if the job ends before.
wait_while_runs() {
  wait_for "$2" has_ended_or "$1" "${@:3}"
  "${@:3}" || fail "job $1 has ended without a sign of $2"
}
has_ended_or() { "${@:2}" || has_ended "$1"; }

# submit ARGUMENT...: calls sbatch and sets `job` to the id of the job.
# shellcheck disable=SC2034 # used by the test
submit() { job=$(sbatch --parsable "$@"); }
# output_of JOB: prints the output of the job so far; array-1-3.out does not belong to job 3.
output_of() { find "${work:?}" -name "*[a-z]-$1.out" -exec cat {} +; }

# states JOB: prints one line "STATE EXIT_CODE:SIGNAL" for the job, or for each element of an array.
states() { scontrol --oneliner show job "$1" | sed -E 's/.*JobState=([A-Z_]+) .*ExitCode=([0-9:]+).*/\1 \2/'; }
has_state() { [[ $(states "$1") == "$2 "* ]]; }
has_ended() {
  local state
  state=$(states "$1") && [[ -n $state && ! $state =~ PENDING|RUNNING|COMPLETING|CONFIGURING|REQUEUED|SIGNALING ]]
}
said() { output_of "$1" | grep -F -- "$2" >/dev/null; }

# must_end JOB STATE EXIT_CODE: waits for the end of the job, or of all elements of an array, and checks how they ended.
must_end() {
  local state
  wait_for "the end of job $1" has_ended "$1"
  while read -r state; do
    [[ $state == "$2 $3" ]] || fail "job $1 ended as $state instead of $2 $3"
  done < <(states "$1")
}
must_have_said() { said "$1" "$2" || fail "job $1 did not say \"$2\""; }

# is_run JOB NUMBER: succeeds if the job is in its run with that number.
is_run() { scontrol --oneliner show job "$1" | grep -q "JobState=RUNNING .*Restarts=$(($2 - 1)) "; }
