# shellcheck shell=bash
# To be sourced first: starts the script again in namespaces of its own, as the root user there. Its addresses, ports,
# mounts and processes are nobody else's, and all of them are gone when it ends, whatever ends it.
#
# Where this cannot be, the script ends with status 77, for skipped: it needs root, or a kernel that lets users have
# namespaces.
if [[ -z ${JOBLIB_MPI_OWN_NAMESPACES:-} ]]; then
  export JOBLIB_MPI_OWN_NAMESPACES=yes
  # In a chroot / is no mount, whose propagation could be changed.
  propagation=private
  mountpoint --quiet / || propagation=unchanged
  alone=(--net --uts --ipc --mount --propagation "$propagation" --pid --fork --kill-child --mount-proc)
  for user in root mapped; do
    if [[ $user == mapped ]]; then alone=(--user --map-root-user "${alone[@]}"); fi
    if [[ $(unshare "${alone[@]}" id -u 2>/dev/null) == 0 ]]; then exec unshare "${alone[@]}" "$0" "$@"; fi
  done
  echo "skipped: namespaces need root or a kernel that lets users have them"
  exit 77
fi
unset JOBLIB_MPI_OWN_NAMESPACES
# The first process of its namespace gets no signal that it does not ask for.
trap 'exit 130' INT
trap 'exit 143' TERM
