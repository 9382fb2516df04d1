#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs in sandboxes, over a real bus: a process whose root is a Flatpak's gets what a person grants, and nothing before."""
import os

import rig
import sandbox
from people import befriend, contacts, fingerprint, requests, wait_received

CHAT = "flatpak:org.example.Chat"


def access(user):
    return {line["app"]: (line["state"], line["scopes"]) for line in rows(user)}


def rows(user):
    out = user.ctl("access", "ls", "--json")
    return [out] if isinstance(out, dict) else out


def denied(answer):
    status, out, err = answer
    assert status == 9 and not out.strip(), answer
    return err


@rig.test
def an_application_asks(lan):
    """A Flatpak's first call is denied and asked about, once; read reads, send sends, and neither decides; what is revoked is gone at once"""
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    befriend(juliet, romeo, "juliet", "romeo")
    err = denied(sandbox.ctl(juliet, "org.example.Chat", "peers"))
    assert "xmppctl access grant " + CHAT in err, err
    # However often and for whatever it calls: one question, and nothing happens.
    for args in (["send", "romeo", "sent by nobody"], ["trust", "ls"], ["block", "romeo"], ["access", "grant", CHAT, "send"], ["status"]):
        denied(sandbox.ctl(juliet, "org.example.Chat", *args))
    asked = requests(juliet, "app-access")
    assert len(asked) == 1 and access(juliet) == {CHAT: ("asks", [])}, (asked, access(juliet))
    path, question = next(iter(asked.items()))
    assert question["Key"] == question["Contact"] == "/" and question["Choices"] == ["read", "send", "deny"], question
    assert question["Details"] == {"app": CHAT, "sandbox": "flatpak", "name": "org.example.Chat", "wants": "read"}, question
    assert "access grant " + CHAT in juliet.ctl("trust", "pending")
    # The question outlives the daemon, and is answered without any fingerprint.
    juliet.restart()
    assert list(requests(juliet, "app-access")) == [path]
    juliet.call(path, "Request", "Resolve", rig.GLib.Variant("(sa{sv})", ("read", {})))
    assert not requests(juliet, "app-access") and access(juliet) == {CHAT: ("allowed", ["read"])}, (requests(juliet), access(juliet))
    status, out, err = sandbox.ctl(juliet, "org.example.Chat", "peers", "-a")
    assert status == 0 and "romeo" in out, (out, err)
    denied(sandbox.ctl(juliet, "org.example.Chat", "send", "romeo", "not yet"))
    denied(sandbox.ctl(juliet, "org.example.Chat", "receive", "--consumer", "desktop"))
    assert not requests(juliet, "app-access"), "asked twice"
    # A person gives more.
    juliet.ctl("access", "grant", "org.example.Chat", "send")
    status, out, err = sandbox.ctl(juliet, "org.example.Chat", "send", "romeo", "from a sandbox")
    assert status == 0, err
    wait_received(romeo, ["from a sandbox"], 30)
    # … but never this.
    for args in (["block", "romeo"], ["name", "romeo", "Mother"], ["trust", "revoke", "romeo", "--fingerprint", fingerprint(romeo)],
                 ["config", "set", "trust-mode", "tofu"], ["access", "grant", CHAT, "admin", "--yes"], ["audit"]):
        denied(sandbox.ctl(juliet, "org.example.Chat", *args))
    person = [c for c in contacts(juliet).values() if c["Petname"] == "romeo"]
    assert len(person) == 1 and not person[0]["Blocked"] and person[0]["Trust"] == "pinned", person
    # Another application is another question; taken back is taken back at once, and is not asked about again.
    denied(sandbox.ctl(juliet, "org.example.Other", "peers"))
    assert len(requests(juliet, "app-access")) == 1
    juliet.ctl("access", "revoke", "org.example.Other")
    juliet.ctl("access", "revoke", CHAT)
    for app in ("org.example.Chat", "org.example.Other"):
        denied(sandbox.ctl(juliet, app, "peers"))
    juliet.restart()
    denied(sandbox.ctl(juliet, "org.example.Chat", "peers"))
    assert not requests(juliet, "app-access")
    assert access(juliet) == {CHAT: ("denied", []), "flatpak:org.example.Other": ("denied", [])}
    juliet.ctl("access", "forget", CHAT)
    denied(sandbox.ctl(juliet, "org.example.Chat", "peers"))
    assert len(requests(juliet, "app-access")) == 1
    told = [(line["verdict"], "app=-" in line["caller"]) for line in juliet.ctl("audit", "--json", "--event", "app-access")]
    assert told == [("asked", False), ("read", True), ("read send", True), ("asked", False), ("nothing", True), ("nothing", True),
                    ("forgotten", True), ("asked", False)], told


@rig.test
def names_that_are_none(lan):
    """What is in a sandbox that gives it no name, or a hostile one, gets nothing, asks nothing and reaches no terminal"""
    juliet = lan.host("pronto", avahi="none").start_daemon(name="juliet", discovery="none")
    for name in ("", "evil", "../../etc/passwd", "org.evil.\x1b[31mred", "org.evil.App%n", "x" * 300 + ".a.b", "org.evil.App\nname=org.good.App"):
        answer = sandbox.ctl(juliet, name, "status")
        assert "\x1b" not in denied(answer), answer
    # The last one named itself twice; whichever counts is one name, and asks as that one only.
    assert set(access(juliet)) <= {"flatpak:org.good.App", "flatpak:org.evil.App"}, access(juliet)


@rig.test
def an_agent_in_a_sandbox(lan):
    """A sandboxed program may be an agent only with `trust`, gets no say about programs, and is none any more when that is taken back"""
    juliet = lan.host("pronto", avahi="none").start_daemon(name="juliet", discovery="none")
    ours = juliet.host.spawn([os.path.join(rig.TOP_BUILD, "xmppctl"), "--json", "agent"], "agent", lines=True,
                             env=dict(juliet.env(), EARSHOT_BUS=juliet.bus_address))
    juliet.ctl("access", "grant", CHAT, "send")
    denied(sandbox.ctl(juliet, "org.example.Chat", "--json", "agent"))
    juliet.ctl("access", "grant", CHAT, "trust", "--yes")
    argv, env = sandbox.command(juliet, "org.example.Chat", "--json", "agent")
    theirs = rig.Process(argv, os.path.join(juliet.host.dir, "their-agent.log"), env=env, lines=True)
    # It is the last that registered: the next question is presented there.
    denied(sandbox.ctl(juliet, "org.example.Other", "status"))
    theirs.wait_line(lambda line: '"present"' in line, 30)
    path = next(iter(requests(juliet, "app-access")))
    juliet.ctl("access", "revoke", CHAT)
    # What it had goes to the one before, still open; and it ends, for it may not register again.
    ours.wait_line(lambda line: '"present"' in line, 30)
    assert list(requests(juliet, "app-access")) == [path]
    juliet.wait_for(lambda: not theirs.alive(), 30, "the end of that agent")
    theirs.stop()
    juliet.call(path, "Request", "Resolve", rig.GLib.Variant("(sa{sv})", ("deny", {})))
    ours.wait_line(lambda line: '"withdraw"' in line, 30)


rig.main()
