#!/bin/sh
# Sets up BVLC Caffe beside this project: Debian 11, the last release that packages it, in a folder.
#
#   scripts/setup_bvlc_caffe.sh [FOLDER]        (default: .bullseye in this repository; needs root)
#
# Run it again after an interruption or to install a newer state of this project: what is done
# already is kept. DEBIAN_MIRROR chooses another mirror than debootstrap's own.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
repo=$(dirname -- "$here")
root=${1:-$repo/.bullseye}
needed_mb=2000

fail() {
    echo "error: $*" >&2
    exit 1
}

case $root in -*) fail "$root: not a folder; usage: $0 [FOLDER]" ;; esac
[ "$(id -u)" = 0 ] || fail "making a Debian folder needs root; run: sudo $0 $root"
command -v debootstrap >/dev/null ||
    fail "debootstrap is not installed; on Debian or Ubuntu: apt-get install debootstrap." \
        "Elsewhere use docker/bvlc/Dockerfile, which makes the same as an image"
mkdir -p -- "$(dirname -- "$root")"
root=$(readlink -f -- "$root")

# In a mount namespace of its own whatever debootstrap mounts goes away with this script, however
# that ends, so that nothing below can reach through a mount into the machine outside.
if [ -z "${FCNKIT_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
    FCNKIT_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$root"
fi
grep -q " $root[/.]" /proc/self/mounts &&
    fail "something is still mounted below $root; see /proc/mounts and unmount it first"

# 1. The base system, beside its final place so that half of one is never taken for the whole.
if [ ! -e "$root/etc/debian_version" ]; then
    if [ -d "$root" ] && [ -n "$(ls -A -- "$root")" ]; then
        fail "$root holds something that is not a Debian folder; name another folder"
    fi
    free_mb=$(df -Pm -- "$(dirname -- "$root")" | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge "$needed_mb" ] ||
        fail "$(dirname -- "$root"): $free_mb MB free, $needed_mb MB needed"
    echo "Unpacking Debian 11 into $root"
    rm -rf --one-file-system -- "$root.partial"
    mkdir -p -- "$root.downloads"
    debootstrap --variant=minbase --cache-dir="$root.downloads" \
        bullseye "$root.partial" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} ||
        fail "debootstrap stopped (its log: $root.partial/debootstrap/debootstrap.log);" \
            "run this again to go on with what is downloaded"
    [ ! -d "$root" ] || rmdir -- "$root"
    mv -- "$root.partial" "$root"
    rm -rf --one-file-system -- "$root.downloads"
fi
grep -q '^11' "$root/etc/debian_version" ||
    fail "$root: Debian $(cat "$root/etc/debian_version"); Debian 11 is expected"

# 2. Its packages. dpkg and apt pick up where a killed run left them.
inside() {
    LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" "$@"
}
packages=$(cat -- "$here/bvlc_packages.txt")
# shellcheck disable=SC2086  # a list of words
if ! inside dpkg-query --show --showformat '${Status}\n' $packages 2>/dev/null |
    awk '$3 != "installed" { bad = 1 } END { exit bad || NR != '"$(echo "$packages" | wc -w)"' }'; then
    echo "Installing BVLC Caffe and what this project needs beside it"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no service starts in the folder
    chmod +x "$root/usr/sbin/policy-rc.d"
    inside dpkg --configure -a
    inside apt-get -qq update || fail "apt-get update failed; is the network there?"
    log=$root/var/log/fcnkit-setup.log
    {
        inside apt-get -qq --fix-broken --yes install &&
            inside apt-get -qq --yes --no-install-recommends install $packages
    } >"$log" 2>&1 || fail "apt-get install failed (log: $log); run this again to go on"
    inside apt-get clean
fi

# 3. This project, without its dependencies: Debian's packages serve.
"$here/bvlc_install.sh" "$root"

inside python3 -c 'import caffe' 2>/dev/null ||
    fail "$root: import caffe fails there; try: chroot $root python3 -c 'import caffe'"
cat <<END
BVLC Caffe is ready in $root. Next:
  $here/bvlc_run.sh $root fcnkit --help     this project's commands on BVLC Caffe
  $here/bvlc_run.sh $root python3 YOURS.py  any pycaffe script
  make test-full                            tests that compare both engines
END
