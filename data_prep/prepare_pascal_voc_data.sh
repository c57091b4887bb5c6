#!/bin/sh
# Turns a PASCAL VOC archive into OUT_DIR/{train,val}/{images,labels}; --help tells the options.
# The work is done in Python: by the project's own environment where there is one, else by any
# python3 that has fcnkit installed.

here=$(dirname "$(readlink -f "$0" 2>/dev/null || echo "$0")")
for python in "$here/../.venv/bin/python" python3 python; do
    if "$python" -c 'import fcnkit.data_prep' 2>/dev/null; then
        exec "$python" "$here/prepare_pascal_voc_data.py" "$@"
    fi
done
echo "error: found no Python that has fcnkit: run 'make install' in the project's folder" >&2
exit 1
