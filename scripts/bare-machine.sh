#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Shows that the two commands of the README work on a bare machine: a minimal Debian in a temporary directory, with nothing
# installed, no bus and no init; the committed tree cloned into it; ./run demo, then ./check, as root and as a plain user.
# Needs root and debootstrap on Debian or Ubuntu; packages come from wherever this machine gets its own.
#
#   scripts/bare-machine.sh [--keep] [COMMAND...]    COMMAND runs there instead, as root, in the clone
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
keep=no
[ "${1-}" != --keep ] || { keep=yes; shift; }
die () { echo "$0: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "needs root"
command -v debootstrap >/dev/null || die "needs debootstrap"

if [ -z "${EARSHOT_BARE-}" ]; then
  # Mounts and processes of the play end with it.
  EARSHOT_BARE=1; export EARSHOT_BARE
  exec unshare --mount --pid --fork --kill-child --mount-proc --propagation private sh "$0" "$@"
fi

. /etc/os-release
suite=${VERSION_CODENAME:?this machine has no release name}
# apt knows its sources whatever form they are written in.
# shellcheck disable=SC2016
sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u)
mirror=$(printf '%s\n' "$sources" | awk -v suite="$suite" '$3 == suite { print $2; exit }')
[ -n "$mirror" ] || die "apt has no source for $suite"

root=$(mktemp -d "${TMPDIR:-/var/tmp}/earshot-bare.XXXXXX")
chmod 755 "$root"
leave () {
  status=$?
  if [ $keep = yes ]; then echo "kept: $root"
  else
    umount -R "$root" 2>/dev/null || :
    grep -q " $root/" /proc/self/mounts || rm -rf --one-file-system "$root"
  fi
  exit $status
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

echo "--- a minimal $suite in $root"
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 || { tail -n 30 "$root.log" >&2; die "debootstrap failed"; }
rm -f "$root.log"
printf '%s\n' "$sources" >"$root/etc/apt/sources.list"
apt-config dump --format '%F "%v";%n' Acquire >"$root/etc/apt/apt.conf.d/90as-outside"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || :
echo '127.0.0.1 localhost' >"$root/etc/hosts"
git clone --quiet --no-hardlinks "$top" "$root/root/earshot"

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do : >"$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"

# there DIR COMMAND...: nothing of this session's environment goes along. A root of its own and not only a chroot: the
# kernel makes no user namespaces inside of one.
there () {
  where=$1; shift
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
    unshare --mount $isolated sh -c 'ip link set lo up; cd "$1" && pivot_root . mnt && umount -l /mnt && cd "$2" && shift 2 && exec "$@"' \
      sh "$root" "$where" "$@" </dev/null
}

isolated=
if [ $# -gt 0 ]; then there /root/earshot "$@"; exit; fi

echo "--- ./run demo: installs, builds, plays"
there /root/earshot ./run demo
echo "--- ./check as root: installs what the tests need besides"
there /root/earshot ./check
# Everything is installed now: the rest needs no network, and gets none.
isolated=--net
echo "--- ./run demo and ./check as a plain user"
chroot "$root" useradd --create-home player
git clone --quiet --no-hardlinks "$top" "$root/home/player/earshot"
chroot "$root" chown -R player: /home/player/earshot
there / su player -c 'cd ~/earshot && ./run demo && ./check'
echo "--- the bare machine did it all"
