# shellcheck shell=bash
# The setup that quickstart.sh, tests/run.sh and .ci/run share: .venv/, build/ and the settings for MPI programs.
# Sourced from the repository's root, with `set -euo pipefail`.
# shellcheck source=mpi_launch/dependencies.sh
. mpi_launch/dependencies.sh

# Other build folders, clones and locales find the same entries of the compiler cache.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=locale

# Python modules, installed ones and those of the tests, are compiled once: thousands of ranks and executors load them.
unset PYTHONDONTWRITEBYTECODE

# In CI, compiler warnings are errors in every build, so that all stages can use one build, and the Python package is
# compiled as the preset "develop" is, with assertions, by a compiler of the same name: the compiler cache then has all of it
# but the bindings.
werror=OFF python_build=()
# shellcheck disable=SC2034 # used by the scripts that source this one
if [[ ${CI:-} == true ]]; then
  werror=ON
  python_build=("CXX=${CXX:-c++}" SKBUILD_CMAKE_BUILD_TYPE=RelWithDebInfo
    "SKBUILD_CMAKE_DEFINE=CMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2 -g1;JOBLIB_MPI_LAUNCHER_OPTIONS=-O0;JOBLIB_MPI_WERROR=ON")
fi

# Makes .venv from the system's Python unless it exists, works, and has the same version.
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

# Installs this work tree with its test extra into .venv unless exactly that is installed. The CMake build is kept in
# build-*, so that only changed files are compiled.
install_python_package() {
  local state installed=.venv/joblib-mpi-installed pip=(.venv/bin/python -m pip --disable-pip-version-check)
  local build_requirements=()
  state="$(python_package_state) ${python_build[*]}"
  if [[ $(cat "$installed" 2>/dev/null) == "$state" ]] && .venv/bin/python -c 'import joblib_mpi._mpi' 2>/dev/null; then
    return 0
  fi
  echo "installing joblib_mpi into .venv"
  rm -f "$installed"
  mapfile -t build_requirements < <(grep '^requires = ' pyproject.toml | grep -o '"[^"]*"' | tr -d '"')
  "${pip[@]}" install --quiet --no-compile "${build_requirements[@]}"
  env "${python_build[@]}" "${pip[@]}" install --quiet --no-compile --no-build-isolation '.[test]'
  # On all cores, which pip does not use, without the tests of other packages. Errors are ignored: some packages contain
  # templates that are not valid Python.
  .venv/bin/python -m compileall -q -j 0 -x /tests/ .venv/lib >/dev/null || true
  echo "$state" >"$installed"
}

# Prints a digest of all files from which the installed Python package is made.
python_package_state() {
  find pyproject.toml CMakeLists.txt README.md LICENSE cmake include mpi_launch src python \
    -type f ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
}

# Open MPI runs as root only if two variables allow it. They are set for root alone.
allow_mpi_as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
}
