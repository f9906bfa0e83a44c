#!/usr/bin/env bash
# kill_ranks.sh FOLDER HOST: kills every process of a host at once but its first one, Open MPI's daemon and what started it.
#
# As near to a power cut as PRRTE 3.0 of Open MPI 5.0 can survive: mpirun ends the job when a daemon is lost.
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
