#!/usr/bin/env bash
# Compiles the library against the header of another MPI, MPICH, without linking: our source needs nothing of Open MPI.
# With Open MPI 4.1, which has no call that is newer than MPI 3.1, this shows that it keeps to MPI 3.1.
#
# On Debian; MPICH's package is unpacked into build/other_mpi and not installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=mpi_launch/setup.sh
. mpi_launch/setup.sh

folder=$PWD/build/other_mpi
header=$folder/mpich/usr/include/$(c++ -print-multiarch)/mpich
mkdir -p "$folder"
if [[ ! -e $header/mpi.h ]]; then
  (cd "$folder" && rm -f ./*.deb && apt-get download -qq -o APT::Sandbox::User=root libmpich-dev)
  dpkg-deb --extract "$folder"/libmpich-dev_*.deb "$folder/mpich"
fi
cmake --preset develop -B "$folder" -DJOBLIB_MPI_TESTS=OFF >"$folder/configure.log" || { cat "$folder/configure.log"; exit 1; }

# Every source below src/ that may include mpi.h, as it is compiled otherwise, several at a time, but for the folder of that
# header.
/usr/bin/python3 - "$folder/compile_commands.json" >"$folder/commands" <<'END'
import json, sys
for entry in json.load(open(sys.argv[1])):
    if "/joblib_mpi.dir/" in entry["file"]:
        print(entry["command"])
END
sed -E -i "s#-isystem [^ ]*/openmpi[^ ]*#-isystem $header#g; s# -o [^ ]+ -c # -fsyntax-only #" "$folder/commands"
xargs --max-procs="$(nproc)" --delimiter '\n' -n 1 bash -c <"$folder/commands"
files=$(cat "$folder"/CMakeFiles/joblib_mpi.dir/Unity/*.cxx | grep -c '^#include "')
echo "$files sources compile with MPICH $(sed -n 's/#define MPICH_VERSION *"\(.*\)"/\1/p' "$header/mpi.h")"
[[ $files -gt 0 ]]
