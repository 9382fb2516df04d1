# SPDX-License-Identifier: LGPL-2.1-or-later
# A stage for two people, inside a network namespace that the caller has entered: two hosts, each with its own network, host
# name, bus and daemon, joined by one virtual cable that ends nowhere else. POSIX sh, sourced after bootstrap.sh, with $built set.
# The caller defines fail(), and calls clear_stage on its way out.

dir=$(mktemp -d "${TMPDIR:-/tmp}/earshot-stage.XXXXXX") || exit 1
pids='' children=''

# The daemons first and waited for: they say goodbye. Then buses and holders.
clear_stage () {
  for pid in $children; do kill "$pid" 2>/dev/null; done
  for pid in $children; do wait "$pid" 2>/dev/null; done
  for pid in $pids; do kill "$pid" 2>/dev/null; done
  rm -rf "$dir"
}

show_logs () {
  for log in "$dir"/*/earshotd.log; do
    [ -s "$log" ] || continue
    say "--- earshotd of $(basename "$(dirname "$log")")"; tail -n 80 "$log" >&2
  done
}

# host PERSON MACHINE: a network and a host name, held by a process that sleeps.
host () {
  mkdir -p "$dir/$1/home" "$dir/$1/runtime"; chmod 700 "$dir/$1/runtime"
  rm -f "$dir/ready"; mkfifo "$dir/ready"
  # shellcheck disable=SC2016
  { unshare --net --uts sh -c 'hostname "$1" && ip link set lo up && echo $$ && exec sleep 86400 >/dev/null' sh "$2" 2>"$dir/$1/host.log" || echo failed
  } >"$dir/ready" 2>/dev/null &
  read -r holder <"$dir/ready"
  case $holder in ''|failed) fail "no namespace for $2: $(cat "$dir/$1/host.log")" ;; esac
  eval "holder_$1=$holder machine_$1=$2"
  pids="$pids $holder"
}

# exec_on PERSON COMMAND...: becomes that command, on that host, as that person. In the background, $! is the command itself.
exec_on () {
  person=$1; shift
  eval "holder=\$holder_$person"
  # shellcheck disable=SC2154
  exec nsenter --target "$holder" --net --uts env -u XDG_CONFIG_HOME -u XDG_DATA_HOME -u XDG_STATE_HOME -u XDG_CACHE_HOME \
    HOME="$dir/$person/home" XDG_RUNTIME_DIR="$dir/$person/runtime" DBUS_SESSION_BUS_ADDRESS="unix:path=$dir/$person/bus" \
    DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent/earshot "$@"
}
on () { (exec_on "$@"); }

start_daemon () {
  private_bus "$dir/$1" || fail "dbus-daemon does not start"
  pids="$pids $bus_pid"
  exec_on "$1" "$built/earshotd" --discovery=embedded --name="$1" >"$dir/$1/earshotd.log" 2>&1 </dev/null &
  daemon_pid=$!
  children="$children $daemon_pid"
  n=0
  until on "$1" gdbus wait --session --timeout 1 im.earshot.Earshot1 2>/dev/null; do
    n=$((n + 1))
    if ! kill -0 $daemon_pid 2>/dev/null || [ $n -gt 30 ]; then fail "the daemon of $1 did not start"; fi
  done
}

property () { # property PERSON NAME, of the Manager
  on "$1" gdbus call --session --dest im.earshot.Earshot1 --object-path /im/earshot/Earshot1 \
    --method org.freedesktop.DBus.Properties.Get im.earshot.Earshot1.Manager "$2" | sed "s/^(<\\(uint32 \\)\\{0,1\\}'\\{0,1\\}\\([^']*\\)'\\{0,1\\}>,)\$/\\2/"
}

# The cable, both addresses, both daemons: juliet on pronto, romeo on forza.
set_stage () {
  host juliet pronto
  host romeo forza
  why=$(on juliet ip link add eth0 type veth peer name eth0 netns "$holder_romeo" 2>&1) || fail "this kernel makes no virtual cable: $why"
  for person in juliet romeo; do
    case $person in juliet) address=10.11.12.1 ;; *) address=10.11.12.2 ;; esac
    # No duplicate address detection: nobody else is here, and it takes a second.
    on $person sh -c 'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad' 2>/dev/null
    on $person ip addr add $address/24 dev eth0 || fail "no address for $person"
    on $person ip link set eth0 up || fail "the link of $person does not come up"
  done
  start_daemon juliet
  start_daemon romeo
  on juliet "$built/xmppctl" --timeout 60 wait romeo@forza --for sighted </dev/null || fail "Juliet does not see Romeo"
  on romeo "$built/xmppctl" --timeout 60 wait juliet@pronto --for sighted </dev/null || fail "Romeo does not see Juliet"
}
