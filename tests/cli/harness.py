# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of xmppctl share: canned state, running it on pipes and terminals, TAP."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import traceback

import promise
import screen
from gi.repository import GLib
from mock import ROOT, Bus, Mock

SOURCE = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.environ.get("top_builddir", os.path.join(SOURCE, "build"))
XMPPCTL = os.path.join(BUILD, "xmppctl")
PATIENCE = int(os.environ.get("EARSHOT_TEST_PATIENCE", "120"))

KEY_ME, KEY_JULIET, KEY_ROMEO, KEY_MALLORY = "0e" * 32, "a1" * 32, "b2" * 32, "c3" * 32
JULIET, ROMEO, MALLORY, GHOST = (ROOT + "/contact/%d" % n for n in (1, 2, 3, 4))
HOSTILE = "Romeo\x1b[31m\u202eevil\nverified  juliet\x9b\x07"
HOSTILE_BODY = "first\x1b]0;owned\x07\nverified  2026-01-05  juliet  pay him\u2066\r"
SECRETS = ("\x1b", "\u202e", "\u2066", "\x9b", "\x07", "\r")

TESTS = []


class Skip(Exception):
    """Raised by a test that can not run here; the text says why."""


def test(name):
    def add(function):
        TESTS.append((name, function))
        return function

    return add


def key_path(key):
    return ROOT + "/key/" + key


def populate(mock):
    mock.objects.clear()
    mock.log.clear()
    mock.calls.clear()
    mock.failures.clear()
    mock.consumers.clear()
    mock.silent.clear()
    mock.agents.clear()
    mock.retained, mock.after_send = 0, None
    mock.add(ROOT, "Manager", Version="0.1", Fingerprint=KEY_ME, DisplayId=" ".join(["0e0e0e0e"] * 8), Address="me@here", Nick="Me",
             Show="available", Visibility="everyone", EagerConnect="queued", MaxStrangers=256, TrustMode="ask", LegacyPolicy="refuse", PendingRequests=2,
             StartTime=1767607331512034, Features=["messages"], Warnings=[("clock", "the clock runs\x1b[5m")])
    mock.add(ROOT, "Messages", Queued=3, Held=1, Unread=2)
    mock.add(ROOT, "Network", Backend="avahi", State="running", InstanceName="me@here", Port=5298,
             Links=[("wlan0", "auto", ["fe80::2%wlan0"], {})])
    mock.add(JULIET, "Contact", Petname="juliet", ClaimedName="Juliet C", ClaimedAddress="juliet@pronto", Stored=True, Kind="person",
             Reach="online", Connected=True, Show="away", StatusText="at\x1b[31mthe balcony", PresenceProven=True,
             Endpoints=[("wlan0", "fe80::1%wlan0", 5298, True, 1767607331512034)], Keys=[key_path(KEY_JULIET)],
             ActiveKey=key_path(KEY_JULIET), Trust="verified", LastSeen=1767607331512034)
    mock.add(JULIET, "Conversation", Title="juliet", Unread=2, ReadSeq=0)
    mock.add(key_path(KEY_JULIET), "Key", Fingerprint=KEY_JULIET, Contact=JULIET, Trust="verified", TrustSource="code",
             TrustSince=1767607331512034)
    mock.add(ROMEO, "Contact", ClaimedName=HOSTILE, ClaimedAddress="romeo@forza", Kind="person", Reach="sighted", Keys=[key_path(KEY_ROMEO)],
             ActiveKey=key_path(KEY_ROMEO), Trust="unknown", LastError="NotReachable")
    mock.add(ROMEO, "Conversation", Title="romeo")
    mock.add(key_path(KEY_ROMEO), "Key", Fingerprint=KEY_ROMEO, Contact=ROMEO, Trust="unknown")
    mock.add(MALLORY, "Contact", ClaimedName="juliet", ClaimedAddress="juliet@pronto2", Kind="person", Reach="online", Contests=[JULIET],
             Keys=[key_path(KEY_MALLORY)], ActiveKey=key_path(KEY_MALLORY), Trust="unknown", NameWarning="duplicate")
    mock.add(MALLORY, "Conversation")
    mock.add(key_path(KEY_MALLORY), "Key", Fingerprint=KEY_MALLORY, Contact=MALLORY, Trust="unknown")
    mock.add(GHOST, "Contact", ClaimedAddress="ghost@attic", Kind="person", Reach="offline", Trust="unknown")
    mock.add(GHOST, "Conversation")
    preview = {"id": mock_variant("s", "p1"), "body": mock_variant("s", HOSTILE_BODY), "time": mock_variant("x", 1767607331512034)}
    mock.add(ROOT + "/request/1", "Request", Id=1, Kind="new-key", Contact=ROMEO, Key=key_path(KEY_ROMEO), Created=1767607331512034,
             Choices=["accept", "reject", "block"],
             Details={"fingerprint": mock_variant("s", KEY_ROMEO), "name": mock_variant("s", HOSTILE), "link": mock_variant("s", "wlan0"),
                      "preview": mock_variant("aa{sv}", [preview])})
    mock.add(ROOT + "/request/2", "Request", Id=2, Kind="name-conflict", Contact=MALLORY, Key=key_path(KEY_MALLORY),
             Choices=["replace", "separate", "reject", "block"],
             Details={"fingerprint": mock_variant("s", KEY_MALLORY), "name": mock_variant("s", "juliet"),
                      "old_fingerprint": mock_variant("s", KEY_JULIET), "old_name": mock_variant("s", "juliet"),
                      "old_online": mock_variant("b", True)})
    mock.append("message", JULIET, "m1", announce=False, direction="in", from_=JULIET, key=KEY_JULIET, body="hi", trust="verified")
    mock.append("message", JULIET, "m2", announce=False, direction="in", from_=JULIET, key=KEY_JULIET, body=HOSTILE_BODY, trust="verified")
    mock.append("message", JULIET, "m3", announce=False, direction="out", body="hello you", state="delivered", reason="")


BOB = ROOT + "/contact/5"


def add_legacy(request=True, **more):
    """A peer that knows no encryption, and the question about it."""
    F.mock.do(lambda: F.mock.add(BOB, "Contact", **{**dict(ClaimedName="Bob", ClaimedAddress="bob@mac", Kind="legacy", Trust="none",
                                                           Reach="sighted", LastError="PeerInsecure"), **more}))
    F.mock.do(lambda: F.mock.add(BOB, "Conversation", Title="bob"))
    if request:
        F.mock.do(lambda: F.mock.add(ROOT + "/request/3", "Request", Id=3, Kind="legacy-peer", Contact=BOB, Key="/", Created=1767607331512034,
                                     Choices=["allow", "refuse", "block"],
                                     Details={"name": mock_variant("s", HOSTILE), "address": mock_variant("s", "bob@mac"),
                                              "link": mock_variant("s", "wlan0"), "endpoints": mock_variant("as", ["fe80::9%wlan0"])}))


def mock_variant(signature, value):
    return GLib.Variant(signature, value)


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return "exit %d\n--- stdout\n%s\n--- stderr\n%s" % (self.code, self.out, self.err)


class Running(subprocess.Popen):
    """What it prints under --json is held against its schema as it is read."""

    def __init__(self, command, **more):
        super().__init__(command, **more)
        self.arguments = command[1:]
        if promise.wanted(self.arguments) and self.stdout and self.text_mode:
            self.stdout = promise.Reader(self.stdout)

    def communicate(self, *arguments, **more):
        out, err = super().communicate(*arguments, **more)
        promise.check_text(self.arguments, out or "", err or "")
        return out, err


class Fixture:
    def __init__(self):
        self.bus = Bus()
        self.mock = Mock(self.bus, os.path.join(SOURCE, "dbus"))
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "DBUS_SESSION_BUS_ADDRESS": self.bus.address,
                    "XDG_RUNTIME_DIR": self.bus.dir.name}
        self.env.pop("NO_COLOR", None)

    def reset(self):
        self.mock.do(populate, self.mock)

    def command(self, *arguments):
        return [XMPPCTL, *arguments]

    def run(self, *arguments, input="", env=None):
        done = subprocess.run(self.command(*arguments), input=input.encode() if isinstance(input, str) else input, capture_output=True,
                              env={**self.env, **(env or {})}, timeout=PATIENCE)
        result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
        promise.check_text(arguments, result.out, result.err)
        return result

    def start(self, *arguments, **more):
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **more}
        return Running(self.command(*arguments), stderr=subprocess.PIPE, env=self.env, text=True, **more)

    def called(self, method):
        return [call for call in self.mock.calls if call[0] == method]


# Whoever runs the tests in the background of a shell without job control has SIGINT ignored, and so would every child.
signal.signal(signal.SIGINT, signal.default_int_handler)

F = Fixture()


def expect(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what) or "expectation failed")


def run(*arguments, code=0, **more):
    result = F.run(*arguments, **more)
    expect(result.code == code, arguments, "wanted exit", code, "got", result)
    for secret in SECRETS:
        expect(secret not in result.out and secret not in result.err, arguments, "lets", repr(secret), "through:", result)
    expect("Sanitizer" not in result.err and "CRITICAL" not in result.err, result)
    return result


def commands(prefix=()):
    """Every command with its help text, groups and leaves."""
    text = run(*prefix, "--help").out
    found = [(prefix, text)]
    block = re.search(r"\nCommands:\n((?:  .*\n)+)", text)
    for line in block.group(1).splitlines() if block else []:
        found += commands(prefix + (line.split()[0],))
    return found


def error_of(result):
    return json.loads(result.err.splitlines()[-1])


def wait_for(predicate, what):
    end = time.monotonic() + PATIENCE
    while not predicate():
        expect(time.monotonic() < end, "nothing came of:", what)
        select.select([], [], [], 0.02)


def read_until(stream, text):
    lines = []
    while True:
        line = stream.readline()
        expect(line != "", "the stream ended before", repr(text), "after", lines)
        lines.append(line)
        if text in line:
            return lines


def loaded(process):
    """Another client's round trip cannot tell; so ask the bus who is connected and has match rules: the mock sees names."""
    names = F.mock.do(F.mock.bus_call, "ListNames", None).unpack()[0]
    return len([n for n in names if n.startswith(":")]) >= 2


def full_name(interface):
    return "im.earshot.Earshot1." + interface


class Terminal:
    """xmppctl on a terminal of its own."""

    def __init__(self, *arguments, term="dumb"):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execve(XMPPCTL, [XMPPCTL, *arguments], {**F.env, "TERM": term, "NO_COLOR": "1"})
            finally:
                os._exit(127)

    def read_until(self, text):
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            expect(time.monotonic() < end, "the terminal never showed", repr(text), "but", repr(self.text))
            if select.select([self.fd], [], [], 1)[0]:
                data = screen.read(self.fd)
                expect(data, "the terminal closed before", repr(text), "after", repr(self.text))
                self.text += data.decode(errors="replace")
        before, self.text = self.text.split(text, 1)
        return before + text

    def type(self, text):
        os.write(self.fd, text.encode())

    def finish(self):
        rest = self.text + screen.read_to_end(self.fd).decode(errors="replace")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), rest


def on_alarm(*_):
    raise TimeoutError("this takes too long")


def main():
    signal.signal(signal.SIGALRM, on_alarm)
    wanted = sys.argv[1:]
    chosen = [t for t in TESTS if not wanted or any(w in t[0] for w in wanted)]
    print("1..%d" % len(chosen), flush=True)
    failed = 0
    for number, (name, function) in enumerate(chosen, 1):
        try:
            F.reset()
            # A read that waits for what never comes ends here, not in the driver's patience.
            signal.alarm(PATIENCE * 2)
            function()
            print("ok %d - %s" % (number, name), flush=True)
        except Skip as reason:
            print("ok %d - %s # SKIP %s" % (number, name, reason), flush=True)
        except Exception:
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("# " + line.replace("\x1b", "\\e"))
            print("not ok %d - %s" % (number, name), flush=True)
        finally:
            signal.alarm(0)
    F.mock.stop()
    F.bus.stop()
    sys.exit(1 if failed else 0)
