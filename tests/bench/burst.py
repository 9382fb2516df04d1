# SPDX-License-Identifier: LGPL-2.1-or-later
"""A burst of Send calls, from one client and from a hundred at once, and how long somebody else waits for a little thing meanwhile.

The contact is one that is nowhere, so that what is measured is the way into the store. Three floors in the same run: what a program that does nothing
else takes to answer a Ping on the same bus at the same time, since the bus and the processors are everybody's; earshotd itself when nobody
calls; and `taker`, what a program that answers the same burst, on a bus of its own, with nothing behind it, takes for a Ping of somebody else: a bus
hands over what 100 clients ask in one line. And once more without any bus, at earshotd's own socket, by as many as it lets in. Commits are counted as syncs of files (tests/lan/shim.c)."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lan'))
import rig  # noqa: E402
from gi.repository import GLib  # noqa: E402
from idle import anonymous_kb  # noqa: E402
from shim import Shim  # noqa: E402

CALLS = int(os.environ.get('BENCH_BURST', 10000))
CLIENTS = 100
GUESTS = 50           # at the private socket
TURNS = 3
PROGRAM = os.path.join(rig.TOP_BUILD, 'tests/bench/bench-burst')

# In the host's own files, the path of the private socket behind it.
ADD = '''
import sys
from gi.repository import Gio, GLib
bus = Gio.DBusConnection.new_for_address_sync('unix:path=' + sys.argv[1], Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT, None, None)
print(bus.call_sync(None, '/im/earshot/Earshot1', 'im.earshot.Earshot1.Manager', 'AddContact',
                    GLib.Variant('(ssasa{sv})', ('nobody', 'ab' * 32, [], {})), None, 0, 20000, None).unpack()[0])
'''


class Pinger:
    """Asks all the while; waits() gives what it waited, in us, between two moments."""

    def __init__(self, bus, enter=list):
        self.process = subprocess.Popen(enter([PROGRAM, 'ping', bus]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while self.process.stdout.readline() != 'ready\n':
            pass

    def stop(self):
        out, _ = self.process.communicate('')
        self.samples = [(int(at), word, int(took)) for at, word, took in (line.split() for line in out.splitlines())]

    def waits(self, word, times):
        return sorted(took for at, one, took in self.samples if one == word and at < times['end'] and at + took > times['start'])


def percentile(values, percent):
    return values[min(len(values) - 1, len(values) * percent // 100)]


def median(values):
    return sorted(values)[len(values) // 2]


def burst(bus, contact, clients, each, enter=list):
    """When it began and ended, in us of the monotonic clock."""
    out = subprocess.run(enter([PROGRAM, 'send', bus, contact, str(clients), str(each)]), check=True, stdout=subprocess.PIPE, text=True).stdout
    times = json.loads(out)
    assert times['errors'] == times['strange'] == times['disordered'] == 0, times
    return times


def quiet(seconds):
    start = GLib.get_monotonic_time()
    rig.settle(seconds)
    return {'start': start, 'end': GLib.get_monotonic_time()}


def taken():
    """What somebody waits for a Ping of the least program that takes such bursts, by their names."""
    with rig.Lan() as lan:
        taker = lan.host('bianco', avahi='none').me
        process = taker.spawn([PROGRAM, 'take', taker.bus_address], 'taker', lines=True)
        process.wait_line('ready', 20)
        pinger = Pinger(taker.bus_address)
        times = {'idle': quiet(3)}
        for name, clients in (('one', 1), ('many', CLIENTS)):
            times[name] = burst(taker.bus_address, rig.ROOT + '/contact/1', clients, CALLS // clients)
            quiet(1)
        pinger.stop()
        process.kill9()
    return {name: pinger.waits('ping', times[name]) for name in times}


def turn():
    """{metric: (earshotd, floor)} of a fresh daemon."""
    taker = taken()
    with rig.Lan() as lan:
        shim = Shim(lan, 'juliet')
        juliet = lan.host('pronto', avahi='none').start_daemon(name='juliet', verbose=False, env=shim.env())
        contact = juliet.manager('AddContact', GLib.Variant('(ssasa{sv})', ('nobody', 'ab' * 32, [], {})))[0]
        before = anonymous_kb(juliet.process.pid)
        pinger = Pinger(juliet.bus_address)
        times = {'idle': quiet(3)}
        syncs = {}
        for name, clients in (('one', 1), ('many', CLIENTS)):
            syncs[name] = -shim.syncs()
            times[name] = burst(juliet.bus_address, contact, clients, CALLS // clients)
            syncs[name] += shim.syncs()
            quiet(1)
        pinger.stop()
        grown = anonymous_kb(juliet.process.pid) - before
    result = {'burst_grown_kb': (grown, None)}
    for name in times:
        floor = pinger.waits('floor', times[name])
        for word in ('ping', 'get'):
            waits = pinger.waits(word, times[name])
            for percent in (50, 99):
                result['burst_%s_%s_p%d_us' % (name, word, percent)] = percentile(waits, percent), percentile(floor, percent)
            if word == 'ping' and name != 'idle':
                result['burst_%s_ping_p99_beside_taker_us' % name] = percentile(waits, 99), percentile(taker[name], 99)
            if name != 'idle':
                result['burst_%s_%s_p99_over_idle' % (name, word)] = over_idle(pinger, times, name, word), over_idle(pinger, times, name, 'floor')
        if name != 'idle':
            result['burst_%s_sends_per_s' % name] = CALLS * 1e6 / (times[name]['end'] - times[name]['start']), None
            result['burst_%s_sends_per_commit' % name] = CALLS / syncs[name], None
    return result


def over_idle(pinger, times, name, word):
    return percentile(pinger.waits(word, times[name]), 99) / percentile(pinger.waits(word, times['idle']), 99)


def turn_alone():
    """The same without a bus: what is waited for then is earshotd, the kernel and the processors."""
    with rig.Lan() as lan:
        host = lan.host('pronto', avahi='none')
        env = {key: value for key, value in host.me.env().items() if not key.startswith('DBUS_')}
        daemon = host.spawn(['sh', '-c', 'exec "$@" 2>&1', 'sh', os.path.join(rig.TOP_BUILD, 'earshotd'), '--bus=private', '--data-dir=' + host.me.data_dir, '--name=juliet',
                             '--discovery=none'], 'alone', lines=True, env=env)
        path = os.path.join(env['XDG_RUNTIME_DIR'], 'earshot', 'bus')
        daemon.wait_line(lambda line: 'is ready at unix:path=' in line, 20, 'the socket')
        contact = host.run(sys.executable, '-c', ADD, path).strip()
        pinger = Pinger('private:' + path, host.enter)
        times = {'idle': quiet(3)}
        for name, clients in (('one', 1), ('many', GUESTS)):
            times[name] = burst('private:' + path, contact, clients, CALLS // clients, host.enter)
            quiet(1)
        pinger.stop()
        daemon.kill9()
    result = {}
    for name in ('one', 'many'):
        for word in ('ping', 'get'):
            result['burst_alone_%s_%s_p99_over_idle' % (name, word)] = over_idle(pinger, times, name, word), over_idle(pinger, times, name, 'floor')
        result['burst_alone_%s_get_p99_us' % name] = percentile(pinger.waits('get', times[name]), 99), percentile(pinger.waits('floor', times[name]), 99)
        result['burst_alone_%s_sends_per_s' % name] = CALLS * 1e6 / (times[name]['end'] - times[name]['start']), None
    return result


def measure():
    turns = [dict(turn(), **turn_alone()) for _ in range(TURNS)]
    return {key: (median([one[key][0] for one in turns]), median([one[key][1] for one in turns]) if value[1] is not None else None)
            for key, value in turns[0].items()}


if __name__ == '__main__':
    rig._become_root()
    for key, (ours, floor) in measure().items():
        print('%-32s %10.1f' % (key, ours) + ('' if floor is None else ' %10.1f %6.2f' % (floor, ours / floor)))
