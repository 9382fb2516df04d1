#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine that nobody logs in to: no bus at all. The daemon listens on a socket of its own, and xmppctl finds it by itself."""
import json
import os
import subprocess

import rig
from people import send, wait_received

XMPPCTL = os.path.join(rig.TOP_BUILD, "xmppctl")
# wait_line() looks at stdout; logs and notes go to stderr.
BOTH = ["sh", "-c", 'exec "$@" 2>&1', "sh"]


class Headless:
    """A user of a host without any bus."""

    def __init__(self, host, name):
        self.host, self.user, self.name = host, host.me, name
        self.env = {key: value for key, value in self.user.env().items() if not key.startswith("DBUS_")}
        self.runs = 0

    def start(self):
        self.runs += 1
        self.daemon = self.host.spawn(BOTH + [os.path.join(rig.TOP_BUILD, "earshotd"), "--data-dir=" + self.user.data_dir, "--name=" + self.name,
                                       "--discovery=embedded", "--verbose"], "headless-%d" % self.runs, lines=True, env=self.env)
        self.daemon.wait_line(lambda line: "is ready at unix:path=" in line, 20, "the socket")
        return self

    def run(self, *args, input=None):
        done = subprocess.run(self.host.enter([XMPPCTL, *args]), input=input, stdin=None if input is not None else subprocess.DEVNULL,
                              capture_output=True, text=True, env=self.env, timeout=60 * rig.PATIENCE)
        rig.promise.check_text(args, done.stdout, done.stderr)
        return done

    def ctl(self, *args, **kw):
        done = self.run(*args, **kw)
        assert done.returncode == 0, (args, done)
        return done.stdout


@rig.test
def without_any_bus(lan):
    """No bus: the daemon serves its own socket, xmppctl finds it, messages go both ways, and a killed daemon is waited for and comes back"""
    here, there = lan.host("pronto", avahi="none"), lan.host("forza", avahi="embedded")
    romeo = there.start_daemon(name="romeo")
    juliet = Headless(here, "juliet")
    # Nobody there yet: says so, exit 9, whatever is asked.
    done = juliet.run("status")
    assert done.returncode == 9 and "no earshotd listens at" in done.stderr and "hint:" in done.stderr, done
    done = juliet.run("--json", "--bus=private", "peers")
    assert done.returncode == 9 and json.loads(done.stderr)["error"] == "Unavailable", done
    juliet.start()
    key = json.loads(juliet.ctl("--json", "id"))["fingerprint"]
    contact = romeo.manager("AddContact", rig.GLib.Variant("(ssasa{sv})", ("juliet", key, [], {})))[0]
    juliet.ctl("--timeout=30", "wait", "romeo@forza", "--for", "sighted")
    juliet.ctl("trust", "accept", "--link", romeo.ctl("id").splitlines()[-1], "--yes")
    juliet.ctl("send", "romeo@forza", "--wait=delivered", "without a bus")
    wait_received(romeo, ["without a bus"])
    send(romeo, contact, "heard you")
    line = json.loads(juliet.ctl("--json", "--timeout=30", "receive", "--consumer", "script", "--from-start").splitlines()[-1])
    assert line["body"] == "heard you", line

    # Somebody watches while it is killed, and sees what comes after.
    watch = here.spawn(BOTH + [XMPPCTL, "watch"], "watch", lines=True, env=juliet.env)
    watch.wait_line(lambda line: "watches" in line, 20, "the watch")
    juliet.daemon.kill9()
    watch.wait_line(lambda line: "waiting for it to come back" in line, 20, "the loss")
    done = juliet.run("status")
    assert done.returncode == 9, done
    juliet.start()
    watch.wait_line(lambda line: "is back" in line, 20, "the return")
    send(romeo, contact, "still there?")
    watch.wait_line(lambda line: "still there?" in line, 30, "the message")

    # A second one for the same socket, with data of its own, does not push the first away.
    second = here.spawn([os.path.join(rig.TOP_BUILD, "earshotd"), "--bus=private", "--data-dir=" + here.dir + "/other", "--discovery=none"],
                        "second", env=juliet.env)
    assert second.popen.wait(20 * rig.PATIENCE) == 1
    with open(second.log) as out:
        assert "another earshotd listens" in out.read()
    assert juliet.run("status").returncode == 0
    socket = os.path.join(juliet.env["XDG_RUNTIME_DIR"], "earshot/bus")
    assert os.stat(os.path.dirname(socket)).st_mode & 0o777 == 0o700
    assert juliet.daemon.stop() == 0 and not os.path.exists(socket)
    assert juliet.run("status").returncode == 9


@rig.test
def sandboxed_is_turned_away(lan):
    """A sandboxed program that was given the socket hears nothing on it; its own daemon's log names it"""
    host = lan.host("pronto", avahi="none")
    juliet = Headless(host, "juliet").start()
    info = os.path.join(host.dir, "flatpak-info")
    with open(info, "w") as out:
        out.write("[Application]\nname=org.evil.App\n")
    # A root of its own with the file that Flatpak puts there: everything else is bound into it.
    script = ("set -e; mount -t tmpfs none /mnt; for d in /*; do case $d in /mnt|/proc|/sys|/dev) continue;; esac; "
              "[ -L $d ] && { cp -P $d /mnt/; continue; }; [ -d $d ] || continue; mkdir /mnt$d; mount --rbind $d /mnt$d; done; mkdir /mnt/proc; mount --rbind /proc /mnt/proc; "
              "cp %s /mnt/.flatpak-info; exec chroot /mnt %s status" % (info, XMPPCTL))
    done = subprocess.run(host.enter(["unshare", "-m", "sh", "-c", script]), capture_output=True, text=True, env=juliet.env,
                          timeout=60 * rig.PATIENCE)
    assert done.returncode == 9 and done.stdout == "", done
    juliet.daemon.wait_line(lambda line: "turned away" in line and "app=flatpak:org.evil.App" in line, 10, "the refusal")
    assert juliet.run("status").returncode == 0


# Calls until it is thrown out, and reads nothing. The kernel's word is about who speaks: a process of the host, not this one.
DEAF = """
import os, socket, sys
from gi.repository import Gio
end = socket.socket(socket.AF_UNIX)
end.connect(os.environ["XDG_RUNTIME_DIR"] + "/earshot/bus")
end.sendall(b"\\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\\r\\n")
assert end.recv(100).startswith(b"OK ")
end.sendall(b"BEGIN\\r\\n")
try:
    for serial in range(1, 100000):
        call = Gio.DBusMessage.new_method_call(None, "/im/earshot/Earshot1", "org.freedesktop.DBus.Introspectable", "Introspect")
        call.set_serial(serial)
        end.sendall(call.to_blob(Gio.DBusCapabilityFlags.NONE))
except (BrokenPipeError, ConnectionResetError):
    sys.exit(0)
sys.exit("it was let")
"""


@rig.test
def deaf_is_cut_off(lan):
    """A program that calls at the private socket without end and reads nothing is cut off; the daemon says so once, and others are served"""
    host = lan.host("pronto", avahi="none")
    juliet = Headless(host, "juliet").start()
    watch = host.spawn(BOTH + [XMPPCTL, "watch"], "watch", lines=True, env=juliet.env)
    watch.wait_line(lambda line: "watches" in line, 20, "the watch")
    done = subprocess.run(host.enter([rig.sys.executable, "-c", DEAF]), capture_output=True, text=True, env=juliet.env, timeout=60 * rig.PATIENCE)
    assert done.returncode == 0, done
    juliet.daemon.wait_line(lambda line: "cut off at the private socket" in line and "too many calls" in line, 20, "the cut")
    assert juliet.run("status").returncode == 0
    with open(watch.log) as out:
        assert "waiting for it to come back" not in out.read()


rig.main()
