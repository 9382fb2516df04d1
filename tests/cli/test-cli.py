#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl against a mock daemon on a private bus: outputs, exit codes, escapes, and what must not be called. TAP."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from mock import ROOT, Bus, Failure, Mock  # noqa: E402

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
    mock.retained, mock.after_send = 0, None
    mock.add(ROOT, "Manager", Version="0.1", Fingerprint=KEY_ME, DisplayId=" ".join(["0e0e0e0e"] * 8), Address="me@here", Nick="Me",
             Show="available", Visibility="everyone", EagerConnect="queued", MaxStrangers=256, TrustMode="ask", PendingRequests=2,
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


def mock_variant(signature, value):
    from gi.repository import GLib

    return GLib.Variant(signature, value)


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return "exit %d\n--- stdout\n%s\n--- stderr\n%s" % (self.code, self.out, self.err)


class Fixture:
    def __init__(self):
        self.bus = Bus()
        self.mock = Mock(self.bus, os.path.join(SOURCE, "dbus"))
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "DBUS_SESSION_BUS_ADDRESS": self.bus.address}
        self.env.pop("NO_COLOR", None)

    def reset(self):
        self.mock.do(populate, self.mock)

    def command(self, *arguments):
        return [XMPPCTL, *arguments]

    def run(self, *arguments, input="", env=None):
        done = subprocess.run(self.command(*arguments), input=input.encode() if isinstance(input, str) else input, capture_output=True,
                              env={**self.env, **(env or {})}, timeout=PATIENCE)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments, **more):
        return subprocess.Popen(self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, text=True,
                                **{"stdin": subprocess.DEVNULL, **more})

    def called(self, method):
        return [call for call in self.mock.calls if call[0] == method]


F = None


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


# --- help and usage -----------------------------------------------------------------------


def commands(prefix=()):
    """Every command with its help text, groups and leaves."""
    text = run(*prefix, "--help").out
    found = [(prefix, text)]
    block = re.search(r"\nCommands:\n((?:  .*\n)+)", text)
    for line in block.group(1).splitlines() if block else []:
        found += commands(prefix + (line.split()[0],))
    return found


@test("/help/every-command-has-usage-summary-example")
def _():
    all_commands = commands()
    expect(len(all_commands) > 35, len(all_commands))
    for prefix, text in all_commands:
        expect(text.startswith("Usage: xmppctl " + " ".join(prefix)), prefix, text)
        examples = text.split("\nExamples:\n")[1]
        expect("xmppctl" in examples, prefix, "has no example")
        expect("--timeout" in text and "--help" in text, prefix)


@test("/help/names-no-command-that-does-not-exist")
def _():
    known = {prefix for prefix, _ in commands()}
    for prefix, text in commands():
        for line in text.split("\nExamples:\n")[1].splitlines():
            for words in re.findall(r"xmppctl((?: [a-z]+)+)", line):
                words = words.split()
                expect((words[0],) in known, prefix, "shows", line)


def manual():
    with open(os.path.join(SOURCE, "data/xmppctl.1"), encoding="utf-8") as file:
        return file.read().replace("\\-", "-").replace("\\&", "")


@test("/manual/has-every-command-and-option")
def _():
    text = manual()
    for prefix, help_text in commands():
        if prefix:
            expect(re.search(r'^\.SS "?%s\b' % re.escape(" ".join(prefix)), text, re.M), "no section for", prefix)
        for option in re.findall(r"^ +(?:-(\w), )?--([\w-]+)", help_text, re.M):
            expect("--" + option[1] in text, prefix, "--" + option[1], "is not in the manual")
    for code in range(0, 11):
        expect(re.search(r"^\.B %d$" % code, text, re.M), "exit code", code, "is not in the manual")


@test("/completion/has-every-command-and-option")
def _():
    with open(os.path.join(SOURCE, "data/xmppctl.bash"), encoding="utf-8") as file:
        script = file.read()
    expect(run("completion", "bash").out == script, "the binary prints another script")
    for prefix, help_text in commands():
        typed = ["xmppctl", *prefix, ""]
        block = re.search(r"\nCommands:\n((?:  .*\n)+)", help_text)
        offered = complete(typed) if block else None
        for line in block.group(1).splitlines() if block else []:
            expect(line.split()[0] in offered, prefix, "does not offer", line.split()[0], offered)
        options = complete(["xmppctl", *prefix, "-"])
        for option in re.findall(r"^ +(?:-\w, )?--([\w-]+)", help_text, re.M):
            expect("--" + option in options, prefix, "does not offer --" + option, options)


def complete(words):
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _xmppctl; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script, "bash", os.path.join(SOURCE, "data/xmppctl.bash"), *words], capture_output=True, text=True,
                          env={**F.env, "PATH": BUILD + ":" + os.environ["PATH"]}, timeout=PATIENCE)
    expect(done.stderr == "", done.stderr)
    return done.stdout.split("\n")[:-1]


@test("/completion/offers-living-peers-and-runs-nothing-they-claim")
def _():
    marker = os.path.join(F.bus.dir.name, "pwned")
    F.mock.do(lambda: F.mock.change(GHOST, "Contact", ClaimedAddress="ghost$(touch %s)`touch %s`@x" % (marker, marker)))
    expect("juliet" in complete(["xmppctl", "send", "jul"]), complete(["xmppctl", "send", "jul"]))
    names = complete(["xmppctl", "show", "gho"])
    expect(len(names) == 1 and "\\$\\(touch" in names[0], names)
    expect(not os.path.exists(marker), "a name was run")
    expect("online" in complete(["xmppctl", "wait", "juliet", "--for", "onl"]), "values")
    expect("online" in complete(["xmppctl", "wait", "juliet", "--for", "=", "onl"]), "values behind =")


@test("/usage/wrong-lines-exit-2-with-a-usage-line-and-ask-nothing")
def _():
    wrong = [
        ["bogus"], ["--bogus"], ["status", "extra"], ["show"], ["show", "a", "b"], ["send"], ["send", "juliet", "--wait=never", "x"],
        ["send", "juliet", "x", "--expires", "yesterday"], ["send", "--to", "juliet", "two", "texts"], ["log"], ["log", "juliet", "-n", "-1"],
        ["log", "juliet", "--since", "soon"], ["wait", "juliet"], ["wait", "juliet", "--for", "rain"], ["watch", "--kinds", "gossip"],
        ["watch", "--since", "-3"], ["trust", "bogus"], ["trust", "accept"], ["name", "juliet"], ["config", "set", "show"],
        ["config", "set", "max-strangers", "many"], ["config", "set", "share-jid", "perhaps"], ["completion"], ["net", "probe"],
        ["--timeout", "soon", "status"], ["--color=blue", "status"], ["trust", "forget", "juliet"],
        ["trust", "accept", KEY_ROMEO, "--fingerprint", "12345"], ["net", "static", "add"], ["--bus=nonsense", "status"],
    ]
    for arguments in wrong:
        result = run(*arguments, code=2)
        expect(result.out == "" and result.err.startswith("xmppctl"), arguments, result)
        if arguments[0] != "--bus=nonsense" and "12345" not in arguments:
            expect("Usage: xmppctl" in result.err, arguments, result)
        line = error_of(run("--json", *arguments, code=2))
        expect(line["exit"] == 2 and line["v"] == 1 and line["type"] == "error" and line["error"] == "InvalidArgument", arguments, line)
    expect(F.mock.calls == [], F.mock.calls)


# --- reading ------------------------------------------------------------------------------


@test("/startup/is-one-round-trip")
def _():
    monitor = subprocess.Popen(["dbus-monitor", "--address", F.bus.address, "type='method_call'"], stdout=subprocess.PIPE, text=True)
    try:
        read_until(monitor.stdout, "member=NameLost")
        run("peers")
        run("send", "juliet", "x")
        F.mock.do(F.mock.bus_call, "GetId", None)
        lines = "".join(read_until(monitor.stdout, "member=GetId"))
    finally:
        monitor.terminate()
        monitor.wait()
        monitor.stdout.close()
    members = re.findall(r"member=(\w+)", lines)
    # AddMatch and RemoveMatch are sent without asking for a reply: nobody waits for them.
    members = [m for m in members if m not in ("GetId", "AddMatch", "RemoveMatch")]
    expect(members == ["Hello", "GetManagedObjects", "Hello", "GetManagedObjects", "Send"], members)


@test("/status/is-the-default")
def _():
    expect(run().out == run("status").out, "differs")
    result = run("status", "-v")
    expect("3 queued, 1 held" in result.out and "2 waiting" in result.out and "\\u{1b}[5m" in result.out, result)
    line = run("--json").lines()[0]
    expect(line["v"] == 1 and line["type"] == "status" and line["queued"] == 3 and line["held"] == 1 and line["online"] == 2, line)


@test("/peers/trust-first-names-escaped-offline-hidden")
def _():
    text = run("peers").out
    rows = text.splitlines()
    expect(rows[0].startswith("TRUST") and len(rows) == 4, text)
    expect(all(row.startswith(("verified", "unknown ")) for row in rows[1:]), text)
    expect("(Romeo\\u{1b}[31m\\u{202e}evil\\u{a}verified  juliet\\u{9b}\\u{7})" in text, text)
    expect("ghost@attic" not in text and "ghost@attic" in run("peers", "-a").out, "offline ones")
    lines = {line["path"]: line for line in run("peers", "--all", "--json").lines()}
    expect(len(lines) == 4 and all(l["v"] == 1 and l["type"] == "peer" for l in lines.values()), lines)
    expect(lines[ROMEO]["claimed_name"] == HOSTILE, "JSON loses nothing", lines[ROMEO])
    expect(lines[JULIET]["endpoints"][0] == {"link": "wlan0", "address": "fe80::1%wlan0", "port": 5298, "proven": True,
                                             "last_success": "2026-01-05T10:02:11.512034Z"}, lines[JULIET])


@test("/peers/color-is-ours-alone")
def _():
    plain = F.run("peers").out
    always = F.run("--color=always", "peers").out
    expect("\x1b" not in plain and "\x1b[32mverified" in always, always)
    expect(re.sub(r"\x1b\[\d*m", "", always) == plain, "colour changes the text")
    expect("\x1b" not in F.run("--color=auto", "peers", env={"NO_COLOR": "1"}).out, "NO_COLOR")


@test("/show/says-why-unreachable")
def _():
    result = run("show", "romeo@forza")
    expect("NotReachable" in result.out and "why" in result.out and "b2b2b2b2 b2b2b2b2" in result.out, result)
    expect(run("show", "ROMEO@forza").out.splitlines()[:4] == result.out.splitlines()[:4], "addresses have no case")
    expect("net static add" in run("show", "ghost@attic").out, "advice")
    line = run("show", "juliet", "--json").lines()[0]
    expect(line["keys"][0]["trust"] == "verified" and line["why"] == "", line)


@test("/selectors/petname-address-prefix-in-that-order")
def _():
    expect("verified" in run("show", "juliet").out, "petname")
    expect("verified" in run("show", "a1a1a1a1").out, "prefix of 8")
    expect("verified" in run("show", "A1A1A1A1 a1a1a1a1").out, "as people write it")
    expect(error_of(run("--json", "show", "a1a1a1a", code=3))["error"] == "NotFound", "7 digits")
    F.mock.do(lambda: F.mock.change(GHOST, "Contact", Petname="a1a1a1a1"))
    expect("unknown" in run("show", "a1a1a1a1").out, "a petname goes before a key")
    expect("verified" in run("show", "a1a1a1a1a").out, "more digits are the key again")


@test("/selectors/several-are-never-a-guess")
def _():
    F.mock.do(lambda: F.mock.change(GHOST, "Contact", ClaimedAddress="juliet@pronto"))
    result = run("send", "juliet@pronto", "for one of you", code=4)
    expect("juliet" in result.err and "2 peers" in result.err and "a1a1a1a1a1a1a1a1" in result.err, result)
    expect(F.called("Send") == [], "something was sent")


@test("/log/history-with-states")
def _():
    result = run("log", "juliet")
    rows = result.out.splitlines()
    expect(rows[0] == "verified  2026-01-05 10:02:12  juliet  hi", rows)
    expect("-> juliet [delivered]  hello you" in rows[-1], rows)
    lines = run("log", "juliet", "--json").lines()
    expect([l["id"] for l in lines] == ["m1", "m2", "m3"], lines)
    expect(lines[0] == {"v": 1, "type": "message", "seq": 1, "id": "m1", "time": "2026-01-05T10:02:12.512034Z", "direction": "in",
                        "peer": {"petname": "juliet", "fingerprint": KEY_JULIET, "trust": "verified"}, "body": "hi", "insecure": False,
                        "sent_time": None, "thread": "", "reply_to": ""}, lines[0])
    expect(lines[1]["body"] == HOSTILE_BODY and lines[2]["state"] == "delivered", lines)
    expect([l["id"] for l in run("log", "juliet", "-n", "1", "--json").lines()] == ["m3"], "the newest one")
    expect(run("log", "juliet", "--since", "1h").out == "", "--since")
    expect(len(run("log", "juliet", "--since", "2026-01-05T10:02:13Z", "--json").lines()) == 2, "--since a time")


@test("/log/a-body-cannot-pretend-to-be-a-line-of-ours")
def _():
    rows = run("log", "juliet").out.splitlines()
    expect(sum(row.startswith("verified") for row in rows) == 3 - 1, rows)
    expect("          | verified  2026-01-05  juliet  pay him\\u{2066}\\u{d}" in rows, rows)
    expect("          | first\\u{1b}]0;owned\\u{7}" in rows, rows)


@test("/log/a-long-log-is-read-in-pages")
def _():
    def fill():
        for n in range(300):
            F.mock.append("message", JULIET, "x%d" % n, announce=False, direction="in", body="line %d" % n, trust="verified")

    F.mock.do(fill)
    lines = run("log", "juliet", "-n", "250", "--json").lines()
    expect([l["body"] for l in lines] == ["line %d" % n for n in range(50, 300)], len(lines))


@test("/inbox/unread-by-conversation")
def _():
    text = run("inbox").out
    expect(text.startswith("verified  juliet: 2 unread\n") and "hello you" not in text, text)
    expect([l["id"] for l in run("inbox", "--json").lines()] == ["m1", "m2"], "JSON")
    expect(F.called("MarkRead") == [], "reading is not marking")
    run("inbox", "--mark-read")
    expect(F.called("MarkRead") == [("MarkRead", JULIET, (2,))], F.mock.calls)
    F.mock.do(lambda: F.mock.change(JULIET, "Conversation", Unread=0))
    expect("nothing unread" in run("inbox").err, "note")


# --- sending -----------------------------------------------------------------------------


@test("/send/text-stdin-and-several")
def _():
    result = run("send", "juliet", "two words")
    expect(result.out == "queued     id-4  juliet\n", result)
    run("send", "juliet", input="from a pipe\n")
    run("send", "juliet", "-", input="line 1\nline 2\n")
    run("send", "juliet", "--", "-v")
    run("send", "juliet", "romeo@forza", "juliet", "both")
    run("send", "--to", "juliet", "--to", "romeo@forza", "text too")
    run("send", "juliet", "--", "--")
    sent = [(call[2][0], call[2][1]) for call in F.called("Send")]
    expect(sent == [(JULIET, "two words"), (JULIET, "from a pipe"), (JULIET, "line 1\nline 2"), (JULIET, "-v"), (JULIET, "both"),
                    (ROMEO, "both"), (JULIET, "text too"), (ROMEO, "text too"), (JULIET, "--")], sent)
    line = run("--json", "send", "juliet", "x").lines()[0]
    expect(line["type"] == "sent" and line["state"] == "queued" and line["id"] and line["peer"]["petname"] == "juliet", line)
    expect(run("-q", "send", "juliet", "x").out == "", "quiet")


@test("/send/options-reach-the-daemon")
def _():
    run("send", "juliet", "x", "--token", "t1", "--require", "verified", "--expires", "2h")
    options = F.called("Send")[0][2][2]
    expect(options["token"] == "t1" and options["require"] == "verified", options)
    expect(abs(options["expires"] / 1e6 - time.time() - 7200) < 600, options)
    run("send", "juliet", "--lines", "--token", "t2", input="one\n\ntwo\nthree")
    sent = [(call[2][1], call[2][2]["token"]) for call in F.called("Send")[1:]]
    expect(sent == [("one", "t2.1"), ("two", "t2.2"), ("three", "t2.3")], sent)
    run("send", "juliet", "--lines", input="")


@test("/send/refuses-what-is-no-text")
def _():
    for junk in (b"\xff\xfe", b"a\0b", b"", b"\n", b"x" * 300000):
        run("send", "juliet", "-", input=junk, code=2)
    run("send", "juliet", "", code=2)
    expect(F.called("Send") == [], F.mock.calls)


@test("/send/nothing-leaves-unless-everybody-is-known")
def _():
    result = run("send", "juliet", "hello", "there", code=3)
    expect("quote" in result.err, result)
    expect(F.called("Send") == [], F.mock.calls)


@test("/send/some-of-several-failed-is-10")
def _():
    F.mock.failures["Send"] = [Failure("NotTrusted"), None]
    result = run("send", "romeo@forza", "juliet", "x", code=10)
    expect("Romeo" in result.err and "juliet" in result.out, result)
    F.mock.failures["Send"] = [Failure("NotTrusted"), Failure("Blocked")]
    run("send", "romeo@forza", "juliet", "x", code=7)


def send_and_then(*states, logged=True):
    def after(entry):
        for state in states:
            F.mock.set_state(entry[4], *(state if isinstance(state, tuple) else (state,)), logged=logged)

    F.mock.after_send = after


@test("/send/wait-for-a-state")
def _():
    send_and_then("sent", logged=False)
    expect(run("send", "juliet", "--wait=sent", "x").out.startswith("sent "), "sent has no entry")
    send_and_then("sent", "acked", "delivered")
    expect(run("send", "juliet", "--wait=delivered", "x").out.startswith("delivered "), "delivered")
    expect(run("send", "juliet", "--wait=sent", "x").out.startswith("delivered "), "further is enough")
    F.mock.after_send = None
    F.mock.calls.clear()
    process = F.start("send", "juliet", "--wait=displayed", "later", "--json")
    wait_for(lambda: F.called("Get"), "Get")
    message_id = [e for e in F.mock.log if e[2] == "message"][-1][4]
    F.mock.do(F.mock.set_state, message_id, "delivered")
    F.mock.do(F.mock.set_state, message_id, "displayed")
    out, err = process.communicate(timeout=PATIENCE)
    expect(process.returncode == 0 and json.loads(out)["state"] == "displayed", out, err)


@test("/send/wait-exit-codes")
def _():
    result = run("send", "juliet", "--wait=delivered", "--timeout", "0.3", "x", code=6)
    expect("log" in result.err and result.out.startswith("queued"), result)
    for state, code in ((("held", "approval-needed"), 7), (("held", "waiting-approval"), 8), (("failed", "bounced"), 8),
                        (("expired", ""), 6), (("sent", "unconfirmed"), 1), (("cancelled", ""), 1)):
        send_and_then(state)
        line = error_of(run("--json", "send", "juliet", "--wait=delivered", "x", code=code))
        expect(line["exit"] == code, state, line)


@test("/send/the-daemon-leaves-while-we-wait")
def _():
    process = F.start("send", "juliet", "--wait=delivered", "x")
    wait_for(lambda: F.called("Get"), "Get")
    F.mock.do(F.mock.disown)
    try:
        _, err = process.communicate(timeout=PATIENCE)
        expect(process.returncode == 9, err)
    finally:
        F.mock.do(F.mock.own)


# --- receiving ---------------------------------------------------------------------------


@test("/receive/acknowledges-what-it-printed")
def _():
    expect("nothing new" in run("receive").err and F.mock.consumers == {"cli": 3}, F.mock.consumers)
    F.mock.consumers["cli"] = 0
    lines = run("receive", "--json").lines()
    expect([l["id"] for l in lines] == ["m1", "m2"], lines)
    expect(F.mock.consumers == {"cli": 3}, F.mock.consumers)
    expect([l["id"] for l in run("receive", "--consumer", "bot", "--from-start", "--json").lines()] == ["m1", "m2"], "from start")
    F.mock.consumers["cli"] = 0
    expect(run("receive", "--from", "romeo@forza").out == "", "of another")


@test("/receive/exec-gets-body-and-environment-and-acks-only-on-0")
def _():
    F.mock.consumers["p"] = 0
    with tempfile.TemporaryDirectory() as where:
        script = 'cat > %s/$EARSHOT_ID; echo "$EARSHOT_PETNAME $EARSHOT_TRUST $EARSHOT_FINGERPRINT $EARSHOT_SEQ" >> %s/env' % (where, where)
        run("receive", "--consumer", "p", "--exec", script)
        with open(where + "/m2", newline="", encoding="utf-8") as file:
            expect(file.read() == HOSTILE_BODY, "the body is the body")
        with open(where + "/env", encoding="utf-8") as file:
            expect(file.readline() == "juliet verified %s 1\n" % KEY_JULIET, "environment")
        expect(F.mock.consumers["p"] == 3, F.mock.consumers)
    F.mock.consumers["p"] = 0
    result = run("receive", "--consumer", "p", "--exec", '[ "$EARSHOT_ID" = m1 ]', code=1)
    expect("m2" in result.err and F.mock.consumers["p"] == 1, F.mock.consumers, result)
    run("receive", "--consumer", "p", "--exec", "kill -9 $$", code=1)
    expect(F.mock.consumers["p"] == 1, F.mock.consumers)
    run("receive", "--consumer", "p", "--exec", "true")
    expect(F.mock.consumers["p"] == 3, F.mock.consumers)


@test("/receive/expired-cursor")
def _():
    F.mock.consumers["old"], F.mock.retained = 0, 2
    line = error_of(run("--json", "receive", "--consumer", "old", code=3))
    expect(line["error"] == "CursorExpired" and "--from-start" in line["hint"], line)
    expect([l["id"] for l in run("receive", "--consumer", "old", "--from-start", "--json").lines()] == ["m2"], "what is kept")


@test("/receive/follows-and-survives-the-daemon")
def _():
    process = F.start("receive", "--follow", "--json")
    wait_for(lambda: F.called("Fetch")[1:], "Fetch")
    F.mock.do(lambda: F.mock.append("message", JULIET, "n1", direction="in", body="one", trust="verified"))
    expect(json.loads(process.stdout.readline())["id"] == "n1", "n1")
    F.mock.do(F.mock.disown)
    F.mock.do(lambda: F.mock.append("message", JULIET, "n2", announce=False, direction="in", body="two", trust="verified"))
    F.mock.do(F.mock.own)
    expect(json.loads(process.stdout.readline())["id"] == "n2", "n2")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    expect(process.returncode == 130, process.returncode)


@test("/receive/a-closed-pipe-acknowledges-nothing")
def _():
    F.mock.consumers["cli"] = 0
    process = F.start("receive")
    process.stdout.close()
    process.wait(PATIENCE)
    process.stderr.close()
    expect(process.returncode != 0 and F.mock.consumers["cli"] == 0, process.returncode, F.mock.consumers)


# --- waiting and watching ------------------------------------------------------------------


@test("/wait/for-each-thing")
def _():
    for what in ("sighted", "online", "pinned", "verified"):
        run("wait", "juliet", "--for", what)
    expect(run("--json", "wait", "juliet", "--for", "online").lines()[0]["type"] == "peer", "JSON")
    run("wait", "romeo@forza", "--for", "sighted")
    run("wait", "romeo@forza", "--for", "online", "--timeout", "0.2", code=6)
    run("wait", "romeo@forza", "--for", "pinned", "--timeout", "0.2", code=6)
    run("wait", "nobody", "--for", "online", code=3)
    process = F.start("wait", "romeo@forza", "--for", "pinned", "--timeout", "100")
    # The wait has begun once it asked; every change it could miss now reaches it as a signal.
    wait_for(lambda: process.poll() is None and loaded(process), "start")
    F.mock.do(lambda: F.mock.change(ROMEO, "Contact", Trust="pinned"))
    process.communicate(timeout=PATIENCE)
    expect(process.returncode == 0, process.returncode)


def loaded(process):
    """Another client's round trip cannot tell; so ask the bus who is connected and has match rules: the mock sees names."""
    names = F.mock.do(F.mock.bus_call, "ListNames", None).unpack()[0]
    return len([n for n in names if n.startswith(":")]) >= 2


@test("/wait/for-somebody-who-is-not-there-yet")
def _():
    process = F.start("wait", "newcomer@ship", "--for", "online")
    wait_for(lambda: loaded(process), "start")
    path = ROOT + "/contact/9"
    F.mock.do(lambda: F.mock.add(path, "Contact", announce=True, ClaimedAddress="newcomer@ship", Reach="sighted", Trust="unknown"))
    F.mock.do(lambda: F.mock.change(path, "Contact", Reach="online"))
    _, err = process.communicate(timeout=PATIENCE)
    expect(process.returncode == 0, err)
    F.mock.do(F.mock.remove, path)


@test("/wait/for-a-message")
def _():
    process = F.start("wait", "juliet", "--for", "message", "--json")
    wait_for(lambda: loaded(process), "start")
    # Which of these it sees first does not matter; that the stranger's is not it does.
    F.mock.do(lambda: F.mock.append("message", ROMEO, "r1", direction="in", body="psst", trust="unknown"))

    def poke():
        F.mock.do(lambda: F.mock.append("message", JULIET, "j1", direction="in", body="here", trust="verified"))
        return process.poll() is not None

    wait_for(poke, "the message")
    out, err = process.communicate(timeout=PATIENCE)
    expect(process.returncode == 0 and json.loads(out)["body"] == "here", out, err)


@test("/watch/feed-resumes-by-seq")
def _():
    process = F.start("watch", "--since", "1", "--kinds", "message,reach,state", "--json")
    lines = [json.loads(process.stdout.readline()) for _ in range(5)]
    expect([l["type"] for l in lines] == ["reach", "reach", "reach", "message", "message"], lines)
    expect([l["seq"] for l in lines[3:]] == [2, 3], lines)
    F.mock.do(F.mock.set_state, "m3", "displayed")
    line = json.loads(process.stdout.readline())
    expect(line["type"] == "state" and line["state"] == "displayed" and line["id"] == "m3", line)
    F.mock.do(lambda: F.mock.change(ROMEO, "Contact", Reach="online"))
    line = json.loads(process.stdout.readline())
    expect(line["type"] == "reach" and line["reach"] == "online", line)
    F.mock.do(lambda: F.mock.change(ROMEO, "Contact", StatusText="x"))
    F.mock.do(F.mock.remove, MALLORY)
    line = json.loads(process.stdout.readline())
    expect(line["reach"] == "offline" and line["peer"]["fingerprint"] == KEY_MALLORY, line)
    process.terminate()
    process.communicate(timeout=PATIENCE)


@test("/watch/text-shows-who-is-here-and-questions")
def _():
    process = F.start("watch")
    opening = read_until(process.stdout, "(Romeo")
    expect(opening[0].startswith("verified  ") and opening[0].endswith("juliet is online\n"), opening)
    F.mock.do(lambda: F.mock.add(ROOT + "/request/7", "Request", announce=True, Id=7, Kind="new-key", Contact=ROMEO))
    expect("trust pending" in read_until(process.stdout, "new-key")[-1], "question")
    process.terminate()
    process.communicate(timeout=PATIENCE)
    F.mock.do(F.mock.remove, ROOT + "/request/7")


@test("/watch/timeout-is-6")
def _():
    run("watch", "--timeout", "0.2", code=6)


# --- trust -------------------------------------------------------------------------------


@test("/trust/pending-shows-everything-escaped")
def _():
    text = run("trust", "pending").out
    expect("b2b2b2b2 " * 7 + "b2b2b2b2" in text and "\\u{1b}]0;owned" in text, text)
    expect("it is online too" in text and "xmppctl trust replace c3c3c3c3c3c3c3c3" in text, text)
    expect("xmppctl trust accept b2b2b2b2b2b2b2b2" in text, text)
    expect(not re.search(r"^verified", text, re.M), "a stranger's text in the trust column", text)
    lines = run("trust", "pending", "--json").lines()
    expect(lines[0]["kind"] == "new-key" and lines[0]["preview"][0]["body"] == HOSTILE_BODY, lines)
    expect(lines[1]["old_online"] is True and lines[1]["old_fingerprint"] == KEY_JULIET, lines)


@test("/trust/ls")
def _():
    for arguments in (("trust",), ("trust", "ls")):
        rows = run(*arguments).out.splitlines()
        expect(len(rows) == 4 and rows[1].startswith(("verified", "unknown")), rows)
    expect({l["fingerprint"] for l in run("trust", "ls", "--json").lines()} == {KEY_JULIET, KEY_ROMEO, KEY_MALLORY}, "JSON")


@test("/trust/claimed-names-and-short-prefixes-decide-nothing")
def _():
    for verb in (("trust", "accept"), ("trust", "reject"), ("trust", "replace"), ("trust", "revoke"), ("trust", "forget"), ("block",), ("unblock",)):
        for who in ("romeo@forza", "b2b2b2b2"):
            result = run(*verb, who, code=2)
            expect("16 digits" in result.err, verb, result)
        run(*verb, "nobody", code=3)
    expect(F.mock.calls == [], F.mock.calls)


@test("/trust/accept-needs-the-fingerprint-without-a-terminal")
def _():
    result = run("trust", "accept", KEY_ROMEO[:16], code=2)
    expect("--fingerprint" in result.err and F.mock.calls == [], result)
    run("trust", "accept", KEY_ROMEO[:16], "--fingerprint", KEY_MALLORY, code=7)
    expect(F.mock.calls == [], F.mock.calls)
    run("trust", "accept", KEY_ROMEO[:16], "--fingerprint", "B2B2B2B2 b2b2b2b2", "--name", "romeo")
    expect(F.mock.calls == [("Resolve", ROOT + "/request/1", ("accept", {"fingerprint": KEY_ROMEO, "petname": "romeo"}))], F.mock.calls)
    F.mock.calls.clear()
    run("trust", "accept", "--fingerprint", KEY_ROMEO)
    expect(F.mock.calls == [("Resolve", ROOT + "/request/1", ("accept", {"fingerprint": KEY_ROMEO}))], F.mock.calls)


@test("/trust/accept-without-a-question-is-key-accept")
def _():
    F.mock.do(F.mock.remove, ROOT + "/request/2")
    line = run("--json", "trust", "accept", "juliet", "--fingerprint", KEY_JULIET).lines()[0]
    expect(line["type"] == "decision" and line["choice"] == "accept", line)
    expect(F.mock.calls == [("Accept", key_path(KEY_JULIET), (KEY_JULIET, {}))], F.mock.calls)
    F.mock.do(lambda: F.mock.change(GHOST, "Contact", Petname="ghost"))
    run("trust", "accept", "ghost", "--fingerprint", KEY_JULIET, code=7)


@test("/trust/name-conflict-takes-no-plain-yes")
def _():
    result = run("trust", "accept", KEY_MALLORY, "--fingerprint", KEY_MALLORY, code=7)
    expect("replace" in result.err and F.mock.calls == [], result)
    # By the contested petname, too: the question is about its new key, and the old key is not what is asked about.
    run("trust", "accept", "juliet", "--fingerprint", KEY_MALLORY, code=7)
    run("trust", "accept", KEY_MALLORY, "--separate", "--fingerprint", KEY_MALLORY[:16])
    run("trust", "replace", "juliet", "--release", "--fingerprint", KEY_MALLORY)
    expect([call[2] for call in F.mock.calls] == [("separate", {"fingerprint": KEY_MALLORY}),
                                                  ("replace", {"fingerprint": KEY_MALLORY, "release": True})], F.mock.calls)
    run("trust", "replace", KEY_ROMEO, "--fingerprint", KEY_ROMEO, code=3)


@test("/trust/reject-revoke-forget-block")
def _():
    run("trust", "reject", KEY_ROMEO[:16])
    run("trust", "revoke", KEY_ROMEO, "--fingerprint", KEY_ROMEO, "--reason", "stolen")
    run("trust", "forget", "juliet", "--yes")
    run("block", "juliet")
    run("unblock", "juliet")
    run("name", "romeo@forza", "romeo")
    expect(F.mock.calls == [
        ("Resolve", ROOT + "/request/1", ("reject", {})), ("Revoke", key_path(KEY_ROMEO), (KEY_ROMEO, "stolen")), ("Forget", JULIET, ({},)),
        ("Set", JULIET, (PREFIX_OF("Contact"), "Blocked", True)), ("Set", JULIET, (PREFIX_OF("Contact"), "Blocked", False)),
        ("Set", ROMEO, (PREFIX_OF("Contact"), "Petname", "romeo"))], F.mock.calls)
    expect("blocked" not in run("peers").out, "unblocked")
    run("block", "juliet")
    expect(any(re.match("blocked .* juliet ", row) for row in run("peers").out.splitlines()), "the trust column says blocked")


def PREFIX_OF(interface):
    return "im.earshot.Earshot1." + interface


class Terminal:
    """xmppctl on a terminal of its own."""

    def __init__(self, *arguments):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execve(XMPPCTL, [XMPPCTL, *arguments], {**F.env, "TERM": "dumb", "NO_COLOR": "1"})
            finally:
                os._exit(127)

    def read_until(self, text):
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            expect(time.monotonic() < end, "the terminal never showed", repr(text), "but", repr(self.text))
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    data = os.read(self.fd, 4096)
                except OSError:
                    data = b""
                expect(data, "the terminal closed before", repr(text), "after", repr(self.text))
                self.text += data.decode(errors="replace")
        before, self.text = self.text.split(text, 1)
        return before + text

    def type(self, text):
        os.write(self.fd, text.encode())

    def finish(self):
        rest = self.text
        while True:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            if not data:
                break
            rest += data.decode(errors="replace")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), rest


@test("/trust/a-person-is-shown-the-key-and-asked")
def _():
    terminal = Terminal("trust", "accept", KEY_ROMEO[:16])
    shown = terminal.read_until("[y/N] ")
    expect("b2b2b2b2 " * 5 in shown and "\x1b" not in shown and "\u202e" not in shown, shown)
    expect(F.mock.calls == [], "decided before asking")
    terminal.type("n\n")
    expect(terminal.finish()[0] == 1 and F.mock.calls == [], F.mock.calls)
    terminal = Terminal("trust", "accept", KEY_ROMEO[:16])
    terminal.read_until("[y/N] ")
    terminal.type("y\n")
    expect(terminal.finish()[0] == 0 and F.mock.calls[0][2] == ("accept", {"fingerprint": KEY_ROMEO}), F.mock.calls)


# --- chat --------------------------------------------------------------------------------


@test("/chat/on-a-pipe")
def _():
    result = run("chat", "juliet", input="one\n/quit is no command unless alone\n//slash\n\ntwo")
    expect([call[2][1] for call in F.called("Send")] == ["one", "/slash", "two"], F.mock.calls)
    expect("hi" in result.out and "[1] one" in result.out, result)
    history = run("chat", "juliet", "-n", "1").out
    expect("two" in history and "slash" not in history, history)
    F.mock.calls.clear()
    run("chat", "juliet", input="/quit\nnot any more\n")
    expect(F.called("Send") == [], "after /quit")
    expect(F.called("MarkRead") == [("MarkRead", JULIET, (8,))] or F.called("MarkRead"), F.mock.calls)
    F.mock.failures["Send"] = [Failure("Blocked")]
    run("chat", "juliet", input="x\n", code=7)


@test("/chat/on-a-terminal")
def _():
    terminal = Terminal("chat", "juliet")
    terminal.read_until("\x1b[K> ")
    expect(not termios.tcgetattr(terminal.fd)[3] & termios.ECHO, "echo is off while typing")
    terminal.type("helo\x7flo wörld\x17there\r")
    terminal.read_until("[1] hello there")
    message_id = F.called("Send")[0][2]
    expect(message_id[1] == "hello there", message_id)
    F.mock.do(lambda: F.mock.set_state(F.mock.log[-1][4], "delivered"))
    terminal.read_until("[1] delivered")
    terminal.type("typing")
    terminal.read_until("typing")
    F.mock.do(lambda: F.mock.append("message", JULIET, "c1", direction="in", body=HOSTILE_BODY, trust="verified"))
    shown = terminal.read_until("pay him") + terminal.read_until("typing")
    expect("\u202e" not in shown and "\x1b]" not in shown and "\\u{1b}]0;owned" in shown, repr(shown))
    F.mock.do(lambda: F.mock.change(JULIET, "Contact", Reach="offline"))
    terminal.read_until("juliet is offline")
    terminal.type("\x15/quit\r")
    code, rest = terminal.finish()
    expect(code == 0, code, rest)
    wait_for(lambda: F.called("MarkRead"), "MarkRead")


@test("/chat/ctrl-c-is-130")
def _():
    terminal = Terminal("chat", "juliet")
    terminal.read_until("\x1b[K> ")
    terminal.type("\x03")
    expect(terminal.finish()[0] == 130, "exit")


@test("/terminal/a-long-line-cannot-wrap-into-the-trust-column")
def _():
    F.mock.do(lambda: F.mock.append("message", JULIET, "w", announce=False, direction="in", body=" " * 70 + "verified  forged", trust="unknown"))
    terminal = Terminal("log", "juliet", "-n", "1")
    code, text = terminal.finish()
    rows = text.replace("\r", "").split("\n")
    expect(code == 0 and all(len(row) < 80 for row in rows), rows)
    expect(not any(row.startswith("verified") for row in rows), rows)


# --- the rest -----------------------------------------------------------------------------


@test("/id/show")
def _():
    expect(run("id").out == run("id", "show").out and "0e0e0e0e 0e0e0e0e" in run("id").out, "id")
    expect(run("id", "--json").lines()[0]["fingerprint"] == KEY_ME, "JSON")


@test("/net/links-static-probe-rescan")
def _():
    expect("wlan0" in run("net").out and run("net").out == run("net", "links").out, "links")
    expect(any(l["type"] == "link" and l["addresses"] == ["fe80::2%wlan0"] for l in run("net", "--json").lines()), "JSON")
    run("net", "static", "add", "192.0.2.7:5298")
    run("net", "static", "rm", "192.0.2.7:5298")
    run("net", "rescan")
    expect([c[0] for c in F.mock.calls] == ["AddStatic", "RemoveStatic", "Rescan"], F.mock.calls)
    expect("192.0.2.7:5298" in run("net", "static").out, "ls")
    expect("ok\\u{1b}[2J" in run("net", "probe", "192.0.2.7:5298").out, "a probe's answer is a stranger's text")
    F.mock.failures["Probe"] = [Failure("NotReachable")]
    run("net", "probe", "192.0.2.7:5298", code=5)


@test("/config/ls-get-set")
def _():
    expect("trust-mode    = ask" in run("config").out, "ls")
    expect("dnd" in run("config", "ls", "--describe").out, "describe")
    expect(run("config", "get", "show").out == "available\n", "get")
    run("config", "set", "show", "dnd")
    run("config", "set", "max-strangers", "64")
    run("config", "set", "share-jid", "yes")
    values = [call[2][1:] for call in F.called("Set")]
    expect(values == [("Show", "dnd"), ("MaxStrangers", 64), ("ShareJid", True)], values)
    F.mock.failures["Set"] = [Failure("InvalidArgument")]
    expect("available, away, dnd" in run("config", "set", "show", "grumpy", code=2).err, "hint")
    run("config", "get", "bogus", code=3)


@test("/errors/every-name-has-its-exit-code")
def _():
    table = {
        1: ["Failed", "StoreFull", "Unsupported"], 2: ["InvalidArgument", "TooLarge"], 3: ["NotFound", "CursorExpired", "AlreadyResolved"],
        4: ["Ambiguous"], 5: ["NotReachable"], 6: ["Timeout"], 7: ["NotTrusted", "NameConflict", "Blocked", "Mismatch", "PeerInsecure"],
        8: ["Refused", "QuotaExceeded"], 9: ["AccessDenied"], 130: ["Cancelled"],
    }
    for code, names in table.items():
        for name in names:
            F.mock.failures["Send"] = [Failure(name, "hostile \x1b[31m text")]
            line = error_of(run("--json", "send", "juliet", "x", code=code))
            expect(line["error"] == name and line["exit"] == code and line["message"] == "hostile \x1b[31m text", line)
            F.mock.failures["Send"] = [Failure(name, "hostile \x1b[31m text")]
            result = run("send", "juliet", "x", code=code)
            expect("hostile \\u{1b}[31m text" in result.err and "GDBus.Error" not in result.err, result)
    for name, code in (("AccessDenied", 9), ("UnknownMethod", 1), ("NoReply", 9), ("UnknownObject", 3)):
        F.mock.failures["Send"] = [Failure("org.freedesktop.DBus.Error." + name)]
        run("send", "juliet", "x", code=code)


@test("/errors/a-daemon-that-never-answers-is-6")
def _():
    F.mock.silent.add("Send")
    run("--timeout", "0.5", "send", "juliet", "x", code=6)


@test("/errors/no-daemon-and-no-bus-are-9-with-advice")
def _():
    expect("DBUS_SESSION_BUS_ADDRESS" in run("--bus=unix:path=/nonexistent/bus", "status", code=9).err, "no bus")
    F.mock.do(F.mock.disown)
    try:
        result = run("status", code=9)
        expect("earshotd" in result.err and "systemctl --user start earshotd" in result.err, result)
        line = error_of(run("--json", "peers", code=9))
        expect(line["error"] == "Unavailable" and line["exit"] == 9, line)
        expect(run("completion", "peers", code=9).err == "", "completion does not complain")
    finally:
        F.mock.do(F.mock.own)


@test("/errors/an-impostor-on-the-name")
def _():
    F.mock.do(F.mock.disown)
    other = F.bus.connect()
    try:
        other.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName", mock_variant("(su)", ("im.earshot.Earshot1", 4)), None, 0, -1, None)
        run("status", code=1)
    finally:
        other.close_sync(None)
        F.mock.do(F.mock.own)


@test("/activation/the-bus-starts-what-is-missing")
def _():
    F.mock.do(F.mock.disown)
    marker = os.path.join(F.bus.dir.name, "activated")
    service = os.path.join(F.bus.dir.name, "im.earshot.Earshot1.service")
    with open(service, "w", encoding="utf-8") as file:
        file.write("[D-BUS Service]\nName=im.earshot.Earshot1\nExec=/bin/sh -c \"touch %s; exit 1\"\n" % marker)
    try:
        F.mock.do(F.mock.bus_call, "ReloadConfig", None)
        run("completion", "peers", code=9)
        expect(not os.path.exists(marker), "completion starts nothing")
        run("status", code=9)
        expect(os.path.exists(marker), "nobody was started")
    finally:
        os.unlink(service)
        F.mock.do(F.mock.bus_call, "ReloadConfig", None)
        F.mock.do(F.mock.own)


def on_alarm(*_):
    raise TimeoutError("this takes too long")


def main():
    global F
    signal.signal(signal.SIGALRM, on_alarm)
    wanted = sys.argv[1:]
    chosen = [t for t in TESTS if not wanted or any(w in t[0] for w in wanted)]
    print("1..%d" % len(chosen), flush=True)
    F = Fixture()
    failed = 0
    for number, (name, function) in enumerate(chosen, 1):
        try:
            F.reset()
            # A read that waits for what never comes ends here, not in the driver's patience.
            signal.alarm(PATIENCE * 2)
            function()
            print("ok %d - %s" % (number, name), flush=True)
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


if __name__ == "__main__":
    main()
