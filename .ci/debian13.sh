#!/usr/bin/env bash
# Runs a command, by default tests/run.sh, on a copy of this work tree in a Debian 13 system (g++ 14, Open MPI 5).
#
# The system is made once with debootstrap in $JOBLIB_MPI_CHROOT and kept, with the copy's build/, .venv/ and the
# compiler cache, so that the next run is quick. Needs root or sudo. JOBLIB_MPI_DEBIAN_MIRROR names another mirror.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
system=${JOBLIB_MPI_CHROOT:-/var/cache/joblib-mpi/trixie}
copy=src/joblib-mpi

make_system() {
  [[ -e $system/etc/debian_version ]] && return
  echo "making a Debian 13 system in $system"
  mkdir -p "$(dirname "$system")"
  rm -rf --one-file-system "$system.partial"
  debootstrap --variant=minbase trixie "$system.partial" ${JOBLIB_MPI_DEBIAN_MIRROR:+"$JOBLIB_MPI_DEBIAN_MIRROR"} \
    >"$system.log" || {
    tail -n 20 "$system.log" "$system.partial/debootstrap/debootstrap.log" >&2
    return 1
  }
  mv "$system.partial" "$system"
}

# The files that git knows or would add, without build/ and .venv/; what an earlier copy built stays.
copy_work_tree() {
  mkdir -p "$system/$copy"
  find "$system/$copy" -mindepth 1 -maxdepth 1 ! -name build ! -name .venv -exec rm -rf --one-file-system {} +
  local file listed=() present=()
  cd "$repository"
  mapfile -td '' listed < <(git -c safe.directory="$repository" ls-files -z --cached --others --exclude-standard)
  for file in "${listed[@]}"; do
    if [[ -e $file || -L $file ]]; then present+=("$file"); fi
  done
  printf '%s\0' "${present[@]}" | tar --create --null --files-from=- |
    tar --extract --no-same-owner --directory "$system/$copy"
}

# Runs in namespaces of its own: whatever is mounted or started in here is gone when it ends, however it ends.
run_inside() {
  local variable environment=() certificates=/etc/ssl/certs/ca-certificates.crt
  mount -t proc proc "$system/proc"
  mount --rbind /sys "$system/sys"
  mount --rbind /dev "$system/dev"
  mount -t tmpfs -o mode=1777 tmpfs "$system/dev/shm"
  mount -t tmpfs -o mode=1777 tmpfs "$system/tmp"
  # The network as this machine has it: names, certificates, package index.
  cp --dereference /etc/resolv.conf /etc/hosts "$system/etc/"
  if [[ -e /etc/pip.conf ]]; then cp /etc/pip.conf "$system/etc/"; fi
  for variable in CI PIP_INDEX_URL PIP_TRUSTED_HOST PIP_DEFAULT_TIMEOUT http_proxy https_proxy no_proxy OPENBLAS_CORETYPE OPENBLAS_L2_SIZE; do
    [[ -z ${!variable:-} ]] || environment+=("$variable=${!variable}")
  done
  if [[ -e $certificates ]]; then
    cp --dereference "$certificates" "$system/etc/host-certificates.crt"
    environment+=(PIP_CERT=/etc/host-certificates.crt)
  fi
  exec chroot "$system" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LC_ALL=C.UTF-8 "${environment[@]}" /bin/bash -c "cd /$copy && exec \"\$@\"" bash "$@"
}

if [[ ${1:-} == --inside ]]; then
  shift
  run_inside "$@"
fi

if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "a Debian 13 system needs root or sudo to be made and entered" >&2; exit 1; }
  exec sudo --preserve-env=CI,JOBLIB_MPI_CHROOT,JOBLIB_MPI_DEBIAN_MIRROR "$0" "$@"
fi
make_system
copy_work_tree
[[ $# -gt 0 ]] || set -- tests/run.sh
exec unshare --mount --pid --fork --kill-child --propagation private "$0" --inside "$@"
