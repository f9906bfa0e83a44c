#!/bin/sh
# Runs the command of a compiler. If that precompiles headers, it leaves beside them a digest of their text, at which the
# compiler cache looks (CCACHE_PCH_EXTSUM) and not at the headers: g++ never makes the same of one text twice.
set -eu
case " $* " in
  *" -x c++-header "*)
    for argument; do
      [ "${previous:-}" != -o ] || headers=$argument
      previous=$argument
    done
    rm -f "$headers"
    "$@" -E -P -dD
    sha256sum <"$headers" >"$headers.sum"
    rm "$headers" # which the compiler cache would take for an input
    ;;
esac
exec "$@"
