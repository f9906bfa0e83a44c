#!/usr/bin/env bash
# From a fresh machine to a scikit-learn search on four MPI ranks: installs what is missing, makes .venv/ and build/,
# and runs examples/python/digits_search.py with the arguments given. RANKS=8 takes another number of ranks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=mpi_launch/setup.sh
. mpi_launch/setup.sh

install_dependencies build
make_virtual_environment
build_cpp develop -DJOBLIB_MPI_TESTS=OFF
install_python_package

allow_mpi_as_root
command=(.venv/bin/joblib-mpi run --python .venv/bin/python -n "${RANKS:-4}" examples/python/digits_search.py "$@")
echo "${command[*]}"
exec timeout -k 5 "${TIMEOUT_SECONDS:-1800}" "${command[@]}"
