# SPDX-License-Identifier: LGPL-2.1-or-later
"""A caller in a sandbox: a process with a mount namespace and a root of its own, where /.flatpak-info says whose it is, as Flatpak makes it."""
import os
import subprocess

import rig

# Everything of / but the root itself, which is a file system of the sandbox's own.
SCRIPT = r"""
set -e
mount --make-rprivate /
root=$1; info=$2; shift 2
mkdir -p "$root"
mount -t tmpfs -o mode=755 none "$root"
printf '%s' "$info" >"$root/.flatpak-info"
for path in /*; do
    if [ -L "$path" ]; then cp -a "$path" "$root$path"
    elif [ -d "$path" ]; then mkdir "$root$path"; mount --rbind "$path" "$root$path"
    fi
done
exec chroot "$root" "$@"
"""


def command(user, app, *args):
    """What to run, and in which environment, for xmppctl ARGS as the Flatpak `app`."""
    info = "[Application]\nname=%s\nruntime=org.example.Platform\n" % app
    root = os.path.join(user.dir, "sandbox-root")
    argv = user.host.enter(["unshare", "-m", "sh", "-c", SCRIPT, "sh", root, info, os.path.join(rig.TOP_BUILD, "xmppctl"), *args])
    env = dict(user.env(), DBUS_SESSION_BUS_ADDRESS=user.bus_address, EARSHOT_BUS=user.bus_address)
    return argv, env


def ctl(user, app, *args, timeout=60):
    """xmppctl ARGS as the Flatpak `app`: (exit status, stdout, stderr)."""
    argv, env = command(user, app, *args)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, timeout=timeout * rig.PATIENCE)
    rig.promise.check_text(args, done.stdout, done.stderr)
    return done.returncode, done.stdout, done.stderr
