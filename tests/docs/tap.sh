# SPDX-License-Identifier: LGPL-2.1-or-later
# TAP for shell tests, sourced. No network leaves: namespace() re-executes the test in one, or skips it.
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir/build}"
export top_srcdir top_builddir
# No test may reach a daemon of the real machine.
DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent/earshot-test; export DBUS_SYSTEM_BUS_ADDRESS
unset DBUS_SESSION_BUS_ADDRESS
top=$top_srcdir built=$top_builddir
. "$top/scripts/bootstrap.sh"

tests=0 failures=0
# ok NAME COMMAND...: passes when the command does.
ok () {
  name=$1; shift
  tests=$((tests + 1))
  if "$@" >"$scratch/out" 2>&1; then echo "ok $tests - $name"
  else
    status=$?
    echo "not ok $tests - $name"; echo "# exit $status: $*"; sed 's/^/# /' "$scratch/out"
    failures=$((failures + 1))
  fi
}
plan () { echo "1..$tests"; }
skip_all () { echo "1..0 # SKIP $*"; exit 0; }
scratch=$(mktemp -d "${TMPDIR:-/tmp}/earshot-test.XXXXXX") || exit 1

# running TEXT: is there a process with that in its command line? (No ps on a bare machine.)
running () {
  for entry in /proc/[0-9]*; do
    [ "${entry#/proc/}" != $$ ] && tr '\0' ' ' <"$entry/cmdline" 2>/dev/null | grep -F -e "$1" && return 0
  done
  return 1
}

namespace () {
  [ -z "${EARSHOT_IN_NAMESPACE-}" ] || return 0
  if [ "$(id -u)" = 0 ]; then enter='unshare --net --uts'; else enter='unshare --user --map-root-user --net --uts'; fi
  why=$($enter sh -c 'ip link set lo up && ip link add t0 type veth peer name t1 && ip link del t0' 2>&1) || {
    rm -rf "$scratch"; skip_all "no network namespaces here: $why"; }
  rm -rf "$scratch"
  EARSHOT_IN_NAMESPACE=1; export EARSHOT_IN_NAMESPACE
  exec $enter sh "$0" "$@"
}
