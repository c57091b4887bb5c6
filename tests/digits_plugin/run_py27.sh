#!/bin/sh
# Runs the tests of digits_plugin under Python 2.7, as DIGITS has it.
#
# The interpreter: `python2.7` of this machine, else that of a Debian 11 root made by debootstrap
# (FCNKIT_BULLSEYE_ROOT, or .bullseye in the repository; `chroot` needs root rights). The wheels
# are downloaded once by the current pip into tests/digits_plugin/wheels27.
# Where no Python 2.7 can be had it says so and checks the syntax instead (static_py27.py): that
# finds what Python 2.7 cannot parse, not what it does otherwise.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
wheels=$here/wheels27
root=

if ! python2.7 -c "" >/dev/null 2>&1; then
    for candidate in "${FCNKIT_BULLSEYE_ROOT:-}" "$repo/.bullseye"; do
        if [ -n "$candidate" ] && [ -x "$candidate/usr/bin/python2.7" ]; then
            root=$candidate
            break
        fi
    done
    if [ -z "$root" ] || [ "$(id -u)" != 0 ]; then
        echo "run_py27.sh: no python2.7 here, and no Debian 11 root with one that may be entered" >&2
        echo "(FCNKIT_BULLSEYE_ROOT, $repo/.bullseye). Checking the syntax only." >&2
        exec "$python" "$here/static_py27.py"
    fi
fi

if [ ! -d "$wheels" ]; then
    mkdir "$wheels.part" 2>/dev/null || true
    "$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 27 \
        --implementation cp --abi cp27mu --abi none --platform manylinux1_x86_64 --platform any \
        --dest "$wheels.part" numpy==1.16.6 Pillow==6.2.2 scipy==1.2.3 Flask==0.12.5 \
        Flask-WTF==0.14.3 WTForms==2.2.1 Jinja2==2.11.3 Werkzeug==0.14.1 MarkupSafe==1.1.1 \
        click==7.1.2 itsdangerous==1.1.0 setuptools==44.1.1 six
    mv "$wheels.part" "$wheels"
fi

work=$(mktemp -d "${root:-}/tmp/fcnkit-py27.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/site" "$work/tree/tests"
for wheel in "$wheels"/*.whl; do
    "$python" -m zipfile -e "$wheel" "$work/site"
done
cp -R "$repo/digits_plugin" "$work/tree/"
cp -R "$repo/tests/vectors" "$work/tree/tests/"
mkdir -p "$work/tree/docs/screenshots"
cp "$repo/docs/digits_plugin.md" "$work/tree/docs/"
cp -R "$repo/docs/screenshots/digits_plugin" "$work/tree/docs/screenshots/"
mkdir "$work/tree/tests/digits_plugin"
cp -R "$here"/*.py "$here/stub" "$work/tree/tests/digits_plugin/"

inside=${work#"$root"}
run="cd $inside/tree && PYTHONPATH=$inside/site OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 \
    python2.7 -m unittest discover -s tests/digits_plugin -p 'test_digits_*.py'"
if [ -n "$root" ]; then
    chroot "$root" /bin/sh -c "$run"
else
    sh -c "$run"
fi
