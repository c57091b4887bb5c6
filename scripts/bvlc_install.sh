#!/bin/sh
# Installs this project, as it is now, into a Debian folder made by setup_bvlc_caffe.sh.
#
#   scripts/bvlc_install.sh ROOT [SITE]
#
# It goes to ROOT/opt/fcnkit, or to SITE (a path inside ROOT): a folder of its own, so that Debian's
# NumPy, protobuf and Pillow stay as BVLC Caffe needs them.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
repo=$(dirname -- "$here")
[ $# -ge 1 ] || { sed -n '4p' "$0" >&2; exit 2; }
root=$(readlink -f -- "$1")
site=${2:-/opt/fcnkit}
[ -x "$root/usr/bin/pip3" ] || {
    echo "error: $root: no Debian folder with pip; make one: $here/setup_bvlc_caffe.sh $root" >&2
    exit 1
}

# pip runs inside ROOT on a copy of the packages' folders alone, so nothing is built in the repository.
source=$(mktemp -d "$root/tmp/fcnkit-source.XXXXXX")
trap 'rm -rf --one-file-system -- "$source"' EXIT
trap 'exit 130' INT TERM
folders=$(awk '/^package_dir/ { on = 1; next } /^[^ ]/ { on = 0 } on { print $NF }' "$repo/setup.cfg")
# shellcheck disable=SC2086  # a list of words
tar -C "$repo" -c --exclude=__pycache__ setup.cfg pyproject.toml README.md LICENSE $folders |
    tar -C "$source" -x --no-same-owner

new=$site.partial
rm -rf --one-file-system -- "${root:?}$new"
chroot "$root" env -u PYTHONPATH HOME=/tmp LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    pip3 install --quiet --no-deps --no-index --no-build-isolation --no-cache-dir \
    --target "$new" "${source#"$root"}"
rm -rf --one-file-system -- "${root:?}$site"
mv -- "$root$new" "$root$site"
