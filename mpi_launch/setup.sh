# shellcheck shell=bash
# What quickstart.sh, tests/run.sh and .ci/run share: .venv/, build/ and how this machine runs MPI programs.
# Sourced from the repository's root, with `set -euo pipefail`.
# shellcheck source=mpi_launch/dependencies.sh
. mpi_launch/dependencies.sh

# Compiler cache entries are found again by other build folders, other clones and in other locales.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=locale

# Python's modules are compiled once, in what is installed and in the tests: thousands of ranks and executors load them.
unset PYTHONDONTWRITEBYTECODE

# Compiler warnings are errors in CI, in whatever is built there: so that one build serves all.
werror=OFF
# shellcheck disable=SC2034 # for those who source this
if [[ ${CI:-} == true ]]; then werror=ON; fi

# Makes .venv from the system's Python unless a working one of the same version is there.
make_virtual_environment() {
  local python=${PYTHON:-/usr/bin/python3} version='import sys, pip; print(sys.version)'
  if [[ $(.venv/bin/python -c "$version" 2>/dev/null) != "$("$python" -c 'import sys; print(sys.version)')" ]]; then
    echo "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
  fi
}

# build_cpp PRESET [CMake options]: configures and builds one preset.
build_cpp() {
  local log
  log=$(mktemp)
  cmake --preset "$@" >"$log" || { cat "$log"; rm -f "$log"; return 1; }
  rm -f "$log"
  cmake --build --preset "$1"
}

# Installs this work tree with its test extra into .venv unless just that is installed already. The CMake build behind
# it stays in build/python, so only what has changed is compiled.
install_python_package() {
  local state installed=.venv/joblib-mpi-installed pip=(.venv/bin/python -m pip --disable-pip-version-check)
  local build_requirements=()
  state=$(python_package_state)
  if [[ $(cat "$installed" 2>/dev/null) == "$state" ]] && .venv/bin/python -c 'import joblib_mpi' 2>/dev/null; then
    return 0
  fi
  echo "installing joblib_mpi into .venv"
  rm -f "$installed"
  mapfile -t build_requirements < <(grep '^requires = ' pyproject.toml | grep -o '"[^"]*"' | tr -d '"')
  "${pip[@]}" install --quiet --no-compile "${build_requirements[@]}"
  "${pip[@]}" install --quiet --no-compile --no-build-isolation '.[test]'
  # With all cores, which pip does not use. Some packages ship templates that are no programs.
  .venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null || true
  echo "$state" >"$installed"
}

# A digest of all files that the installed Python package is made from.
python_package_state() {
  find pyproject.toml CMakeLists.txt README.md LICENSE cmake include mpi_launch src python \
    -type f ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
}

# Open MPI refuses to run as root unless told twice. Only root is told.
allow_mpi_as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
}
