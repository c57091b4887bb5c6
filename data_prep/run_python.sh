#!/bin/sh
# Runs a command of this folder, run_python.sh FILE.py ARGUMENTS..., with a Python that has fcnkit:
# the project's own environment where there is one, else any python3 that has it installed.

here=$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")
file=$1
shift
for python in "$here/../.venv/bin/python" python3 python; do
    if "$python" -c 'import sys; del sys.path[0]; import fcnkit.commands' 2>/dev/null; then
        exec "$python" "$here/$file" "$@"
    fi
done
echo "error: found no Python that has fcnkit: run 'make install' in the project's folder" >&2
exit 1
