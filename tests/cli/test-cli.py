#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl against a mock daemon on a private bus: help, reading, sending, receiving, waiting, settings. TAP."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (  # noqa: E402
    BUILD, F, GHOST, HOSTILE, HOSTILE_BODY, JULIET, KEY_JULIET, KEY_MALLORY, KEY_ME, KEY_ROMEO, MALLORY, PATIENCE,
    ROMEO, SOURCE, Terminal, commands, error_of, expect, loaded, main, read_until, run, test, wait_for,
)
from mock import ROOT, Failure  # noqa: E402
from mock import variant as mock_variant  # noqa: E402

# --- help and usage -----------------------------------------------------------------------


@test("/help/every-command-has-usage-summary-example")
def _():
    all_commands = commands()
    expect(len(all_commands) > 35, len(all_commands))
    for prefix, text in all_commands:
        expect(text.startswith("Usage: xmppctl " + " ".join(prefix)), prefix, text)
        examples = text.split("\nExamples:\n")[1]
        expect(" ".join(("xmppctl",) + prefix) in examples, prefix, "has no example of itself")
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
    """{section: text} of the manual page, without the escapes of its dashes."""
    with open(os.path.join(SOURCE, "data/xmppctl.1"), encoding="utf-8") as file:
        text = file.read().replace("\\-", "-").replace("\\&", "")
    return {heading.strip('"'): body for heading, body in re.findall(r"^\.SH (.*)\n((?:(?!\.SH ).*\n)*)", text, re.M)}


def tags(text):
    """The options that have a paragraph of their own: {"-n", "--number", ...}."""
    return {option for tag in re.findall(r"^\.TP\n(.*)", text, re.M) for option in re.findall(r"(?<![\w-])--?[a-z][\w-]*", tag)}


def options_of(help_text, command=True):
    """The same of a help text, with the options of every command or without."""
    found = set()
    for letter, name in re.findall(r"^ +(?:-(\w), |    )--([\w-]+)", help_text, re.M):
        if not command or name not in EVERYWHERE:
            found |= {"--" + name} | ({"-" + letter} if letter else set())
    return found


EVERYWHERE = {"json", "timeout", "color", "bus", "quiet", "verbose", "help"}


@test("/manual/says-what-the-tables-say-and-nothing-else")
def _():
    pages = manual()
    sections = re.findall(r"^\.SS (.*)\n((?:(?!\.SS ).*\n)*)", pages["COMMANDS"], re.M)
    described = {heading.strip('"'): body for heading, body in sections}
    expect(len(described) == len(sections), "a command is there twice")
    for prefix, help_text in commands():
        usage = re.match(r"Usage: xmppctl (.*)", help_text).group(1).replace("[OPTION...]", "").replace("  ", " ").strip()
        if not prefix:
            expect(tags(pages["OPTIONS"]) == options_of(help_text, False), tags(pages["OPTIONS"]) ^ options_of(help_text, False))
            continue
        expect(usage in described, "no section", usage, "but", [h for h in described if h.startswith(" ".join(prefix))])
        body = described.pop(usage)
        expect(tags(body) == options_of(help_text), usage, "differs in", tags(body) ^ options_of(help_text))
        # The name of every value, too: where the table has words to choose from, the page has all of them.
        for words in re.findall(r"--[\w-]+=([a-z][a-z|-]+)", help_text.split("\n      --json ")[0]):
            for word in words.split("|"):
                expect(re.search(r"(?<!\w)%s(?!\w)" % re.escape(word), body), usage, "lacks", word)
    expect(not described, "the manual describes what is not there:", sorted(described))
    expect(re.findall(r"^\.B (\d+)$", pages["EXIT STATUS"], re.M) == [str(n) for n in range(11)] + ["130"], "exit codes")


@test("/manual/the-document-of-the-api-knows-the-same-commands")
def _():
    with open(os.path.join(SOURCE, "docs/api.md"), encoding="utf-8") as file:
        section = file.read().split("\n## 9. ")[1]
    table = "\n".join(line.replace("\\|", "|") for line in section.splitlines() if line.startswith("| `") and "*(later)* |" not in line)
    table = re.sub(r"\*\(later\)\* `[^`]*`", "", table)
    known = {"".join(prefix): text for prefix, text in commands() if len(prefix) == 1}
    spans = [span.split() for row in table.splitlines() for span in re.findall(r"`([^`]*)`", row.split(" | ")[0])]
    named = {span[0] for span in spans if span[0][0].isalpha()}
    expect(set(known) == named, "the table of commands differs in", set(known) ^ named)
    options = {option for _, text in commands() for option in options_of(text, False)}
    for option in re.findall(r"(?<![\w-])--?[a-z][\w-]*", " ".join(re.findall(r"`([^`]*)`", table))):
        expect(option in options, "the table shows", option)


@test("/usage/wrong-lines-exit-2-with-a-usage-line-and-ask-nothing")
def _():
    wrong = [
        ["bogus"], ["--bogus"], ["status", "extra"], ["show"], ["show", "a", "b"], ["send"], ["send", "juliet", "--wait=never", "x"],
        ["send", "juliet", "x", "--expires", "yesterday"], ["send", "--to", "juliet", "two", "texts"], ["log", "a", "b"], ["log", "juliet", "-n", "-1"],
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


@test("/log/grep-looks-for-words")
def _():
    expect([l["id"] for l in run("log", "juliet", "--grep", "you HELLO", "--json").lines()] == ["m3"], "of one peer")
    result = run("log", "--grep", "hi", "-n", "1")
    expect("hi" in result.out, result)
    expect(F.called("List")[-1][2][0] == "/", F.called("List"))
    expect("nothing with these words" in run("log", "juliet", "-g", "harbour").err, "nothing found")
    expect("InvalidArgument" in run("log", "juliet", "--grep", " ", "--json", code=2).err, "no words")


@test("/watch/numbers-that-were-left-out-cost-nothing")
def _():
    head = len(F.mock.log)
    F.mock.do(lambda: [F.mock.append("message", JULIET, "far%d" % n, announce=False, direction="in", from_=JULIET, body="far %d" % n, trust="verified")
                       for n in range(450)])
    for n, entry in enumerate(F.mock.log[head:]):
        entry[0] = 4000000000000 + n + (n > 300) * 70000000
    F.mock.do(lambda: F.mock.change(ROOT, "Messages", HeadSeq=F.mock.log[-1][0]))
    lines = run("watch", "--since", str(head), "--kinds", "message", "--json", "--timeout", "3", code=6).lines()
    expect([line["id"] for line in lines] == ["far%d" % n for n in range(450)], len(lines))
    expect(len(F.called("List")) < 200, len(F.called("List")))


@test("/log/import-takes-messages-and-nothing-else")
def _():
    peer = {"fingerprint": KEY_JULIET, "trust": "verified"}
    good = {"v": 1, "type": "message", "id": "old", "time": "2024-01-05T10:02:12.512034Z", "direction": "in", "peer": peer, "body": "long ago"}
    lines = [
        good, good, dict(good, id="stranger", peer={"fingerprint": "9" * 64}), dict(good, type="state"), dict(good, id=7), dict(good, id="x" * 256),
        dict(good, id="later", time="yesterday"), dict(good, id="nobody", peer="juliet"), dict(good, id="bell", body="\x07"),
        dict(good, id="sideways", direction="sideways"), dict(good, id="", body="x"), [], "x", None,
    ]
    raw = "\n".join(json.dumps(line) for line in lines).encode()
    raw += b'\n{"type":"message"\n\xff\xfe\n\0\n\n' + b"[" * 100000 + b"\n" + b'{"a":"' + b"x" * 600000 + b'"}\n' + json.dumps(dict(good, id="last")).encode()
    result = run("log", "--import", "-", input=raw)
    expect("2 entries imported, 1 were there already" in result.err and "2 left out" in result.err, result)
    expect([l["id"] for l in run("log", "juliet", "--json").lines() if l.get("imported")] == ["old", "last"], "imported")
    rows = run("log", "juliet", "-n", "1").out
    expect(rows.startswith("imported"), rows)
    run("log", "juliet", "--import", "-", code=2)
    run("log", "--import", "/nonexistent/file", code=1)


@test("/log/export-writes-over-nothing")
def _():
    with tempfile.NamedTemporaryFile() as file:
        run("log", "--export", file.name, code=1)
    expect(F.called("Export") == [], "asked the daemon")
    run("log", "--export", "-", "--grep", "x", code=2)


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
    result = run("send", "juliet", "--wait=delivered", "--timeout", "2", "x", code=6)
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


@test("/receive/exec-is-tried-again-later-and-in-order")
def _():
    F.mock.consumers["p"] = 0
    with tempfile.TemporaryDirectory() as where:
        script = 'echo $EARSHOT_ID >> %s/tries; [ $EARSHOT_ID != m1 ] || [ $(wc -l < %s/tries) -gt 2 ]' % (where, where)
        process = F.start("receive", "--consumer", "p", "--follow", "--exec", script)
        wait_for(lambda: F.mock.consumers["p"] == 3, "m2 to be acknowledged")
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=PATIENCE)[1]
        with open(where + "/tries", encoding="utf-8") as file:
            expect(file.read().split() == ["m1", "m1", "m1", "m2"], "tries")
        expect("again in 1 s" in err and "again in 2 s" in err and process.returncode == 130, err)


@test("/receive/never-two-programs-at-once")
def _():
    F.mock.consumers["p"] = F.mock.consumers["q"] = 0
    with tempfile.TemporaryDirectory() as where:
        fifo = where + "/fifo"
        os.mkfifo(fifo)
        # It waits in the program, is killed, and the program is still there.
        process = F.start("receive", "--consumer", "p", "--exec", "echo > %s/begun; cat %s" % (where, fifo))
        wait_for(lambda: os.path.exists(where + "/begun"), "the program to run")
        expect("another xmppctl" in run("receive", "--consumer", "p", "--exec", "true", code=1).err, "a second one")
        run("receive", "--consumer", "q", "--exec", "true")
        process.kill()
        process.wait(PATIENCE)
        expect("another xmppctl" in run("receive", "--consumer", "p", "--exec", "true", code=1).err, "its program outlives it")
        expect(F.mock.consumers["p"] == 0, F.mock.consumers)
        with open(fifo, "w", encoding="utf-8"):
            pass
        process.stdout.close()
        process.stderr.close()

        def free():
            try:
                run("receive", "--consumer", "p", "--exec", "true")
            except AssertionError:
                return False
            return True

        wait_for(free, "the lock to be free")
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
    # Closed before it starts: what it wrote while somebody could still read would rightly be acknowledged.
    reader, writer = os.pipe()
    os.close(reader)
    process = F.start("receive", stdout=writer)
    os.close(writer)
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


@test("/id/certificate")
def _():
    expect("issuer" not in run("id").out, "our own certificate is nobody's business")
    F.mock.do(lambda: F.mock.change(ROOT, "Manager", Certificate={"addresses": mock_variant("as", ["me@here", "me@there"]), "issuer": mock_variant("s", "CN=Our\x1b[31m Site"),
                                                           "expires": mock_variant("x", 1767607331512034)}))
    out = run("id").out
    expect("me@here, me@there" in out and "CN=Our" in out and "\x1b" not in out, out)
    line = run("id", "show", "--json").lines()[0]
    expect(line["certificate_addresses"] == ["me@here", "me@there"] and line["certificate_expires"].startswith("2026-01-05T"), line)
    expect(run("id", "csr").out == "REQUEST\n" and run("id", "csr", "a@b", "c@d", "--json").lines()[0]["pem"] == "REQUEST\n", "csr")
    expect([call[2][0] for call in F.called("CreateCertificateRequest")] == [[], ["a@b", "c@d"]], F.mock.calls)
    run("id", "certificate", "-", input="PEM")
    expect([call[2][0] for call in F.called("SetCertificate")] == ["PEM"], F.mock.calls)
    for bad in (b"", b"\xff", b"a\0b", b"x" * 70000):
        run("id", "certificate", "-", input=bad, code=2)
    run("id", "certificate", "/nonexistent", code=2)
    run("id", "certificate", code=2)
    expect(len(F.called("SetCertificate")) == 1, "nothing else was sent")
    F.mock.failures["SetCertificate"] = [Failure("InvalidArgument", "another key")]
    expect("xmppctl id csr" in run("id", "certificate", "-", input="PEM", code=2).err, "hint")


@test("/id/rotate-export-import")
def _():
    run("id", "rotate", code=2)
    expect(not F.called("RotateIdentity"), "no terminal, no --yes: nothing is sent")
    expect(run("id", "rotate", "--yes", "--json").lines()[0]["fingerprint"] == "77" * 32, "rotate")
    with tempfile.TemporaryDirectory() as folder:
        secret, out = folder + "/secret", folder + "/me.p12"
        with open(secret, "w") as file:
            file.write("correct horse battery\nmore\n")
        run("id", "export", out, code=2)
        run("id", "export", code=2)
        for bad in (b"", b"\n", b"\xff\n", b"x" * 2000):
            with open(folder + "/bad", "wb") as file:
                file.write(bad)
            run("id", "export", out, "--passphrase-file", folder + "/bad", code=2)
        run("id", "export", out, "--passphrase-file", folder + "/none", code=2)
        expect(not F.called("ExportIdentity") and not os.path.exists(out), F.mock.calls)
        run("id", "export", out, "--passphrase-file", secret)
        expect(F.called("ExportIdentity")[0][2][1] == "correct horse battery" and os.stat(out).st_mode & 0o777 == 0o600, F.mock.calls)
        run("id", "export", out, "--passphrase-file", secret, code=2)
        F.mock.failures["ExportIdentity"] = [Failure("InvalidArgument", "too short")]
        run("id", "export", folder + "/other", "--passphrase-file", secret, code=2)
        expect(not os.path.exists(folder + "/other"), "what could not be finished does not stay")
        run("id", "import", out, "--passphrase-file", secret, code=2)
        run("id", "import", "-", "--yes", input=b"x", code=2)
        run("id", "import", folder + "/none", "--yes", "--passphrase-file", secret, code=2)
        expect(not F.called("ImportIdentity"), "nothing was sent")
        expect(run("id", "import", out, "--yes", "--passphrase-file", secret, "--json").lines()[0]["fingerprint"] == "88" * 32, "import")
        call = F.called("ImportIdentity")[0][2]
        expect(call[1] == "correct horse battery" and call[2] == {"replace": True}, call)
        F.mock.failures["ImportIdentity"] = [Failure("Mismatch", "the passphrase is wrong")]
        run("id", "import", out, "--yes", "--passphrase-file", secret, code=7)
        for second, status in (("tell nobody else", 2), ("tell nobody ever", 0)):
            terminal = Terminal("id", "export", folder + "/typed")
            seen = terminal.read_until("Passphrase: ")
            terminal.type("tell nobody ever\r")
            seen += terminal.read_until("Once more: ")
            terminal.type(second + "\r")
            ended, rest = terminal.finish()
            expect(ended == status and "tell" not in seen + rest and ("two different" in rest) == (status == 2), ended, seen + rest)
        expect(F.called("ExportIdentity")[-1][2][1] == "tell nobody ever", F.mock.calls)


@test("/config/ls-get-set")
def _():
    expect("trust-mode    = ask" in run("config").out, "ls")
    expect("legacy-policy = refuse" in run("config").out and run("config", "get", "legacy-policy").out == "refuse\n", "legacy")
    expect("dnd" in run("config", "ls", "--describe").out, "describe")
    expect(run("config", "get", "show").out == "available\n", "get")
    run("config", "set", "show", "dnd")
    run("config", "set", "max-strangers", "64")
    run("config", "set", "legacy-policy", "ask")
    run("config", "set", "share-jid", "yes")
    values = [call[2][1:] for call in F.called("Set")]
    expect(values == [("Show", "dnd"), ("MaxStrangers", 64), ("LegacyPolicy", "ask"), ("ShareJid", True)], values)
    F.mock.failures["Set"] = [Failure("InvalidArgument")]
    expect("available, away, dnd" in run("config", "set", "show", "grumpy", code=2).err, "hint")
    run("config", "get", "bogus", code=3)


if __name__ == "__main__":
    main()
