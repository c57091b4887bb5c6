#!/bin/sh
# Runs a command in a Debian folder made by setup_bvlc_caffe.sh, where `import caffe` is BVLC's.
#
#   scripts/bvlc_run.sh [-b FOLDER]... [-s SITE] ROOT COMMAND [ARGUMENT]...
#
# The current folder, this repository, /tmp and every FOLDER are there under the paths they have
# here, so arguments mean the same on both sides. FCNKIT_ENGINE is bvlc unless it is set. -s names
# another installation of this project inside ROOT than /opt/fcnkit (see bvlc_install.sh).
#
# The folders are bind-mounted in a mount namespace of the command's own: nobody else sees the
# mounts, and they end with it, also when it is killed. Where mounting is not allowed (in most
# containers), the current folder and the FOLDERs are copied in, and what the command wrote or
# changed is copied back.
set -eu

if [ -z "${BVLC_RUN_MODE:-}" ]; then
    if unshare --mount true 2>/dev/null; then
        BVLC_RUN_MODE=mounts exec unshare --mount --propagation private "$0" "$@"
    elif unshare --map-root-user --mount true 2>/dev/null; then
        BVLC_RUN_MODE=mounts exec unshare --map-root-user --mount --propagation private "$0" "$@"
    fi
    BVLC_RUN_MODE=copies
fi

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
fail() {
    echo "error: $*" >&2
    exit 1
}

newline='
'
work=$(pwd -P)
folders=$work
site=/opt/fcnkit
while getopts b:s: option; do
    case $option in
        b) folder=$(readlink -e -- "$OPTARG") || fail "-b $OPTARG: no such folder"
           folders=$folders$newline$folder ;;
        s) site=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
root=$(readlink -f -- "$1")
shift
[ -x "$root/usr/bin/python3" ] ||
    fail "$root: no Debian folder with Python; make one: $here/setup_bvlc_caffe.sh $root"

each_folder() { # each_folder FUNCTION: calls it with every folder (paths may hold blanks)
    saved_ifs=$IFS
    IFS=$newline
    for folder in $folders; do "$1" "$folder"; done
    IFS=$saved_ifs
}
refuse_system() {
    case $1/ in
        // | /bin/* | /boot/* | /dev/* | /etc/* | /lib*/* | /proc/* | /run/* | /sbin/* | /sys/* | \
            /usr/* | /var/ | /var/lib/* | /opt/ | "$site"/*)
            fail "$1: would hide Debian's own folder of that name; work in another folder" ;;
    esac
}
each_folder refuse_system

bind() {
    mkdir -p -- "$root$1" && mount --bind -- "$1" "$root$1"
}
copy_in() {
    rm -rf --one-file-system -- "${root:?}$1"
    mkdir -p -- "$root$1"
    tar -C "$1" -c --exclude=./.git --exclude=./.venv --exclude=./.bullseye . | tar -C "$root$1" -x
}
copy_back() {
    (cd "$root$1" && find . -newer "$root/tmp/.bvlc_run_started" ! -type d -print0 |
        tar -c --null --files-from=-) | tar -C "$1" -x
    rm -rf --one-file-system -- "${root:?}$1"
}
set -- chroot "$root" env -C "$work" -u BVLC_RUN_MODE -u PYTHONHOME -u VIRTUAL_ENV \
    -u LD_LIBRARY_PATH PYTHONPATH="$site" PATH="$site/bin:/usr/local/bin:/usr/bin:/bin" HOME=/tmp \
    LC_ALL=C.UTF-8 MPLBACKEND=Agg FCNKIT_ENGINE="${FCNKIT_ENGINE:-bvlc}" "$@"
if [ "$BVLC_RUN_MODE" = mounts ]; then
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    bind /tmp
    bind "$(dirname -- "$here")"
    each_folder bind
    exec "$@" # so that a signal to this script reaches the command
else
    [ "$(id -u)" = 0 ] || fail "neither mounting nor chroot is allowed here; run as root"
    # Copies are deleted afterwards; with a mount below ROOT that could reach a folder outside.
    ! grep -q " $root/" /proc/self/mounts || fail "something is mounted below $root; unmount it first"
    each_folder copy_in
    touch "$root/tmp/.bvlc_run_started"
    status=0
    "$@" || status=$?
    each_folder copy_back
    exit $status
fi
