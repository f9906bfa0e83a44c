#!/usr/bin/env bash
# kill_ranks.sh FOLDER HOST: kills all processes of a host at once except the first, Open MPI's daemon and its parents.
#
# This is as close to a power cut as PRRTE 3.0 of Open MPI 5.0 can survive: mpirun ends the job when it loses a daemon.
set -euo pipefail
first=$(<"$1/$2.pid")
namespace=$(readlink "/proc/$first/ns/pid")
victims=()
for process in /proc/[0-9]*; do
  pid=${process#/proc/}
  [[ $pid != "$first" && $(readlink "$process/ns/pid") == "$namespace" ]] || continue
  case $(cat "$process/comm" 2>/dev/null) in
    sleep | sh | orted | prted) ;;
    *) victims+=("$pid") ;;
  esac
done
kill -KILL "${victims[@]}"
