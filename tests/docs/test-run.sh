#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `./run` where there is neither a session bus nor avahi-daemon: a private bus, the embedded stack, the live view; and all of it
# gone afterwards.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/docs/tap.sh"
namespace
EARSHOT_BUILD=$built; export EARSHOT_BUILD
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR
HOME=$scratch/home TMPDIR=$scratch; export HOME TMPDIR
mkdir "$HOME"
ip link set lo up
trap 'kill $run_pid 2>/dev/null; rm -rf "$scratch"' EXIT

# wait_for COMMAND...: up to a minute.
wait_for () { n=0; until "$@" >/dev/null 2>&1; do n=$((n + 1)); [ $n -le 600 ] || return 1; sleep 0.1; done; }
says () { grep -q "$1" "$scratch/run.log"; }
shown () { wait_for says "$1" || { cat "$scratch/run.log"; false; }; }

"$top/run" >"$scratch/run.log" 2>&1 </dev/null &
run_pid=$!
ok '/run/private-bus' shown 'no session bus here'
ok '/run/live-view' shown 'Live view'
DBUS_SESSION_BUS_ADDRESS=$(sed -n "s/.*DBUS_SESSION_BUS_ADDRESS='\(.*\)'.*/\1/p" "$scratch/run.log"); export DBUS_SESSION_BUS_ADDRESS
ok '/run/others-can-join' "$built/xmppctl" status
backend () { gdbus call --session --dest im.earshot.Earshot1 --object-path /im/earshot/Earshot1 \
  --method org.freedesktop.DBus.Properties.Get im.earshot.Earshot1.Network Backend | grep -q embedded; }
ok '/run/embedded-stack' wait_for backend
# A second one shows the daemon of the first.
"$top/run" >"$scratch/second.log" 2>&1 </dev/null &
second=$!
ok '/run/second-uses-the-first' wait_for grep -q 'running already' "$scratch/second.log"
wait_for grep -q 'Live view' "$scratch/second.log"
kill $second; wait $second 2>/dev/null
ok '/run/second-leaves-it-alone' "$built/xmppctl" status

kill -TERM $run_pid
wait $run_pid
status=$?
ok '/run/stops-when-told' [ $status = 143 ]
gone () { ! running "$scratch/"; }
ok '/run/stops-what-it-started' gone
ok '/run/leaves-no-files' sh -c "! ls -d $scratch/earshot-run.* 2>/dev/null"
ok '/run/unknown-word-is-usage' sh -c "'$top/run' dmeo; [ \$? = 2 ]"
plan
