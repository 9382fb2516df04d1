#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl agent against a mock daemon on a private bus: what it shows, what it takes for an answer, and what it never does. TAP."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (  # noqa: E402
    F, HOSTILE, KEY_JULIET, KEY_MALLORY, KEY_ROMEO, SECRETS, Terminal, add_legacy, expect, key_path, main, mock_variant, read_until, test, wait_for,
)
from mock import ROOT, Failure  # noqa: E402

ROMEOS, MALLORYS, BOBS, APPS = (ROOT + "/request/%d" % n for n in (1, 2, 3, 4))
MORE = "later] "


def present(path, kind=None):
    kind = kind or F.mock.objects[path]["Request"]["Kind"].unpack()
    F.mock.do(lambda: F.mock.tell_agent("Present", "(osa{sv})", path, kind, {}))


def withdraw(path, reason="resolved"):
    F.mock.do(lambda: F.mock.tell_agent("Withdraw", "(os)", path, reason))


def start(*arguments):
    terminal = Terminal("agent", *arguments)
    terminal.read_until("waiting for questions")
    expect(F.mock.agents and F.mock.agents[-1][1].startswith("/"), F.mock.agents)
    return terminal


def resolved():
    return [(call[1], call[2][0], call[2][1]) for call in F.called("Resolve")]


@test("agent: a new key is shown with its groups, escaped, and accepted by word and first group only")
def new_key():
    terminal = start()
    present(ROMEOS)
    shown = terminal.read_until(MORE)
    expect(" ".join([KEY_ROMEO[:8]] * 4) in shown and shown.count(KEY_ROMEO[:8]) == 8 and "accept, reject, block" in shown, shown)
    expect(not any(secret in shown.replace("\r\n", "\n") for secret in SECRETS), repr(shown))
    expect("\nverified" not in shown.replace("\r", ""), "a stranger's text began a line", shown)
    for wrong in ("a", "y", "ACCEPT", "accept reject", "pinned", "replace", KEY_ROMEO):
        terminal.type(wrong + "\n")
        terminal.read_until("type one of these words whole")
        terminal.read_until(MORE)
    for wrong in ("", "y", KEY_JULIET[:8], KEY_ROMEO[:7], KEY_ROMEO[:9], KEY_ROMEO[8:16] + "x"):
        terminal.type("accept\n")
        terminal.read_until("type the first group")
        terminal.type(wrong + "\n")
        terminal.read_until("nothing was changed")
        terminal.read_until(MORE)
    expect(resolved() == [], resolved())
    terminal.type("accept\n")
    terminal.read_until("type the first group")
    terminal.type(KEY_ROMEO[:8].upper() + "\n")
    terminal.read_until("accept: done")
    expect(resolved() == [(ROMEOS, "accept", {"fingerprint": KEY_ROMEO})], resolved())
    terminal.type("quit\n")
    code, _ = terminal.finish()
    expect(code == 0 and [call[2] for call in F.called("UnregisterAgent")] == [(F.mock.agents[-1][1],)], code)


@test("agent: one question at a time; rejecting takes the word alone; Enter leaves it waiting; a conflict shows both keys")
def queue():
    terminal = start()
    present(MALLORYS)
    present(ROMEOS)
    shown = terminal.read_until(MORE)
    expect(shown.count(KEY_MALLORY[:8]) == 8 and shown.count(KEY_JULIET[:8]) == 8 and "ANOTHER KEY" in shown, shown)
    expect(KEY_ROMEO[:8] not in shown, "two at once", shown)
    terminal.type("reject\n")
    terminal.read_until("reject: done")
    terminal.read_until(MORE)
    terminal.type("\n")
    terminal.read_until("it waits")
    expect(resolved() == [(MALLORYS, "reject", {})], resolved())
    present(MALLORYS)
    terminal.read_until(MORE)
    terminal.type("separate\n")
    terminal.read_until("type the first group")
    terminal.type(KEY_MALLORY[:8] + "\n")
    terminal.read_until("separate: done")
    expect(resolved()[1:] == [(MALLORYS, "separate", {"fingerprint": KEY_MALLORY})], resolved())
    terminal.type("\x04")
    expect(terminal.finish()[0] == 0)


@test("agent: what was typed for one question is no answer to the next, nor to one that is gone")
def typed_ahead():
    terminal = start()
    present(ROMEOS)
    terminal.read_until(MORE)
    terminal.type("rej")
    withdraw(ROMEOS)
    terminal.read_until("decided elsewhere")
    present(MALLORYS)
    terminal.read_until(MORE)
    terminal.type("ect\n")
    terminal.read_until("type one of these words whole")
    terminal.read_until(MORE)
    present(ROMEOS)
    withdraw(MALLORYS, "moved")
    terminal.read_until("another agent shows it now")
    terminal.read_until(MORE)
    terminal.type("quit\n")
    terminal.finish()
    expect(all(choice != "reject" for _, choice, _ in resolved()), resolved())


@test("agent: a peer without a key and a program are asked about without a fingerprint")
def keyless():
    add_legacy()
    details = {"app": mock_variant("s", "flatpak:org.example.Chat"), "wants": mock_variant("s", "read")}
    F.mock.do(lambda: F.mock.add(APPS, "Request", Id=4, Kind="app-access", Contact="/", Key="/", Choices=["read", "send", "deny"], Details=details))
    terminal = start()
    present(BOBS)
    shown = terminal.read_until(MORE)
    expect("no encryption" in shown and "\x1b" not in shown, shown)
    terminal.type("allow\n")
    terminal.read_until("allow? [y/N] ")
    terminal.type("\n")
    terminal.read_until("nothing was changed")
    terminal.read_until(MORE)
    terminal.type("allow\n")
    terminal.read_until("[y/N] ")
    terminal.type("y\n")
    terminal.read_until("allow: done")
    present(APPS)
    shown = terminal.read_until(MORE)
    expect("flatpak:org.example.Chat" in shown, shown)
    terminal.type("read\n")
    terminal.read_until("read: done")
    expect(resolved() == [(BOBS, "allow", {}), (APPS, "read", {})], resolved())
    terminal.type("quit\n")
    expect(terminal.finish()[0] == 0)


@test("agent: our own key on another machine is rotated after a yes, and no fingerprint is asked for")
def own_key():
    F.mock.do(lambda: F.mock.add(APPS, "Request", Id=4, Kind="duplicate-identity", Contact="/", Key="/", Choices=["rotate", "ignore"],
                                 Details={"fingerprint": mock_variant("s", KEY_JULIET), "name": mock_variant("s", HOSTILE)}))
    terminal = start()
    present(APPS)
    shown = terminal.read_until(MORE)
    expect("YOUR OWN KEY" in shown and not any(secret in shown.replace("\r\n", "\n") for secret in SECRETS), repr(shown))
    terminal.type("rotate\n")
    terminal.read_until("rotate? [y/N] ")
    terminal.type(KEY_JULIET[:8] + "\n")
    terminal.read_until("nothing was changed")
    terminal.read_until(MORE)
    terminal.type("rotate\n")
    terminal.read_until("rotate? [y/N] ")
    terminal.type("y\n")
    terminal.read_until("rotate: done")
    expect(resolved() == [(APPS, "rotate", {})], resolved())
    terminal.type("quit\n")
    expect(terminal.finish()[0] == 0)
    r = F.run("trust", "pending")
    expect("xmppctl id rotate, or xmppctl id ignore" in r.out, r)


@test("agent: a question that is gone, of an unknown kind, refused by the daemon or answered elsewhere ends nothing")
def odd():
    terminal = start()
    present(ROOT + "/request/77", "new-key")
    present(ROMEOS, "from-the-future")
    terminal.read_until("from-the-future")
    present(ROMEOS)
    terminal.read_until(MORE)
    F.mock.failures["Resolve"] = [Failure("Blocked", "no \x1b[31mway"), Failure("AlreadyResolved")]
    terminal.type("reject\n")
    shown = terminal.read_until(MORE)
    expect("nothing was changed" in shown and "\x1b" not in shown, shown)
    terminal.type("reject\n")
    terminal.read_until("decided elsewhere")
    terminal.type("quit\n")
    expect(terminal.finish()[0] == 0)


@test("agent: questions come from the daemon only, and it stays when the daemon goes and comes back")
def daemon_only():
    terminal = start()
    name, path = F.mock.agents[-1]
    other = F.bus.connect()
    refused = ""
    try:
        other.call_sync(name, path, "im.earshot.Earshot1.Agent", "Present", mock_variant("(osa{sv})", (ROMEOS, "new-key", {})), None, 0, -1, None)
    except Exception as error:
        refused = str(error)
    other.close_sync(None)
    expect("AccessDenied" in refused, refused)
    present(ROMEOS)
    terminal.read_until(MORE)
    F.mock.do(F.mock.disown)
    terminal.read_until("waiting for it to come back")
    F.mock.do(F.mock.own)
    terminal.read_until("earshotd is back")
    wait_for(lambda: len(F.mock.agents) == 2, "a second registration")
    present(ROMEOS)
    terminal.read_until(MORE)
    terminal.type("quit\n")
    expect(terminal.finish()[0] == 0)


@test("agent: a third party is refused by exit code: no terminal 2, no daemon's leave 8 and 9, time 6")
def exits():
    r = F.run("agent")
    expect(r.code == 2 and "terminal" in r.err, r)
    expect(F.run("agent", "--exec", "true", "--json").code == 2)
    for name, code in (("QuotaExceeded", 8), ("AccessDenied", 9)):
        F.mock.failures["RegisterAgent"] = [Failure(name)]
        r = F.run("--json", "agent")
        expect(r.code == code, r)
    expect(F.run("--json", "--timeout", "1", "agent").code == 6)


@test("agent --json tells each Present and Withdraw on a line, whatever is on stdin, and decides nothing")
def as_json():
    process = F.start("--json", "agent")
    wait_for(lambda: F.mock.agents, "a registration")
    present(ROMEOS)
    withdraw(ROMEOS)
    lines = [json.loads(line) for line in read_until(process.stdout, '"withdraw"')]
    expect([line["type"] for line in lines] == ["present", "withdraw"], lines)
    expect((lines[0]["object"], lines[0]["kind"], lines[0]["fingerprint"], lines[0]["claimed_name"]) == (ROMEOS, "new-key", KEY_ROMEO, HOSTILE), lines)
    expect(lines[0]["choices"] == ["accept", "reject", "block"] and len(lines[0]["preview"]) == 1, lines)
    expect((lines[1]["object"], lines[1]["reason"]) == (ROMEOS, "resolved"), lines)
    process.terminate()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    expect(resolved() == [])


@test("agent --exec runs the command once for each, with escaped words in its environment and the line on its stdin")
def as_exec():
    out = os.path.join(F.bus.dir.name, "told")
    process = F.start("agent", "--exec", 'printf "%%s %%s %%s\\n" "$EARSHOT_EVENT" "$EARSHOT_KIND$EARSHOT_REASON" "$EARSHOT_CLAIMED_NAME" >>%s; cat >>%s' % (out, out))
    wait_for(lambda: F.mock.agents, "a registration")
    present(ROMEOS)
    withdraw(ROMEOS, "moved")
    wait_for(lambda: os.path.exists(out) and open(out, encoding="utf-8").read().count("\n") == 4, "four lines")
    text = open(out, encoding="utf-8").read()
    lines = text.splitlines()
    expect(lines[0].startswith("present new-key Romeo") and lines[2].startswith("withdraw moved"), text)
    expect(not any(secret in lines[0] for secret in SECRETS), repr(text))
    expect(json.loads(lines[1])["fingerprint"] == KEY_ROMEO and json.loads(lines[3])["reason"] == "moved", text)
    process.terminate()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    expect(resolved() == [])


@test("agent: a run that a peer began is shown, and verify gets the terminal and gives it back")
def codes():
    run = ROOT + "/verification/77"
    F.mock.do(lambda: F.mock.add(run, "Verification", announce=True, Contact=ROOT + "/contact/1", Key=key_path(KEY_JULIET), Role="responder",
                                 State="comparing", Code="4821 7305 1192", Expires=1767607331512034))
    terminal = start()
    present(run, "verification")
    shown = terminal.read_until("Compare codes now? [y/N] ")
    expect("juliet" in shown and KEY_JULIET[:8] in shown and "4821" not in shown, shown)
    terminal.type("y\n")
    terminal.read_until("4821 7305 1192")
    terminal.read_until("[Enter when they have it] ")
    F.mock.do(lambda: F.mock.change(run, "Verification", State="cancelled", Reason="peer"))
    F.mock.do(lambda: F.mock.remove(run))
    present(ROMEOS)
    terminal.read_until(MORE)
    terminal.type("quit\n")
    expect(terminal.finish()[0] == 0)


main()
