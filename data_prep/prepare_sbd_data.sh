#!/bin/sh
# Turns the Semantic Boundaries Dataset into OUT_DIR/{train,val}/{images,labels}; --help lists the options.

here=$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")
exec "$here/run_python.sh" prepare_sbd_data.py "$@"
