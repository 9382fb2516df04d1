# SPDX-License-Identifier: LGPL-2.1-or-later
"""What earshotd costs when nobody talks: a peer connected, ten others known, avahi-daemon doing the mDNS as on most desktops.

On the rig of tests/lan, so that nothing leaves its namespaces. What the built-in stack adds (the queries that RFC 6762 section 5.2
demands, further and further apart, up to an hour) is measured by bench.py, beside a floor that runs the same stack."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lan'))
import rig  # noqa: E402
from gi.repository import GLib  # noqa: E402
from people import befriend, contacts, fingerprint, send, wait_sight, wait_state, with_key  # noqa: E402

OTHERS = 10


def switches(pid):
    """Voluntary context switches by thread: each is a sleep that ended."""
    counts = {}
    for task in os.listdir('/proc/%d/task' % pid):
        with open('/proc/%d/task/%s/status' % (pid, task)) as status:
            counts[task] = next(int(line.split()[1]) for line in status if line.startswith('voluntary_ctxt_switches'))
    return counts


def woken(before, after):
    """A thread that was born or that ended meanwhile counts with what it did."""
    return sum(count - before.get(task, 0) for task, count in after.items()) + len(set(before) - set(after))


def anonymous_kb(pid):
    with open('/proc/%d/smaps_rollup' % pid) as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith('Anonymous:'))


def measure(seconds):
    with rig.Lan() as lan:
        hosts = [lan.host(name, avahi='daemon') for name in ('pronto', 'forza', 'quarto')]
        people = [host.start_daemon(name=name, verbose=False) for host, name in zip(hosts, ('juliet', 'romeo'))]
        befriend(*people)
        wait_sight(people[0], 'romeo')
        contact = with_key(people[0], fingerprint(people[1]))
        wait_state(people[0], send(people[0], contact, 'good night')[0], 'delivered')
        for number in range(OTHERS):
            hosts[2].spawn(['avahi-publish-service', 'guest%d@quarto' % number, '_presence._tcp', str(6000 + number), 'txtvers=1', 'status=avail',
                            'nick=Guest %d' % number], 'publish%d' % number,
                           env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=hosts[2].system_bus_address))
        for person in people:
            person.wait_for(lambda: len(contacts(person)) > OTHERS, 30, 'everybody to be known')
        rig.settle(20)  # worker threads of GLib's pools end, caches are written
        pids = [person.process.pid for person in people]
        before = [switches(pid) for pid in pids]
        # The test's own bus connections would wake the daemons: nobody asks anything now.
        done = []
        GLib.timeout_add_seconds(seconds, lambda: done.append(1) and False)
        while not done:
            GLib.MainContext.default().iteration(True)
        # Counted before anybody is asked anything again.
        wakeups = max(woken(n, switches(pid)) for pid, n in zip(pids, before))
        memory = max(anonymous_kb(pid) for pid in pids)
        assert contacts(people[0])[contact]['Connected'], 'the stream did not outlast the silence'
        return {'wakeups_per_min': wakeups * 60 / seconds, 'anonymous_kb': memory, 'peers': OTHERS + 1}
