#!/usr/bin/env bash
# Builds the manual and the reference of both languages as one HTML site, build/docs/html/index.html. Warnings are errors.
# With --write-names the lists of docs/public-names.md are written first; otherwise they are compared.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=mpi_launch/dependencies.sh
. mpi_launch/dependencies.sh

if [[ $# -gt 1 || ($# -eq 1 && $1 != --write-names) ]]; then
  echo "usage: docs/build.sh [--write-names]" >&2
  exit 2
fi
install_dependencies docs

# A Python environment with the packages of the extra "docs" and those that the module imports.
tools=build/docs-venv
[[ -x $tools/bin/pip ]] || "${PYTHON:-/usr/bin/python3}" -m venv "$tools"
mapfile -t requirements < <(grep -E '^(docs|dependencies) = ' pyproject.toml | grep -o '"[^"]*"' | tr -d '"')
"$tools/bin/pip" --disable-pip-version-check install --quiet "${requirements[@]}"

rm -rf build/docs
mkdir -p build/docs
doxygen docs/Doxyfile
docs/public_names.py --reference build/docs/cpp-reference.md
[[ $# -eq 0 ]] || docs/public_names.py --write
docs/public_names.py --check
docs/settings_table.py --check
"$tools/bin/sphinx-build" --fail-on-warning --keep-going --quiet --fresh-env -b html -d build/docs/doctrees docs \
  build/docs/html
echo "built build/docs/html/index.html"
