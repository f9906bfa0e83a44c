#!/usr/bin/env bash
# Runs a command on a copy of this work tree in a separate Debian system:
#
#   .ci/debian.sh RELEASE [--fresh] [--user] COMMAND...     RELEASE is bookworm (Debian 12) or trixie (Debian 13)
#   .ci/debian.sh RELEASE --remove
#
#   --fresh   in a system with nothing but what debootstrap installs; without it, in the one of the last run
#   --user    as an ordinary user, to whom the work tree belongs; without it, as root
#
# The system stays in $JOBLIB_MPI_CHROOT (/var/cache/joblib-mpi/RELEASE), with the copy's build/ and .venv/; beside it
# stay downloaded packages, so that a fresh one costs seconds. This machine's compiler cache serves in all of them.
# Needs root or sudo, and debootstrap. JOBLIB_MPI_DEBIAN_MIRROR names another mirror.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
copy=src/joblib-mpi
compiler_cache=var/cache/ccache
user=joblib

make_system() {
  [[ $fresh == yes || ! -e $system/etc/debian_version ]] || return 0
  flock 9 # another run may be filling the folder of packages
  remove_system
  echo "making a Debian system \"$release\" in $system"
  debootstrap --variant=minbase --cache-dir="$packages" "$release" "$system.partial" \
    ${JOBLIB_MPI_DEBIAN_MIRROR:+"$JOBLIB_MPI_DEBIAN_MIRROR"} >"$system.log" || {
    tail -n 20 "$system.log" "$system.partial/debootstrap/debootstrap.log" >&2
    return 1
  }
  link_packages "$packages" "$system.partial/var/cache/apt/archives"
  echo force-unsafe-io >"$system.partial/etc/dpkg/dpkg.cfg.d/quick" # a system that may be lost needs not be synced
  chroot "$system.partial" useradd --create-home --shell /bin/bash "$user"
  mv "$system.partial" "$system"
}

# What apt has downloaded for this system serves the next one.
remove_system() {
  if [[ -d $system ]]; then link_packages "$system/var/cache/apt/archives" "$packages"; fi
  rm -rf --one-file-system "$system" "$system.partial" "$system.log"
}

# link_packages FROM TO
link_packages() {
  find "$1" -maxdepth 1 -name '*.deb' -exec cp --link --no-clobber -t "$2" {} +
}

# The files that git knows or would add, without build/, build-*/ and .venv/; what an earlier copy built stays.
copy_work_tree() {
  mkdir -p "$system/$copy"
  find "$system/$copy" -mindepth 1 -maxdepth 1 ! -name build ! -name 'build-*' ! -name .venv -exec rm -rf --one-file-system {} +
  local file listed=() present=()
  cd "$repository"
  mapfile -td '' listed < <(git -c safe.directory="$repository" ls-files -z --cached --others --exclude-standard)
  for file in "${listed[@]}"; do
    if [[ -e $file || -L $file ]]; then present+=("$file"); fi
  done
  printf '%s\0' "${present[@]}" | tar --create --null --files-from=- |
    tar --extract --no-same-owner --directory "$system/$copy"
  chroot "$system" chown --recursive --no-dereference "$account:" "/$copy"
}

# Runs in separate namespaces: what is mounted or started in here is gone when it ends, however it ends.
run_inside() {
  local variable environment=() certificates=/etc/ssl/certs/ca-certificates.crt
  mount --bind "$system" "$system"
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
  use_compiler_cache
  environment+=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8)
  enter_system
  cd "/$copy"
  [[ $account == root ]] || exec setpriv --reuid "$user" --regid "$user" --init-groups --inh-caps=-all \
    /usr/bin/env -i "${environment[@]}" HOME="/home/$user" USER="$user" "$@"
  exec /usr/bin/env -i "${environment[@]}" HOME=/root "$@"
}

# Root fills this machine's cache; the ordinary user only reads it.
use_compiler_cache() {
  local cache=${CCACHE_DIR:-$HOME/.cache/ccache}
  mkdir -p "$cache" "$system/$compiler_cache"
  mount --bind "$cache" "$system/$compiler_cache"
  environment+=("CCACHE_DIR=/$compiler_cache" "CCACHE_BASEDIR=/$copy" CCACHE_NOHASHDIR=true) # see .ci/stages.sh
  environment+=(CCACHE_DEPEND=true) # the copy always has this path, so the compiler need not be asked first for one without it
  [[ $account == root ]] || environment+=(CCACHE_READONLY=1 CCACHE_TEMPDIR=/tmp/ccache)
}

# Unlike chroot, this leaves the kernel willing to give an ordinary user namespaces.
enter_system() {
  cd "$system"
  pivot_root . .
  umount --lazy .
}

if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "a Debian system needs root or sudo to be made and entered" >&2; exit 1; }
  exec sudo --preserve-env=CI,JOBLIB_MPI_CHROOT,JOBLIB_MPI_DEBIAN_MIRROR "$0" "$@"
fi

inside=no fresh=no account=root remove=no
if [[ ${1:-} == --inside ]]; then inside=yes; shift; fi
release=${1:?say which release: bookworm or trixie}
arguments=("$@")
shift
system=${JOBLIB_MPI_CHROOT:-/var/cache/joblib-mpi/$release}
while [[ ${1:-} == --* ]]; do
  case $1 in
    --fresh) fresh=yes ;;
    --user) account=$user ;;
    --remove) remove=yes ;;
    *) echo "debian.sh: unknown option $1; known: --fresh, --user, --remove" >&2; exit 2 ;;
  esac
  shift
done
packages=$(dirname "$system")/packages/$release
mkdir -p "$packages"
if [[ $remove == yes ]]; then
  remove_system
  exit
fi
[[ $# -gt 0 ]] || { echo "debian.sh: say which command, for example tests/run.sh" >&2; exit 2; }

[[ $inside == no ]] || run_inside "$@"
make_system 9>"$packages/lock"
copy_work_tree
exec unshare --mount --pid --fork --kill-child --propagation private "$0" --inside "${arguments[@]}"
