#!/usr/bin/env bash
# serve_on_hosts.sh PYTHON: a plain program on one host searches with the workers of a job that serves on two hosts, which
# joblib's `parallel_backend` names, and finds what a sequential search finds.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/hosts/hosts.sh
. "$here/hosts.sh"

start_hosts 2
export XDG_STATE_HOME=$folder/state
launch+=(-x XDG_STATE_HOME)
start_job 2 "$1" -m joblib_mpi --serve
# on_n1 COMMAND...: runs the command as a user of n1 does.
on_n1() { "$here/host_agent.sh" n1 "XDG_STATE_HOME='$XDG_STATE_HOME' timeout 300 $*"; }
wait_until 150 says "joblib-mpi list"
name=$(sed -nE 's/.*scheduler_host="(.*)".*/\1/p' "$folder/output")
on_n1 "'$1' '$here/search_as_client.py' '$name'"
on_n1 "'$1' -m joblib_mpi.serving.command stop '$name'"
wait_for_end 150
[[ $status -eq 0 ]]
