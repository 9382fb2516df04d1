#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl access: what programs in sandboxes may do, against a mock daemon on a private bus. TAP."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import F, main, mock_variant, test  # noqa: E402
from mock import ROOT, variant  # noqa: E402

CHAT, SNAP = "flatpak:org.example.Chat", "snap:chat"


def add_app(app, scopes, request="/"):
    apps = getattr(F.mock, "apps", [])
    F.mock.apps = [row for row in apps if row[0] != app] + [
        (app, scopes, {"since": variant("x", 1767607331512034), "request": variant("o", request), "wants": variant("s", "send")})]


def do_list(_path):
    return variant("(a(sasa{sv}))", (F.mock.apps,))


def set_up():
    F.mock.apps = []
    F.mock.do_ListAppAccess = do_list
    add_app(CHAT, [], ROOT + "/request/2147483657")
    add_app(SNAP, ["read"])


@test("access ls tells who asks, who may what, and since when")
def listing():
    set_up()
    r = F.run("access", "ls")
    assert r.code == 0, r
    lines = r.out.splitlines()
    assert lines[0].split() == ["STATE", "APPLICATION", "MAY", "WANTS", "SINCE"], r
    assert lines[1].split()[:4] == ["asks", CHAT, "-", "send"] and lines[2].split()[:4] == ["allowed", SNAP, "read", "send"], r
    r = F.run("--json", "access", "ls")
    assert [(line["type"], line["app"], line["state"], line["scopes"]) for line in r.lines()] == [
        ("app", CHAT, "asks", []), ("app", SNAP, "allowed", ["read"])], r


@test("access grant adds, revoke takes away, forget begins anew; an application is named in full or is one that is listed")
def grants():
    set_up()
    assert F.run("access", "grant", CHAT, "send").code == 0
    assert F.run("access", "grant", "chat", "send").code == 0
    assert F.run("access", "grant", "flatpak:org.example.New", "read").code == 0
    assert F.run("access", "revoke", SNAP, "read").code == 0
    assert F.run("access", "revoke", SNAP).code == 0
    assert [call[2] for call in F.called("SetAppAccess")] == [
        (CHAT, ["read", "send"], {}), (SNAP, ["read", "send"], {}), ("flatpak:org.example.New", ["read"], {}), (SNAP, [], {}), (SNAP, [], {})]
    assert F.run("access", "forget", "org.example.Chat").code == 0
    assert [call[2] for call in F.called("ForgetApp")] == [(CHAT,)]


@test("access: what is not understood, not known or not confirmed changes nothing")
def refusals():
    set_up()
    add_app("flatpak:a.b.chat", [])
    add_app("flatpak:chat", [])
    for code, args in ((2, ["grant", CHAT, "sned"]), (2, ["grant", CHAT]), (3, ["grant", "org.example.None", "read"]), (4, ["grant", "chat", "read"]),
                       (3, ["revoke", "flatpak:org.example.None"]), (2, ["grant", CHAT, "trust"]), (2, ["grant", SNAP, "admin", "read"]), (3, ["forget", "x"])):
        r = F.run("access", *args)
        assert r.code == code, (args, r)
    assert not F.called("SetAppAccess") and not F.called("ForgetApp")
    assert F.run("access", "grant", CHAT, "trust", "--yes").code == 0
    assert [call[2] for call in F.called("SetAppAccess")] == [(CHAT, ["trust"], {})]


@test("trust pending shows a program's question, with the line that answers it")
def pending():
    set_up()
    details = {"app": mock_variant("s", CHAT), "sandbox": mock_variant("s", "flatpak"), "name": mock_variant("s", "org.example.Chat"),
               "wants": mock_variant("s", "send")}
    F.mock.do(lambda: F.mock.add(ROOT + "/request/2147483657", "Request", Id=2147483657, Kind="app-access", Contact="/", Key="/",
                                 Created=1767607331512034, Choices=["read", "send", "deny"], Details=details))
    r = F.run("trust", "pending")
    assert r.code == 0 and "xmppctl access grant %s send" % CHAT in r.out and "sandbox" in r.out, r
    lines = [line for line in F.run("--json", "trust", "pending").lines() if line["kind"] == "app-access"]
    assert len(lines) == 1 and (lines[0]["app"], lines[0]["wants"], lines[0]["fingerprint"]) == (CHAT, "send", ""), lines
    # It is about nobody: no peer's name leads to it.
    F.run("trust", "reject", "juliet")
    assert all(call[1] != ROOT + "/request/2147483657" for call in F.called("Resolve"))


main()
