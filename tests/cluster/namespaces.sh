# shellcheck shell=bash
# To be sourced first: starts the script again in new namespaces, as their root user. Its addresses, ports, mounts and
# processes are private and disappear when it ends, in whichever way it ends.
#
# If that is impossible, the script ends with status 77, which means skipped: it needs root, or a kernel that lets users
# make namespaces.
if [[ -z ${JOBLIB_MPI_OWN_NAMESPACES:-} ]]; then
  export JOBLIB_MPI_OWN_NAMESPACES=yes
  # In a chroot, / is not a mount point whose propagation could be changed.
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
# The first process of a namespace gets only signals for which it has a handler.
trap 'exit 130' INT
trap 'exit 143' TERM
