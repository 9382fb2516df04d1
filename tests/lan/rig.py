# SPDX-License-Identifier: LGPL-2.1-or-later
"""The LAN rig: hosts as network namespaces on a bridge, each with its own hostname, /run, system bus, avahi-daemon (or
none), session bus and earshotd.

    import rig

    @rig.test
    def two_hosts_meet(lan):
        a, b = lan.host("pronto"), lan.host("segundo", avahi="embedded")
        a.start_daemon(name="juliet"); b.start_daemon(name="romeo")
        a.wait_for(lambda: ..., 10)

    rig.main()

Every packet stays in namespaces of the rig's own: the bridge lives in one, the hosts in others, and the namespace the test runs in
is never touched. Everything ends with the test, also when the test is killed: every process asks the kernel to die with it.
Tests wait on D-Bus signals and on output, never on the clock. Needs root or user namespaces; skips without.
"""
import atexit
import ctypes
import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

TOP_BUILD = os.environ.get("top_builddir") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../../build"))
TOP_SRC = os.environ.get("top_srcdir") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
NAME = "im.earshot.Earshot1"
ROOT = "/im/earshot/Earshot1"
# What no program of ours may say, whatever the test looks at.
TROUBLE = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "ThreadSanitizer:", "runtime error:", "Assertion `", "assertion '",
           " critical ", "-CRITICAL **")
# How much slower than a desktop this machine may be: multiplies what a test allows a thing that it measures.
SLOW = float(os.environ.get("EARSHOT_TEST_SLOW", "1"))
# What is waited for comes at last or never: a wait that gives up early tells nothing but that the machine was busy, and a long one costs
# time only where a test fails anyway.
PATIENCE = 4 * SLOW


def skip_all(reason):
    print("1..0 # SKIP " + reason, flush=True)
    sys.exit(0)


try:
    import gi
    gi.require_version("Gio", "2.0")
    from gi.repository import Gio, GLib
except (ImportError, ValueError):
    skip_all("needs python3-gi")


sys.path.append(os.path.join(TOP_SRC, "tests/cli"))
import promise  # noqa: E402


def note(text):
    for line in str(text).splitlines():
        print("# " + line, flush=True)


# --- processes -----------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


_unpromised = []


class Process:
    """A child whose output is kept: stderr in a log file, stdout there too or, with lines=True, as a list that wait_line() watches."""

    def __init__(self, argv, log, env=None, lines=False):
        self.argv, self.log = argv, log
        self.lines, self._rest, self._watch, self._at = [], b"", 0, 0
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE if lines else out, stderr=out,
                                          env=env, preexec_fn=_die_with_parent, start_new_session=True)
        if lines:
            os.set_blocking(self.popen.stdout.fileno(), False)
            self._watch = GLib.io_add_watch(self.popen.stdout.fileno(), GLib.PRIORITY_DEFAULT,
                                            GLib.IOCondition.IN | GLib.IOCondition.HUP, self._readable)

    @property
    def pid(self):
        return self.popen.pid

    def _readable(self, fd, condition):
        data = self.popen.stdout.read()
        if data == b"":
            self._watch = 0
            return False
        if data is None:
            return True
        self._rest += data
        *whole, self._rest = self._rest.split(b"\n")
        whole = [line.decode("utf-8", "replace") for line in whole]
        if os.path.join(TOP_BUILD, "xmppctl") in self.argv:
            try:
                promise.check_text(self.argv, "".join(line + "\n" for line in whole))
            except AssertionError as error:  # nobody catches it here: find_trouble() tells
                _unpromised.append(str(error))
        self.lines += whole
        with open(self.log, "a") as out:
            out.writelines(line + "\n" for line in whole)
        return True

    def say(self, line):
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()

    def mark(self):
        """wait_line() looks behind this point from now on."""
        self._at = len(self.lines)

    def wait_line(self, found, timeout=10, what=None, patience=PATIENCE):
        """The first line since mark() for which found(line), or which starts with the text `found`."""
        match = found if callable(found) else lambda line: line.startswith(found)
        what = what or "a line %r of %s" % (found, os.path.basename(self.log))
        # No watch any more: it closed its output, nothing comes after this.
        wait(lambda: not self._watch or any(match(line) for line in self.lines[self._at:]), timeout, what, patience)
        for line in self.lines[self._at:]:
            if match(line):
                return line
        raise Timeout("%s ended before %s; it said last: %s" % (os.path.basename(self.argv[0]), what, self.lines[-3:]))

    def alive(self):
        return self.popen.poll() is None

    def kill9(self):
        if self.alive():
            self.popen.send_signal(signal.SIGKILL)
        return self._reap()

    def stop(self, timeout=20):
        """SIGTERM; the exit status."""
        if self.alive():
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            note("%s does not end on SIGTERM" % self.argv[-1])
            self.popen.send_signal(signal.SIGKILL)
        return self._reap()

    def _reap(self):
        status = self.popen.wait()
        if self._watch:
            GLib.source_remove(self._watch)
            self._readable(0, 0)
            self._watch = 0
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    pass
        return status


# --- waiting ------------------------------------------------------------------------

class Timeout(AssertionError):
    pass


def wait(predicate, timeout=10, what="a condition", patience=PATIENCE):
    """Runs the main loop until predicate() is true: it is asked again after everything that happens (signals, output, exits).
    `patience`: 1 where not coming is an answer, too."""
    context = GLib.MainContext.default()
    limit = timeout * patience
    start = time.monotonic()
    fired = []
    source = GLib.timeout_source_new(int(limit * 1000))
    source.set_callback(lambda *_: fired.append(1) or False)
    source.attach(context)
    try:
        while True:
            value = predicate()
            if value:
                return value
            if fired:
                raise Timeout("waited %.1f s for %s" % (time.monotonic() - start, what))
            context.iteration(True)
    finally:
        source.destroy()


def settle(seconds):
    """Runs the main loop that long, to see that something does NOT happen."""
    done = []
    GLib.timeout_add(int(seconds * 1000), lambda: done.append(1) and False)
    while not done:
        GLib.MainContext.default().iteration(True)


# --- buses -----------------------------------------------------------------------------

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>%s</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
  <!-- As the session bus of every desktop has it. -->
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
  <limit name="max_message_size">1000000000</limit>
  <limit name="max_replies_per_connection">50000</limit>
  <limit name="max_match_rules_per_connection">50000</limit>
</busconfig>
"""


class Bus:
    """A dbus-daemon on one host; its socket can be reached by the test."""

    def __init__(self, host, kind, name):
        self.host, self.name = host, name
        self.path = os.path.join(host.dir, name + ".socket")
        self.address = "unix:path=" + self.path
        config = os.path.join(host.dir, name + ".conf")
        with open(config, "w") as out:
            out.write(BUS_CONFIG % (kind, self.path))
        self._config = config
        self.process = None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.process = self.host.spawn(["dbus-daemon", "--nofork", "--nopidfile", "--print-address=1", "--config-file=" + self._config],
                                       self.name, lines=True)
        self.process.wait_line("unix:", 10)

    def connect(self):
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        connection = Gio.DBusConnection.new_for_address_sync(self.address, flags, None, None)
        # Every signal of the daemon wakes the loop, so that wait() asks again.
        connection.signal_subscribe(None, None, None, None, None, Gio.DBusSignalFlags.NONE, lambda *_: None)
        return connection


# --- a person on a host: session bus, home, earshotd -------------------------------------

class User:
    def __init__(self, host, name):
        self.host, self.name = host, name
        self.dir = os.path.join(host.dir, name)
        self.home = os.path.join(self.dir, "home")
        self.data_dir = os.path.join(self.home, ".local/share/earshot")
        os.makedirs(os.path.join(self.dir, "run"), 0o700)
        os.makedirs(self.home, 0o700)
        self.process, self._last = None, None
        self._bus_daemon, self._bus = None, None
        self._runs = 0

    def env(self):
        env = {key: value for key, value in os.environ.items()
               if key in ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH") or key.startswith(("ASAN_", "UBSAN_", "LSAN_", "TSAN_", "G_"))}
        env.update(HOME=self.home, XDG_CONFIG_HOME=self.home + "/.config", XDG_DATA_HOME=self.home + "/.local/share",
                   XDG_CACHE_HOME=self.home + "/.cache", XDG_STATE_HOME=self.home + "/.local/state", XDG_RUNTIME_DIR=self.dir + "/run",
                   DBUS_SYSTEM_BUS_ADDRESS=self.host.system_bus_address, USER=self.name, LOGNAME=self.name)
        if self._bus_daemon:
            env["DBUS_SESSION_BUS_ADDRESS"] = self._bus_daemon.address
        return env

    def spawn(self, argv, log, lines=False, env=None):
        return self.host.spawn(argv, "%s.%s" % (self.name, log), lines=lines, env=dict(self.env(), **(env or {})))

    @property
    def bus_address(self):
        if not self._bus_daemon:
            self._bus_daemon = Bus(self.host, "session", self.name + ".session-bus")
        return self._bus_daemon.address

    @property
    def bus(self):
        """The test's connection to the session bus of this user."""
        if not self._bus:
            self.bus_address
            self._bus = self._bus_daemon.connect()
        return self._bus

    # the daemon

    def start_daemon(self, name=None, wait=True, timeout=20, wrapper=(), env=None, **options):
        """earshotd --name=NAME and --KEY=VALUE for each option (True = a switch, a list = repeated); discovery follows the host unless given."""
        options.setdefault("discovery", {"daemon": "avahi", "embedded": "embedded"}.get(self.host.avahi, "none"))
        options.setdefault("verbose", True)
        argv = list(wrapper) + [os.path.join(TOP_BUILD, "earshotd"), "--bus=" + self.bus_address, "--data-dir=" + self.data_dir]
        argv += ["--name=" + name] if name else []
        for key, value in options.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if one is not None and one is not False:
                    argv.append("--" + key.replace("_", "-") + ("" if one is True else "=%s" % one))
        self._last = (argv, env, timeout)
        return self._start(wait)

    def _start(self, wait=True):
        argv, env, timeout = self._last
        assert not self.running(), "%s runs already" % self
        self.bus
        self._runs += 1
        self.process = self.spawn(argv, "earshotd-%d" % self._runs, env=env)
        if wait:
            self.wait_up(timeout)
        return self

    def wait_up(self, timeout=20):
        self.wait_for(lambda: self.has_owner() or not self.running(), timeout, "the bus name of %s" % self)
        if not self.running():
            raise AssertionError("earshotd of %s ended with %s" % (self, self.process.popen.returncode))

    def running(self):
        return self.process is not None and self.process.alive()

    def has_owner(self):
        return self.bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                                  GLib.Variant("(s)", (NAME,)), None, 0, 10000, None).unpack()[0]

    def stop(self, timeout=20):
        """SIGTERM and the exit status, which the caller judges."""
        return self.process.stop(timeout) if self.process else None

    def kill9(self):
        return self.process.kill9() if self.process else None

    def restart(self, wait=True):
        """The same command line again, after kill9(), stop(), or while it runs (then it is stopped first)."""
        if self.running():
            self.stop()
        wait_gone = lambda: not self.has_owner()
        self.wait_for(wait_gone, 10, "the old bus name to go")
        return self._start(wait)

    # D-Bus

    def call(self, path, iface, method, args=None, reply=None, timeout_ms=int(25000 * PATIENCE)):
        """Method of PREFIX.iface (or a full interface name) at ROOT + path (or a full path); the unpacked reply tuple.
        Raises GLib.Error; rig.error_name() gives the D-Bus name of it."""
        path = path if path.startswith(ROOT) else (ROOT + "/" + path if path else ROOT)
        iface = iface if "." in iface else NAME + "." + iface
        result = self.bus.call_sync(NAME, path, iface, method, args, GLib.VariantType(reply) if reply else None, 0, timeout_ms, None)
        return result.unpack()

    def manager(self, method, args=None, **kw):
        return self.call("", "Manager", method, args, **kw)

    def get_prop(self, path, iface, name):
        iface = iface if "." in iface else NAME + "." + iface
        return self.call(path, "org.freedesktop.DBus.Properties", "Get", GLib.Variant("(ss)", (iface, name)))[0]

    def get_all(self, path, iface):
        iface = iface if "." in iface else NAME + "." + iface
        return self.call(path, "org.freedesktop.DBus.Properties", "GetAll", GLib.Variant("(s)", (iface,)))[0]

    def set_prop(self, path, iface, name, value):
        iface = iface if "." in iface else NAME + "." + iface
        self.call(path, "org.freedesktop.DBus.Properties", "Set", GLib.Variant("(ssv)", (iface, name, value)))

    def objects(self):
        """GetManagedObjects of the daemon: {path: {interface: {property: value}}}."""
        return self.call("", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")[0]

    def signals(self, iface=None, member=None):
        """A list that grows with (path, interface, member, unpacked arguments) of the signals the daemon sends."""
        got = []
        iface = iface if iface is None or "." in iface else NAME + "." + iface
        self.bus.signal_subscribe(NAME, iface, member, None, None, Gio.DBusSignalFlags.NONE,
                                  lambda c, sender, path, i, m, args, *_: got.append((path, i, m, args.unpack())))
        return got

    def wait_for(self, predicate, timeout=10, what=None, patience=PATIENCE):
        """Until predicate() is true, asked again after each signal. A predicate that asks an absent daemon is merely not yet true."""
        def quiet():
            try:
                return predicate()
            except GLib.Error:
                return False
        self.bus
        # The end of the process sends no signal to a bus it never joined.
        tick = GLib.timeout_add(500, lambda: True)
        try:
            return wait(quiet, timeout, what or "%s: %s" % (self, getattr(predicate, "__name__", "condition")), patience)
        finally:
            GLib.source_remove(tick)

    # the command line

    def ctl(self, *args, check=True, input=None, timeout=60, text=True):
        """xmppctl ARGS: (exit status, stdout, stderr), or just stdout with check=True, which demands status 0; --json output is parsed then."""
        argv = self.host.enter([os.path.join(TOP_BUILD, "xmppctl"), *args])
        done = subprocess.run(argv, input=input, stdin=None if input is not None else subprocess.DEVNULL, capture_output=True, text=text,
                              env=dict(self.env(), DBUS_SESSION_BUS_ADDRESS=self.bus_address, EARSHOT_BUS=self.bus_address),
                              timeout=timeout * PATIENCE, preexec_fn=_die_with_parent)
        if text:
            promise.check_text(args, done.stdout, done.stderr)
        if not check:
            return done.returncode, done.stdout, done.stderr
        if done.returncode != 0:
            raise AssertionError("xmppctl %s: status %d: %s%s" % (" ".join(args), done.returncode, done.stdout, done.stderr))
        if "--json" in args:
            try:
                return json.loads(done.stdout)
            except ValueError:
                return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        return done.stdout

    def __str__(self):
        return "%s@%s" % (self.name, self.host.name)


def error_name(error):
    """The D-Bus error name of a GLib.Error."""
    return Gio.DBusError.get_remote_error(error)


# --- hosts -----------------------------------------------------------------------------

AVAHI_CONFIG = """[server]
host-name=%s
use-ipv4=yes
use-ipv6=yes
enable-dbus=yes
disallow-other-stacks=no
ratelimit-interval-usec=1000000
ratelimit-burst=1000
%s
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
[rlimits]
"""


class Namespace:
    """A process that keeps namespaces alive; it ends with us."""

    def __init__(self, flags, log):
        self.holder = Process(["unshare"] + flags + ["sh", "-c", "echo ready; exec cat"], log, lines=True)
        self.holder.wait_line("ready", 10)
        self.pid = self.holder.pid

    def close(self):
        self.holder.kill9()


class Host:
    """Made by Lan.host(). Has one user of the same verbs; user(NAME) adds others on the same host."""

    def __init__(self, lan, name, number, avahi, hostname, system_bus, avahi_extra):
        self.lan, self.name, self.number, self.avahi, self.hostname = lan, name, number, avahi, hostname or name
        self.dir = os.path.join(lan.dir, name)
        os.mkdir(self.dir)
        self.processes, self.users = [], {}
        self.port = "port%d" % number
        self.links = ["eth0"]
        self.ns = Namespace(["-n", "-m", "-u", "--propagation", "private"], os.path.join(self.dir, "namespace.log"))
        self.run("sh", "-ec", "mount -t tmpfs -o mode=755 none /run; mkdir -p /run/dbus /run/avahi-daemon; hostname '%s'; ip link set lo up"
                 % self.hostname)
        self.address = "10.77.0.%d" % number
        self.attach("eth0", self.port, lan.bridge, self.address)
        self._avahi_extra = avahi_extra
        self.system_bus, self.avahi_process = None, None
        self.system_bus_address = "unix:path=" + os.path.join(self.dir, "no-system-bus")
        if avahi == "daemon" or system_bus:
            self.system_bus = Bus(self, "system", "system-bus")
            self.system_bus_address = self.system_bus.address
        if avahi == "daemon":
            self.start_avahi()
        self.me = User(self, "me")
        self.users["me"] = self.me

    # namespaces

    def enter(self, argv):
        return ["nsenter", "-t", str(self.ns.pid), "-n", "-m", "-u", "--"] + list(argv)

    def run(self, *argv, check=True):
        """A command inside, to its end; its output."""
        done = subprocess.run(self.enter(argv), capture_output=True, text=True, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        if check and done.returncode != 0:
            raise AssertionError("%s: %s: %s%s" % (self.name, " ".join(argv), done.stdout, done.stderr))
        return done.stdout

    def spawn(self, argv, log, lines=False, env=None):
        process = Process(self.enter(argv), os.path.join(self.dir, log + ".log"), env=env, lines=lines)
        self.processes.append(process)
        return process

    def user(self, name):
        if name not in self.users:
            self.users[name] = User(self, name)
        return self.users[name]

    # links

    def attach(self, link, port, bridge, address=None):
        """Another interface, on a bridge of the LAN."""
        self.lan.run("ip", "link", "add", port, "type", "veth", "peer", "name", link, "netns", str(self.ns.pid))
        self.lan.run("ip", "link", "set", port, "master", bridge, "up")
        # Link-local IPv6 counts at once, without duplicate address detection.
        self.run("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/%s/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/%s/dad_transmits" % (link, link),
                 check=False)
        if address:
            self.run("ip", "addr", "add", address + "/24", "brd", "+", "dev", link)
        self.run("ip", "link", "set", link, "up")
        if link not in self.links:
            self.links.append(link)
        self._await_address(link)

    def _await_address(self, link):
        # The kernel brings no signal to us for this; it is there after a few milliseconds.
        end = time.monotonic() + 5 * PATIENCE
        while time.monotonic() < end:
            out = self.run("ip", "-6", "addr", "show", "dev", link, "scope", "link")
            if "fe80" in out and "tentative" not in out:
                return
            time.sleep(0.02)
        note("%s has no link-local IPv6 address on %s" % (self.name, link))

    def link_down(self, link="eth0"):
        self.run("ip", "link", "set", link, "down")

    def link_up(self, link="eth0"):
        self.run("ip", "link", "set", link, "up")

    def unplug(self):
        """The cable, not the interface: the host itself notices only the missing carrier."""
        self.lan.run("ip", "link", "set", self.port, "down")

    def plug(self):
        self.lan.run("ip", "link", "set", self.port, "up")

    def change_address(self, address=None, link="eth0"):
        """Another IPv4 address (default: one that nobody has), at once."""
        old, self.address = self.address, address or "10.77.0.%d" % (int(self.address.split(".")[-1]) + 100)
        self.run("ip", "addr", "del", old + "/24", "dev", link)
        self.run("ip", "addr", "add", self.address + "/24", "brd", "+", "dev", link)
        return self.address

    def link_local(self, link="eth0"):
        out = self.run("ip", "-o", "-6", "addr", "show", "dev", link, "scope", "link")
        return out.split("inet6 ")[1].split("/")[0]

    # avahi-daemon

    def start_avahi(self, wait=True):
        if os.environ.get("EARSHOT_RIG_USERNS"):
            raise Skip("avahi-daemon hands its files to another user, which needs real root")
        if not shutil.which("avahi-daemon"):
            raise Skip("needs avahi-daemon")
        self._lend_avahi_user()
        config = os.path.join(self.dir, "avahi-daemon.conf")
        with open(config, "w") as out:
            out.write(AVAHI_CONFIG % (self.hostname, self._avahi_extra))
        self.avahi_process = self.spawn(["avahi-daemon", "-f", config, "--no-drop-root", "--no-chroot", "--no-rlimits"], "avahi-daemon",
                                        env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.system_bus_address))
        if wait:
            connection = self.system_bus.connect()
            def running():
                try:
                    return connection.call_sync("org.freedesktop.Avahi", "/", "org.freedesktop.Avahi.Server", "GetState", None, None, 0,
                                                5000, None).unpack()[0] == 2
                except GLib.Error:
                    return False
            globals()["wait"](running, 20, "avahi-daemon of %s" % self.name)
            connection.close_sync(None)

    def _lend_avahi_user(self):
        """The program insists on a user of that name; where its package is not installed, this host alone gets one."""
        for database, lookup, line in (("passwd", pwd.getpwnam, "avahi:x:65530:65530::/nonexistent:/usr/sbin/nologin\n"),
                                       ("group", grp.getgrnam, "avahi:x:65530:\n")):
            try:
                lookup("avahi")
            except KeyError:
                copy = os.path.join(self.dir, database)
                with open("/etc/" + database) as old, open(copy, "w") as new:
                    new.write(old.read() + line)
                os.chmod(copy, 0o644)
                self.run("mount", "--bind", copy, "/etc/" + database)

    def stop_avahi(self):
        self.avahi_process.stop()

    # what one user per host needs to say

    def __getattr__(self, name):
        if name.startswith("_") or "users" not in self.__dict__ or "me" not in self.users:
            raise AttributeError(name)
        return getattr(self.users["me"], name)

    def close(self):
        for user in self.users.values():
            if user._bus and not user._bus.is_closed():
                user._bus.close_sync(None)
        # earshotd first: it says goodbye while there is still somebody to hear it.
        for process in reversed(self.processes):
            if process.alive():
                process.popen.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.popen.wait(5)
            except subprocess.TimeoutExpired:
                pass
            process.kill9()
        self.ns.close()

    def __str__(self):
        return self.name


class Lan:
    """The bridge, in a namespace of its own, and the hosts on it. Use as a context manager."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="earshot-lan-%d-" % os.getpid())
        self.hosts, self._captures, self._next = {}, [], 1
        self.bridge, self.link = "lan0", None
        self.ns = None
        _open_lans.append(self)
        try:
            self.ns = Namespace(["-n"], os.path.join(self.dir, "bridge.log"))
            self.add_bridge(self.bridge)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        trouble = None
        try:
            self.stop()
            trouble = self.find_trouble()
        finally:
            if (exc[0] and exc[0] is not Skip) or trouble:
                self.show_logs()
            self.close()
        if trouble and not exc[0]:
            raise AssertionError("in the logs: " + trouble)

    def run(self, *argv, check=True, input=None):
        done = subprocess.run(["nsenter", "-t", str(self.ns.pid), "-n", "--"] + list(argv), capture_output=True, text=True, input=input,
                              stdin=None if input is not None else subprocess.DEVNULL, preexec_fn=_die_with_parent)
        if check and done.returncode != 0:
            raise AssertionError("bridge: %s: %s%s" % (" ".join(argv), done.stdout, done.stderr))
        return done.stdout

    def add_bridge(self, name):
        """A second link for Host.attach()."""
        self.run("ip", "link", "add", name, "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
        self.run("ip", "link", "set", name, "up")

    def host(self, name, avahi="daemon", hostname=None, system_bus=False, avahi_extra=""):
        """avahi: "daemon", "embedded" (earshotd is told to use its own stack) or "none" (no avahi-daemon, earshotd is told no discovery)."""
        host = Host(self, name, self._next, avahi, hostname, system_bus, avahi_extra)
        self._next += 1
        self.hosts[name] = host
        if self.link:
            self.link.add(host)
        return host

    # trouble on the wire

    def relay(self, **bad):
        """From now on a relay stands where the bridge was: delay=, loss=, reorder=, seed= (link.py). A Link."""
        from link import Link
        assert not self.link, "one relay a LAN; Link.set() changes it"
        self.link = Link(self, **bad)
        self._captures.append(self.link.process)
        return self.link

    def _filter(self, *rules):
        self.run("nft", "-f", "-", input="\n".join(("add table bridge rig",
                                                    "add chain bridge rig forwarded { type filter hook forward priority 0; policy accept; }") + rules) + "\n")

    def cut(self, a, b):
        """Nothing passes between two hosts, either way; both links stay up."""
        if self.link:
            return self.link.cut(a, b)
        self._filter('add rule bridge rig forwarded iifname "%s" oifname "%s" drop' % (a.port, b.port),
                     'add rule bridge rig forwarded iifname "%s" oifname "%s" drop' % (b.port, a.port))

    def cut_one_way(self, a, b):
        """Nothing from a reaches b."""
        if self.link:
            return self.link.cut_one_way(a, b)
        self._filter('add rule bridge rig forwarded iifname "%s" oifname "%s" drop' % (a.port, b.port))

    def split(self, *sides):
        """Several lists of hosts that hear nothing of each other."""
        for i, side in enumerate(sides):
            for other in sides[i + 1:]:
                for a in side:
                    for b in other:
                        self.cut(a, b)

    def lose(self, one_in):
        """Every nth packet, at random, is lost on the bridge."""
        if self.link:
            return self.link.set(loss=1 / one_in)
        self._filter("add rule bridge rig forwarded numgen random mod %d == 0 drop" % one_in)

    def heal(self):
        """Takes back cut(), split() and lose()."""
        if self.link:
            self.link.heal()
            return self.link.set(loss=0)
        self.run("nft", "delete", "table", "bridge", "rig", check=False)

    def narrow(self, host, rate="64kbit"):
        """The link to a host carries only that much."""
        self.run("tc", "qdisc", "replace", "dev", host.port, "root", "tbf", "rate", rate, "burst", "8kb", "latency", "400ms")

    def widen(self, host):
        self.run("tc", "qdisc", "del", "dev", host.port, "root", check=False)

    def tcpdump(self, path=None, *expression, host=None):
        """Captures the bridge, or the cable of one host, into a file (read it with tcpdump -r after stop()); a Process."""
        if os.environ.get("EARSHOT_RIG_USERNS"):
            raise Skip("tcpdump changes its user, which needs real root")
        path = path or os.path.join(self.dir, "capture.pcap")
        process = Process(["nsenter", "-t", str(self.ns.pid), "-n", "--", "tcpdump", "-Z", "root", "-U", "--immediate-mode", "-n", "-i", host.port if host else self.bridge, "-w", path]
                          + list(expression), os.path.join(self.dir, "tcpdump-%d.log" % len(self._captures)))  # a log of its own: "listening" is read there
        process.path = path
        self._captures.append(process)
        def listening():
            with open(process.log) as log:
                return "listening on" in log.read() or not process.alive()
        tick = GLib.timeout_add(50, lambda: True)
        try:
            wait(listening, 10, "tcpdump")
        finally:
            GLib.source_remove(tick)
        return process

    # the end

    def show_logs(self, tail=120):
        """The end of every log, as TAP diagnostics."""
        for folder, _, files in sorted(os.walk(self.dir)):
            for name in sorted(files):
                path = os.path.join(folder, name)
                if not name.endswith(".log") or os.path.getsize(path) <= len("ready\n"):
                    continue
                note("--- %s" % os.path.relpath(path, self.dir))
                with open(path, errors="replace") as log:
                    lines = log.read().splitlines()
                if len(lines) > tail:
                    note("(%d lines before)" % (len(lines) - tail))
                note("\n".join(lines[-tail:]))

    def find_trouble(self):
        """What no daemon may say: a sanitizer's finding, a failed assertion, a critical; and no xmppctl: JSON that its schema does not know."""
        if _unpromised:
            return _unpromised.pop()
        for folder, _, files in os.walk(self.dir):
            for name in files:
                if name.endswith(".log"):
                    with open(os.path.join(folder, name), errors="replace") as log:
                        for line in log:
                            if any(word in line for word in TROUBLE):
                                return "%s: %s" % (name, line.strip())
        return None

    def stop(self):
        """Ends every process, politely first; the namespaces go with the last."""
        for host in self.hosts.values():
            host.close()
        for process in self._captures:
            process.kill9()
        if self.ns:
            self.ns.close()

    def close(self):
        if self not in _open_lans:
            return
        _open_lans.remove(self)
        self.stop()
        if os.environ.get("EARSHOT_KEEP_LAN"):
            note("kept: " + self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


_open_lans = []


@atexit.register
def _close_all():
    for lan in list(_open_lans):
        lan.close()


# --- TAP ----------------------------------------------------------------------------------

_tests = []


class Skip(Exception):
    pass


def test(function):
    """Registers function(lan); it runs on a fresh LAN of its own."""
    _tests.append(function)
    return function


def _become_root():
    if os.geteuid() == 0 and not os.environ.get("EARSHOT_RIG_USERNS"):
        probe = subprocess.run(["unshare", "-n", "-m", "-u", "--propagation", "private", "true"], capture_output=True)
        if probe.returncode == 0:
            return
        skip_all("may not make network namespaces here")
    if os.environ.get("EARSHOT_RIG_USERNS"):
        return
    probe = subprocess.run(["unshare", "-Urnm", "true"], capture_output=True)
    if probe.returncode != 0:
        skip_all("needs root, or user namespaces for everybody")
    os.environ["EARSHOT_RIG_USERNS"] = "1"
    os.execvp("unshare", ["unshare", "-Urnm", sys.executable] + sys.argv)


def _need(*programs):
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        skip_all("needs " + ", ".join(missing))


def main(needs=()):
    """Runs the registered tests (or those named on the command line), as TAP. `needs`: further programs."""
    _need("unshare", "nsenter", "ip", "dbus-daemon", *needs)
    _become_root()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [t for t in _tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    print("1..%d" % len(chosen), flush=True)
    failed = 0
    for number, function in enumerate(chosen, 1):
        label = "%d - %s" % (number, (function.__doc__ or function.__name__).strip().splitlines()[0])
        start = time.monotonic()
        try:
            with Lan() as lan:
                function(lan)
        except Skip as why:
            print("ok %s # SKIP %s" % (label, why), flush=True)
            continue
        except Exception:
            failed += 1
            note(traceback.format_exc())
            print("not ok " + label, flush=True)
            continue
        note("%.1f s" % (time.monotonic() - start))
        print("ok " + label, flush=True)
    sys.exit(1 if failed else 0)
