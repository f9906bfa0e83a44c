#!/usr/bin/env bash
# Checks the types of the Python package: mypy in strict mode over its sources, and stubtest, which compares the
# stubs with the compiled modules that are installed in .venv. Its tools are in an environment of their own, in the versions of
# pyproject.toml's "lint" extra, with the Python that .venv has.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools=build/lint
[[ -x $tools/bin/python ]] || /usr/bin/python3 -m venv "$tools"
mapfile -t requirements < <(grep '^lint = ' pyproject.toml | grep -o '"mypy[^"]*"' | tr -d '"')
"$tools/bin/python" -m pip --disable-pip-version-check install --quiet "${requirements[@]}"

status=0
"$tools/bin/python" -m mypy --python-executable .venv/bin/python || status=1
# From another folder and with the packages of .venv: so that stub and module are those that users get.
packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
root=$PWD
cd "$tools"
PYTHONPATH=$packages bin/python -m mypy.stubtest joblib_mpi._core joblib_mpi._mpi --concise --ignore-unused-allowlist \
  --allowlist "$root/.ci/stubtest_allowlist.txt" || status=1
exit "$status"
