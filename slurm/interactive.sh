#!/usr/bin/env bash
# A Python prompt on the ranks of a Slurm job: what is typed runs on rank 0, the others run the tasks of its joblib calls.
# Ctrl-C ends the running call, Ctrl-D the session.
#
#   slurm/interactive.sh [OPTION_OF_SALLOC...]
#   slurm/interactive.sh --nodes=4 --time=4:00:00
#
# PYTHON is the interpreter of the environment that joblib_mpi is installed in.
set -euo pipefail

: "${PYTHON:=.venv/bin/python}"

# Only rank 0 gets the terminal.
exec salloc --job-name=interactive --nodes=1 --ntasks-per-node=16 --time=01:00:00 "$@" \
  srun --mpi=pmix --pty "$PYTHON" -m joblib_mpi -i
