#!/bin/sh
# Turns NYUDv2 into OUT_DIR/{train,val}/{images,labels}; --help lists the options.

here=$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")
exec "$here/run_python.sh" prepare_nyud_data.py "$@"
