#!/usr/bin/env bash
# Lists every package that is needed to build, test and check joblib-mpi, by package manager, and installs them.
#
# As a command:  mpi_launch/dependencies.sh [build] [test] [ci] [docs]     installs the missing packages of these groups
# Sourced:       install_dependencies build test
#
# Debian 12 and 13 have the same names except for clang's version. On other systems nothing is installed: if something
# is missing there, the command stops and prints the lists for dnf and spack.
set -euo pipefail

dependencies_debian() {
  case $1 in
    build)
      echo build-essential cmake ninja-build ccache libopenmpi-dev openmpi-bin libboost-mpi-dev \
        libboost-serialization-dev libhdf5-dev libspdlog-dev libxxhash-dev libssl-dev libcli11-dev nlohmann-json3-dev \
        python3 python3-venv python3-dev
      ;;
    test) echo catch2 libhdf5-openmpi-dev iproute2 procps slurmctld slurmd slurm-client munge ;;
    ci) echo shellcheck git debootstrap "$(debian_clang)" "$(debian_clang_tidy)" "$(debian_clang_runtime)" ;;
    docs) echo doxygen python3 python3-venv ;;
    *) unknown_group "$1" ;;
  esac
}

# The oldest clang of each release that compiles libstdc++'s ranges.
debian_clang() {
  case $(grep -s ^VERSION_ID= /etc/os-release) in
    *12*) echo clang-16 ;;
    *) echo clang ;;
  esac
}

# The tools of that clang version.
debian_clang_tidy() {
  local clang
  clang=$(debian_clang)
  echo "${clang/clang/clang-tidy}"
}

# The libraries of that clang version for sanitizers and libFuzzer.
debian_clang_runtime() {
  local clang
  clang=$(debian_clang)
  echo "lib${clang/clang/clang-rt}-dev"
}

# For Fedora; RHEL and its rebuilds need EPEL and the CRB repository for some of them.
dependencies_dnf() {
  case $1 in
    build)
      echo gcc-c++ make cmake ninja-build ccache openmpi openmpi-devel pmix-devel boost-devel boost-openmpi-devel \
        hdf5-devel spdlog-devel xxhash-devel openssl-devel cli11-devel json-devel python3 python3-devel python3-pip
      ;;
    test) echo catch-devel hdf5-openmpi-devel iproute procps-ng slurm slurm-slurmctld slurm-slurmd munge ;;
    ci) echo ShellCheck git-core clang clang-tools-extra compiler-rt debootstrap ;;
    docs) echo doxygen python3 python3-pip ;;
    *) unknown_group "$1" ;;
  esac
}

dependencies_spack() {
  case $1 in
    build)
      echo cmake@3.25: ninja ccache openmpi@4.1: pmix boost@1.74:+mpi+serialization hdf5 spdlog xxhash openssl cli11 nlohmann-json \
        python@3.9: py-pip
      ;;
    test) echo catch2 slurm+pmix munge ;;
    ci) echo shellcheck git llvm ;;
    docs) echo doxygen python@3.9: py-pip ;;
    *) unknown_group "$1" ;;
  esac
}

unknown_group() {
  echo "unknown dependency group \"$1\"; known: build, test, ci, docs" >&2
  return 2
}

# Installs the missing packages of the given groups; returns at once if none is missing.
install_dependencies() {
  local group
  for group in "$@"; do
    dependencies_debian "$group" >/dev/null || return
  done
  if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    install_debian_packages "$@"
  else
    require_other_system "$@"
  fi
}

install_debian_packages() {
  local group words wanted=() missing=() package
  for group in "$@"; do
    read -ra words <<<"$(dependencies_debian "$group")"
    wanted+=("${words[@]}")
  done
  for package in "${wanted[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  local as_root=()
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || {
      echo "missing packages, and neither root nor sudo is at hand; run as root: apt-get install ${missing[*]}" >&2
      return 1
    }
    as_root=(sudo)
  fi
  echo "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" sh -c "$install_without_daemons" sh "${missing[@]}"
}

# Tests start Slurm and munge themselves, with separate settings, so the packages must not start any service.
# shellcheck disable=SC2016 # the shell that gets it expands it
install_without_daemons='
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap "rm -f $policy" EXIT
    trap "exit 1" HUP INT TERM
    printf "#!/bin/sh\nexit 101\n" >"$policy"
    chmod +x "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -qq --yes --no-install-recommends "$@" >/dev/null
'

# On any system but Debian: succeeds if commands and headers exist; otherwise names the missing ones and the packages.
require_other_system() {
  local missing=() command header
  for command in c++ cmake ninja mpicxx mpirun "${PYTHON:-/usr/bin/python3}"; do
    command -v "$command" >/dev/null || missing+=("$command")
  done
  if command -v mpicxx >/dev/null; then
    for header in boost/mpi.hpp boost/archive/binary_oarchive.hpp hdf5.h spdlog/spdlog.h xxhash.h CLI/CLI.hpp \
      nlohmann/json.hpp; do
      mpicxx -std=c++20 -E -x c++ -o /dev/null - <<<"#include <$header>" 2>/dev/null || missing+=("<$header>")
    done
  fi
  if command -v cmake >/dev/null && ! cmake --list-presets=all "$(dirname "${BASH_SOURCE[0]}")/.." &>/dev/null; then
    missing+=("cmake 3.25 or newer")
  fi
  ((${#missing[@]})) || return 0

  echo "missing on this system: ${missing[*]}" >&2
  print_other_packages "$@" >&2
  return 1
}

print_other_packages() {
  local group words dnf=() spack=()
  for group in "$@"; do
    read -ra words <<<"$(dependencies_dnf "$group")"
    dnf+=("${words[@]}")
    read -ra words <<<"$(dependencies_spack "$group")"
    spack+=("${words[@]}")
  done
  cat <<END
Install them in one of these ways, then run this again:
  dnf install ${dnf[*]}
  module load mpi/openmpi-$(uname -m)
or
  spack install ${spack[*]}
  spack load ${spack[*]}
A cluster's own modules for a compiler (g++ 12 or newer), Open MPI, Boost with MPI, HDF5 and CMake do as well.
END
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  [[ $# -gt 0 ]] || set -- build
  install_dependencies "$@"
fi
