# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `xmppctl status` takes, from start to exit, beside the least that asks the same daemon one thing over the same bus: busctl, or gdbus."""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lan'))
import rig  # noqa: E402

ROUNDS = 41


def least():
    """The command that is the floor."""
    if shutil.which('busctl'):
        return ['busctl', '--user', 'call', rig.NAME, rig.ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', rig.NAME + '.Manager', 'Version']
    return ['gdbus', 'call', '--session', '--dest', rig.NAME, '--object-path', rig.ROOT, '--method', 'org.freedesktop.DBus.Properties.Get',
            rig.NAME + '.Manager', 'Version']


def took(argv, env):
    start = time.monotonic()
    subprocess.run(argv, env=env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return (time.monotonic() - start) * 1000


def measure():
    """(ours, floor) in ms: the medians, run in turns."""
    with rig.Lan() as lan:
        juliet = lan.host('pronto', avahi='none').start_daemon(name='juliet', verbose=False)
        env = dict(juliet.env(), DBUS_SESSION_BUS_ADDRESS=juliet.bus_address)
        status = [os.path.join(rig.TOP_BUILD, 'xmppctl'), 'status']
        both = [(took(status, env), took(least(), env)) for _ in range(ROUNDS)]
        return tuple(sorted(times)[ROUNDS // 2] for times in zip(*both))


if __name__ == '__main__':
    rig._become_root()
    print('xmppctl status %.1f ms, %s %.1f ms' % (lambda both: (both[0], least()[0], both[1]))(measure()))
