#!/bin/sh
# Turns labelled data, as annotation tools export it, into OUT_DIR/{train,val}/{images,labels}; --help lists the options.

here=$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")
exec "$here/run_python.sh" prepare_data.py "$@"
