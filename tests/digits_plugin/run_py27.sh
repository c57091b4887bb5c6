#!/bin/sh
# Runs the tests of digits_plugin under Python 2.7 and the versions that DIGITS 6 pins.
#
# The interpreter: PYTHON27, else `python2.7` of this machine, else pyenv's, else that of a Debian 11
# root made by debootstrap (FCNKIT_BULLSEYE_ROOT, or .bullseye in the repository; `chroot` needs root
# rights). Packages are downloaded once by the current pip into tests/digits_plugin/wheels27. Pillow
# 3.3.2 and lmdb 0.87 have no wheel and are compiled: with a C compiler and the headers of Python,
# zlib and libjpeg. Where that fails, Pillow 3.3.1, whose wheel differs from 3.3.2 by security
# repairs only, takes its place, and lmdb is left out; the first line of the output says so.
# Where no Python 2.7 can be had it says so and checks the syntax instead (static_py27.py): that
# finds what Python 2.7 cannot parse, not what it does otherwise.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
wheels=$here/wheels27
root=

works() {
    # The wheels are for builds with 4 bytes per character, as Linux distributions have them.
    "$1" -c "import sys; sys.exit(sys.version_info[:2] != (2, 7) or sys.maxunicode < 65536)" \
        >/dev/null 2>&1
}

find_python() {
    for candidate in "${PYTHON27:-}" python2.7; do
        if [ -n "$candidate" ] && works "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    for version in $(pyenv versions --bare 2>/dev/null | grep '^2\.7' || true); do
        candidate=$(pyenv prefix "$version")/bin/python2.7
        if works "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

python27=$(find_python)
if [ -z "$python27" ]; then
    python27=python2.7
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

download() {
    "$python" -m pip download --quiet --no-deps --dest "$wheels.part" "$@"
}

if [ ! -d "$wheels" ]; then
    rm -rf "$wheels.part"
    mkdir "$wheels.part"
    download --only-binary=:all: --python-version 27 --implementation cp --abi cp27mu --abi none \
        --platform manylinux1_x86_64 --platform any numpy==1.14.0 scipy==0.17.0 Flask-WTF==0.12 \
        Jinja2==2.11.3 Werkzeug==0.16.1 MarkupSafe==1.1.1 itsdangerous==1.1.0 setuptools==20.7.0 \
        six==1.10.0 Pillow==3.3.1
    for package in Flask==0.10.1 WTForms==2.1 Pillow==3.3.2 lmdb==0.87; do
        download --no-binary=:all: "$package"
    done
    mv "$wheels.part" "$wheels"
fi

work=$(mktemp -d "${root:-}/tmp/fcnkit-py27.XXXXXX")
trap 'rm -rf "$work"' EXIT
inside=${work#"$root"}
run() {
    if [ -n "$root" ]; then
        chroot "$root" /bin/sh -c "$1"
    else
        sh -c "$1"
    fi
}

mkdir -p "$work/site" "$work/sources" "$work/tree/tests"
for wheel in "$wheels"/*.whl; do
    case $wheel in
        */Pillow-*) ;;
        *) "$python" -m zipfile -e "$wheel" "$work/site" ;;
    esac
done
for source in "$wheels"/*.tar.gz; do
    tar -xzf "$source" -C "$work/sources"
done
for source in "$wheels"/*.zip; do
    "$python" -m zipfile -e "$source" "$work/sources"
done
cp -R "$work/sources"/Flask-*/flask "$work/sources"/WTForms-*/wtforms "$work/site/"
for package in Pillow lmdb; do
    built=$wheels/built-$package-$(run "$python27 -c 'import sys; print(abs(hash(sys.version)))'")
    if [ ! -d "$built" ] && run "cd $inside/sources/$package-* && PYTHONPATH=$inside/site \
        $python27 setup.py --quiet build_ext build --build-lib $inside/built" >"$work/log" 2>&1; then
        mv "$work/built" "$built"
    fi
    if [ -d "$built" ]; then
        cp -R "$built/." "$work/site/"
    else
        echo "run_py27.sh: $package could not be compiled:" "$(tail -n 1 "$work/log")"
        if [ "$package" = Pillow ]; then
            "$python" -m zipfile -e "$wheels"/Pillow-*.whl "$work/site"
        fi
    fi
    rm -rf "$work/built"
done

cp -R "$repo/digits_plugin" "$work/tree/"
cp -R "$repo/tests/vectors" "$work/tree/tests/"
mkdir -p "$work/tree/docs/screenshots"
cp "$repo/docs/digits_plugin.md" "$work/tree/docs/"
cp -R "$repo/docs/screenshots/digits_plugin" "$work/tree/docs/screenshots/"
mkdir "$work/tree/tests/digits_plugin"
cp -R "$here"/*.py "$here/stub" "$work/tree/tests/digits_plugin/"

environment="PYTHONPATH=$inside/site OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1"
versions='
import sys, PIL, flask, flask_wtf, numpy, scipy, wtforms
found = [(m.__name__, m.__version__) for m in (numpy, scipy, flask, flask_wtf, wtforms)]
found.append(("Pillow", getattr(PIL, "PILLOW_VERSION", "?")))
try:
    import lmdb
    found.append(("lmdb", lmdb.__version__))
except ImportError:
    pass
print("Python %s, %s" % (sys.version.split()[0], ", ".join("%s %s" % pair for pair in found)))
'
run "cd $inside/tree && $environment $python27 -c '$versions'"
run "cd $inside/tree && $environment $python27 -m unittest discover -s tests/digits_plugin \
    -p 'test_digits_*.py'"
