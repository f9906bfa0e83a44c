#!/bin/sh
# Prints a public header as Doxygen reads it, line for line: without namespaces that are not public, and with the names of
# standard headers in comments as text instead of HTML.
exec sed -e '/^namespace \(detail\|std\) {/,/^}  *\/\/ namespace \(detail\|std\)/s/.*//' \
  -e '/^ *\/\/\//s/\([ (]\)<\([a-z_./]*\)>\([ ,.;)]\|$\)/\1\\<\2\\>\3/g' "$1"
