#!/usr/bin/env bash
# check_hosts.sh COMMAND PYTHON: checks what `joblib-mpi doctor` finds with two ranks on each of two hosts, which differ
# in the spill folder and in the versions of Python packages.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/hosts/hosts.sh
. "$here/../../cluster/hosts/hosts.sh"

start_hosts 2
options=()
# With the few cores of this machine ranks are not bound anyway, and mpirun of Open MPI 5 accepts that option only once.
words="${launch[*]}"
words=${words/--bind-to none --oversubscribe/}
for word in $words --host "$(hosts_with 2 2)"; do options+=(--launcher-option "$word"); done

mkdir "$folder/shared" "$folder/private"
nsenter --target "$(<"$JOBLIB_MPI_HOSTS/n2.pid")" --mount --root \
  mount -t tmpfs tmpfs "$folder/private"

# Packages that contain only their version, by host.
for package in joblib_mpi joblib cloudpickle numpy sklearn; do
  for host in n1 n2; do
    mkdir -p "$folder/packages/$host/$package"
    echo '__version__ = "3.1"' >"$folder/packages/$host/$package/__init__.py"
  done
done
touch "$folder"/packages/{n1,n2}/joblib_mpi/_mpi.py # the part that ranks load
echo '__version__ = "2.0"' >"$folder/packages/n2/cloudpickle/__init__.py"
cat >"$folder/python" <<END
#!/bin/sh
export PYTHONPATH="$folder/packages/\$(hostname)"
exec "$2" -S "\$@"
END
chmod +x "$folder/python"

"$2" "$here/check_hosts.py" "$1" "$folder" -- "${options[@]}"
