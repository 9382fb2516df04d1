#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two earshotd on a private link, measured beside a floor in the same run; prints JSON.

The floor does the same work with the least code there can be: floor.c for messages and streams, sight.c for coming into
sight; it has two hosts and a link of its own. The same client (client.c) loads both. Everything runs in network namespaces: no
packet leaves. The floor's stream needs no resolving: earshotd asks mDNS for the address each time.
What a stream costs in memory has no floor: streams.py measures it on the rig of tests/lan. burst.py: many calls at once, and what somebody else
waits for meanwhile. commands.py: `xmppctl status` beside one call of busctl.
Environment: BENCH_BURST (calls), BENCH_ROUNDS (messages one by one), BENCH_MESSAGES (as fast as they go), BENCH_IDLE (seconds of silence), BENCH_STREAMS (open at once)."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from gi.repository import Gio, GLib

import burst
import commands
import idle
import streams

BUILD = os.environ.get('top_builddir', 'build')
ROUNDS = int(os.environ.get('BENCH_ROUNDS', 1000))
MESSAGES = int(os.environ.get('BENCH_MESSAGES', 20000))
IDLE = int(os.environ.get('BENCH_IDLE', 60))
TURNS = 3
STREAMS = 4  # all turns together: below the 20 connects a minute that a listener takes from one address
NAME, ROOT = 'im.earshot.Earshot1', '/im/earshot/Earshot1'

every_host = []
BUS_CONF = '''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
<limit name="max_replies_per_connection">50000</limit><limit name="max_match_rules_per_connection">50000</limit>
<limit name="max_incoming_bytes">1000000000</limit><limit name="max_outgoing_bytes">1000000000</limit></busconfig>'''


def enter_namespace():
    if os.environ.get('BENCH_IN_NAMESPACE'):
        return
    os.environ['BENCH_IN_NAMESPACE'] = '1'
    enter = ['unshare', '--net'] if os.geteuid() == 0 else ['unshare', '--user', '--map-root-user', '--net']
    os.execvp('unshare', enter + [sys.executable] + sys.argv)


def note(text):
    print(text, file=sys.stderr, flush=True)


class Host:
    """A network and a host name, held by a process that sleeps."""

    def __init__(self, top, machine):
        self.machine = machine
        self.path = os.path.join(top, machine)
        os.mkdir(self.path, 0o700)
        self.holder = subprocess.Popen(['unshare', '--net', '--uts', 'sh', '-c',
                                        'hostname "$1" && ip link set lo up && echo ready && exec sleep 86400', 'sh', machine],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline().strip() != 'ready':
            sys.exit(f'no namespace for {machine}')
        self.running = []

    def start(self, role, *command, bus=None, **popen):
        """`role` names a folder of its own, which is HOME there."""
        home = os.path.join(self.path, role)
        os.makedirs(home, 0o700, exist_ok=True)
        env = {key: value for key, value in os.environ.items() if not key.startswith('XDG_')}
        env.update(HOME=home, XDG_RUNTIME_DIR=home, DBUS_SYSTEM_BUS_ADDRESS='unix:path=/nonexistent/bench')
        if bus:
            env['DBUS_SESSION_BUS_ADDRESS'] = bus
        popen.setdefault('stdout', subprocess.DEVNULL)
        process = subprocess.Popen(['nsenter', '--target', str(self.holder.pid), '--net', '--uts', *command],
                                   env=env, stdin=subprocess.DEVNULL, **popen)
        self.running.append(process)
        return process

    def run(self, *command):
        subprocess.run(['nsenter', '--target', str(self.holder.pid), '--net', '--uts', *command], check=True)

    def bus(self, role):
        """A private bus; returns its address once it listens."""
        path = os.path.join(self.path, role)
        os.makedirs(path, 0o700, exist_ok=True)
        with open(os.path.join(path, 'bus.conf'), 'w') as conf:
            conf.write(BUS_CONF.format(path=path))
        process = subprocess.Popen(['dbus-daemon', '--nofork', '--print-address', '--config-file', os.path.join(path, 'bus.conf')],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.running.append(process)
        return process.stdout.readline().strip()

    def clear(self):
        for process in [*reversed(self.running), self.holder]:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def connect(address):
    return Gio.DBusConnection.new_for_address_sync(
        address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)


def call(bus, path, interface, method, args=None):
    return bus.call_sync(NAME, path, interface, method, args, None, Gio.DBusCallFlags.NONE, 30000, None).unpack()


def owned(bus):
    return bus.call_sync('org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'NameHasOwner', GLib.Variant('(s)', (NAME,)),
                         None, 0, -1, None).unpack()[0]


def until(condition, what, process=(), seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end or any(p.poll() is not None for p in process):
            sys.exit(f'bench: {what} did not happen')
        time.sleep(0.01)


def contacts(bus):
    everything = call(bus, ROOT, 'org.freedesktop.DBus.ObjectManager', 'GetManagedObjects')[0]
    return {path: has[f'{NAME}.Contact'] for path, has in everything.items() if f'{NAME}.Contact' in has}


def prop(bus, interface, name):
    return call(bus, ROOT, 'org.freedesktop.DBus.Properties', 'Get', GLib.Variant('(ss)', (f'{NAME}.{interface}', name)))[0]


def anonymous_kb(host):
    """Of all processes that serve one host."""
    total = 0
    for process in host:
        with open(f'/proc/{process.pid}/smaps_rollup') as rollup:
            total += next(int(line.split()[1]) for line in rollup if line.startswith('Anonymous:'))
    return total


def wakeups(host):
    total = 0
    for process in host:
        for task in os.listdir(f'/proc/{process.pid}/task'):
            with open(f'/proc/{process.pid}/task/{task}/status') as status:
                total += next(int(line.split()[1]) for line in status if line.startswith('voluntary_ctxt_switches'))
    return total


def pair(top, machines):
    """Two hosts and the cable between them."""
    hosts = []
    for machine in machines:
        hosts.append(Host(top, machine))
        every_host.append(hosts[-1])
    hosts[0].run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', str(hosts[1].holder.pid))
    for number, host in enumerate(hosts, 1):
        host.run('sh', '-c', f'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; ip addr add 10.11.12.{number}/24 dev eth0; ip link set eth0 up')
    return hosts


def median(values):
    return sorted(values)[len(values) // 2]


def floor_sight(hosts):
    """From the start of both to each having the other's record, in ms."""
    rounds = []
    for _ in range(3):
        start = time.monotonic()
        both = [host.start('sight', f'{BUILD}/tests/bench/bench-sight', user, stdout=subprocess.PIPE, text=True)
                for host, user in zip(hosts, ('juliet', 'romeo'))]
        for process in both:
            if process.stdout.readline().strip() != 'sighted':
                sys.exit('bench: the floor did not come into sight')
        rounds.append((time.monotonic() - start) * 1000)
        for process in both:
            process.terminate()
            process.wait()
        time.sleep(1.5)  # the goodbyes are through: the next round starts with empty caches
    return median(rounds)


def start_floor(hosts, buses):
    listener = hosts[1].start('floor', f'{BUILD}/tests/bench/bench-floor', buses[1], f'{hosts[1].path}/floor/db', 'listen', '5555')
    until(lambda: owned(connect(buses[1])), 'the floor on the bus', [listener])
    dialler = hosts[0].start('floor', f'{BUILD}/tests/bench/bench-floor', buses[0], f'{hosts[0].path}/floor/db', 'connect', '10.11.12.2', '5555')
    bus = connect(buses[0])
    until(lambda: owned(bus), 'the floor on the bus', [dialler])
    call(bus, f'{ROOT}/contact/1', f'{NAME}.Contact', 'Connect', GLib.Variant('(a{sv})', ({},)))
    sights = [host.start('sight', f'{BUILD}/tests/bench/bench-sight', user) for host, user in zip(hosts, ('juliet', 'romeo'))]
    return list(zip([dialler, listener], sights)), f'{ROOT}/contact/1'


def start_earshot(hosts, addresses):
    """Returns the processes, Romeo's path at Juliet's, and the ms to mutual sight."""
    start = time.monotonic()
    both = [host.start('earshot', f'{BUILD}/earshotd', '--discovery=embedded', f'--name={user}', bus=address, stderr=log)
            for host, user, address in zip(hosts, ('juliet', 'romeo'), addresses)
            for log in [open(os.path.join(host.path, 'earshotd.log'), 'w')]]
    buses = [connect(address) for address in addresses]
    for bus in buses:
        until(lambda: owned(bus), 'earshotd on the bus', both)
    for bus in buses:
        until(lambda: any(c['Reach'] != 'offline' for c in contacts(bus).values()), 'mutual sight', both)
    sight = (time.monotonic() - start) * 1000
    keys = [prop(bus, 'Manager', 'Fingerprint') for bus in buses]
    paths = [call(bus, ROOT, f'{NAME}.Manager', 'AddContact', GLib.Variant('(ssasa{sv})', (petname, key, [], {})))[0]
             for bus, petname, key in zip(buses, ('romeo', 'juliet'), reversed(keys))]
    call(buses[0], paths[0], f'{NAME}.Contact', 'Connect', GLib.Variant('(a{sv})', ({},)))
    until(lambda: contacts(buses[1])[paths[1]]['Connected'], 'a stream both ways', both)
    return [[process] for process in both], paths[0], sight


def load(buses, path):
    output = subprocess.run([f'{BUILD}/tests/bench/bench-client', *buses, path, str(ROUNDS), str(MESSAGES), str(STREAMS)],
                            check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output)


def main():
    enter_namespace()
    top = tempfile.mkdtemp(prefix='earshot-bench.')
    try:
        hosts = {'earshot': pair(top, ('pronto', 'forza')), 'floor': pair(top, ('bianco', 'nero'))}
        buses = {role: [host.bus('bus') for host in hosts[role]] for role in hosts}

        note('coming into sight')
        floor = {'mutual_sight_ms': floor_sight(hosts['floor'])}
        processes, path = {}, {}
        processes['earshot'], path['earshot'], sight = start_earshot(hosts['earshot'], buses['earshot'])
        earshot = {'mutual_sight_ms': sight}
        processes['floor'], path['floor'] = start_floor(hosts['floor'], buses['floor'])
        measured = {'floor': floor, 'earshot': earshot}

        note(f'{IDLE} s of silence')
        time.sleep(5)
        before = {role: [wakeups(p) for p in processes[role]] for role in measured}
        time.sleep(IDLE)
        for role, values in measured.items():
            values['idle_wakeups_per_min_with_built_in_mdns'] = max(wakeups(p) - n for p, n in zip(processes[role], before[role])) * 60 / IDLE
            values['idle_anonymous_kb_with_built_in_mdns'] = max(anonymous_kb(p) for p in processes[role])

        note(f'{IDLE} s of silence among eleven peers')
        quiet = idle.measure(IDLE)
        alone = [[role_processes[0]] for role_processes in processes['floor']]
        for key, metric in (('idle_wakeups_per_min', 'wakeups_per_min'), ('idle_anonymous_kb', 'anonymous_kb')):
            earshot[key] = quiet[metric]
        count = [wakeups(p) for p in alone]
        time.sleep(5)
        floor['idle_wakeups_per_min'] = max(wakeups(p) - n for p, n in zip(alone, count)) * 12
        floor['idle_anonymous_kb'] = max(anonymous_kb(p) for p in alone)

        # In turns, and the median of each: what else the machine does hits both alike.
        loads = {role: [] for role in measured}
        for turn in range(TURNS):
            for role in measured:
                note(f'load on {role}, {turn + 1} of {TURNS}')
                loads[role].append(load(buses[role], path[role]))
        for role, values in measured.items():
            values.update({key: median([turn[key] for turn in loads[role]]) for key in loads[role][0]})
            values['anonymous_kb_after_load'] = max(anonymous_kb(p) for p in processes[role])

        result = {key: {'earshot': round(earshot[key], 1), 'floor': round(floor[key], 1),
                        'ratio': round(earshot[key] / floor[key], 2) if floor[key] else None} for key in earshot}
        note('streams and half-open connections')
        result.update({key: {'earshot': round(kb, 1), 'floor': None, 'ratio': None} for key, kb in streams.measure().items()})
        note('bursts of calls, and a command')
        beside = burst.measure()
        beside['xmppctl_status_ms'] = commands.measure()
        result.update({key: {'earshot': round(ours, 1), 'floor': floor and round(floor, 1), 'ratio': round(ours / floor, 2) if floor else None}
                       for key, (ours, floor) in beside.items()})
        print(json.dumps(result, indent=2))
    except BaseException:
        for host in every_host:
            log = os.path.join(host.path, 'earshotd.log')
            if os.path.exists(log):
                note(f'--- earshotd on {host.machine}\n' + ''.join(open(log).readlines()[-60:]))
        raise
    finally:
        for host in every_host:
            host.clear()
        shutil.rmtree(top, ignore_errors=True)


if __name__ == '__main__':
    main()
