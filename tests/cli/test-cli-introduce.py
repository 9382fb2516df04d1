#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl and introductions, against a mock daemon: telling two people about each other, and being told. TAP."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (  # noqa: E402
    F, HOSTILE, JULIET, KEY_JULIET, KEY_ROMEO, ROMEO, SECRETS, expect, key_path, main, mock_variant, run, test,
)
from mock import ROOT, Failure  # noqa: E402

KEY_CAROL = "d4" * 32
REQUEST = ROOT + "/request/9"
BOB, KEY_BOB = ROOT + "/contact/6", "e5" * 32


def add_introduction(key=KEY_CAROL, contact="/", path=REQUEST, **more):
    details = {"fingerprint": mock_variant("s", key), "name": mock_variant("s", HOSTILE), "link": mock_variant("s", ""),
               "introducer": mock_variant("o", JULIET), "introducer_name": mock_variant("s", "juliet"),
               "introducer_fingerprint": mock_variant("s", KEY_JULIET), "note": mock_variant("s", "the cook\x1b[31m"),
               "forgotten": mock_variant("b", False), **more}
    F.mock.do(lambda: F.mock.add(path, "Request", Id=int(path.rsplit("/", 1)[1]), Kind="introduction", Contact=contact,
                                 Key=key_path(key) if contact != "/" else "/", Created=1767607331512034,
                                 Choices=["accept", "verify", "reject"], Details=details))


def add_bob(**more):
    F.mock.do(lambda: F.mock.add(BOB, "Contact", **{**dict(Petname="bob", Stored=True, Kind="person", Keys=[key_path(KEY_BOB)],
                                                           ActiveKey=key_path(KEY_BOB), Trust="verified"), **more}))
    F.mock.do(lambda: F.mock.add(key_path(KEY_BOB), "Key", Fingerprint=KEY_BOB, Contact=BOB, Trust="verified"))


@test("/introduce/both-ways-or-one")
def _():
    add_bob()
    run("trust", "introduce", "juliet", "bob", "--note", "the cook")
    expect(F.mock.calls == [("Introduce", JULIET, (BOB, "the cook")), ("Introduce", BOB, (JULIET, "the cook"))], F.mock.calls)
    F.mock.calls.clear()
    lines = run("--json", "trust", "introduce", "juliet", KEY_BOB[:16], "--one-way").lines()
    expect(F.mock.calls == [("Introduce", JULIET, (BOB, ""))], F.mock.calls)
    expect([(line["type"], line["peer"]["petname"], line["introduced"]["fingerprint"]) for line in lines]
           == [("introduction", "juliet", KEY_BOB)], lines)


@test("/introduce/whom-we-vouch-for-is-no-claimed-name")
def _():
    for who in (("juliet", "romeo@forza"), ("romeo@forza", "juliet"), ("juliet", "b2b2b2b2"), ("juliet@pronto", "juliet")):
        run("trust", "introduce", *who, code=2)
    run("trust", "introduce", "juliet", "nobody", code=3)
    run("trust", "introduce", "juliet", code=2)
    expect(F.mock.calls == [], F.mock.calls)


@test("/introduce/refusals")
def _():
    add_bob()
    F.mock.failures["Introduce"] = [Failure("NotTrusted", "not verified")]
    result = run("trust", "introduce", "juliet", "bob", code=7)
    expect("xmppctl verify" in result.err and len(F.mock.calls) == 1, result, F.mock.calls)
    F.mock.failures["Introduce"] = [None, Failure("NotTrusted", "not verified")]
    run("trust", "introduce", "juliet", "bob", code=10)


@test("/introduced/pending-says-whose-word-it-is")
def _():
    add_introduction(forgotten=mock_variant("b", True))
    text = run("trust", "pending").out
    block = text[text.index("introduction"):]
    expect("d4d4d4d4 " * 7 + "d4d4d4d4" in block and "introduced by juliet, key a1a1a1a1a1a1a1a1" in block, block)
    expect("| the cook" in block and "you forgot this key once" in block, block)
    expect("xmppctl trust accept d4d4d4d4d4d4d4d4, or reject\n" in block, block)
    expect(not any(secret in text for secret in SECRETS) and not re.search(r"^verified", text, re.M), text)
    line = [line for line in run("trust", "pending", "--json").lines() if line["kind"] == "introduction"][0]
    expect(line["introducer"]["petname"] == "juliet" and line["note"] == "the cook\x1b[31m" and line["fingerprint"] == KEY_CAROL, line)
    expect(line["forgotten"] is True and line["claimed_name"] == HOSTILE, line)


@test("/introduced/answers-name-the-key")
def _():
    add_introduction()
    run("trust", "accept", KEY_CAROL[:16], code=2)
    run("trust", "accept", KEY_CAROL[:8], "--fingerprint", KEY_CAROL, code=3)
    run("trust", "accept", KEY_CAROL[:16], "--fingerprint", KEY_ROMEO, code=3)
    expect(F.mock.calls == [], F.mock.calls)
    line = run("--json", "trust", "accept", "--fingerprint", KEY_CAROL, "--name", "carol").lines()[0]
    expect(line["choice"] == "accept" and line["fingerprint"] == KEY_CAROL, line)
    expect(F.mock.calls == [("Resolve", REQUEST, ("accept", {"fingerprint": KEY_CAROL, "petname": "carol"}))], F.mock.calls)
    F.mock.calls.clear()
    run("trust", "accept", "--fingerprint", KEY_CAROL, "--in-person")
    expect(F.mock.calls == [("Resolve", REQUEST, ("verify", {"fingerprint": KEY_CAROL, "in_person": True}))], F.mock.calls)
    F.mock.calls.clear()
    run("trust", "reject", KEY_CAROL[:16])
    expect(F.mock.calls == [("Resolve", REQUEST, ("reject", {}))], F.mock.calls)


@test("/introduced/a-key-that-knocks-too")
def _():
    add_introduction(KEY_ROMEO, ROMEO)
    run("trust", "accept", KEY_ROMEO[:16], "--fingerprint", KEY_ROMEO)
    expect(F.mock.calls == [("Resolve", REQUEST, ("accept", {"fingerprint": KEY_ROMEO}))], F.mock.calls)


@test("/introduced/two-whose-digits-begin-alike")
def _():
    add_introduction()
    add_introduction("d4" * 31 + "00", path=ROOT + "/request/10")
    run("trust", "accept", "--fingerprint", KEY_CAROL[:16], code=3)
    expect(F.mock.calls == [], F.mock.calls)
    run("trust", "reject", "--fingerprint", KEY_CAROL)
    expect(F.mock.calls == [("Resolve", REQUEST, ("reject", {}))], F.mock.calls)


@test("/introduced/shown-with-the-introducer")
def _():
    F.mock.do(lambda: F.mock.change(key_path(KEY_ROMEO), "Key", Trust="vouched", TrustSource="introduction", IntroducedBy=JULIET,
                                    Warnings=["introducer-untrusted"]))
    expect("introduction of juliet" in run("trust", "ls").out, run("trust", "ls"))
    text = run("show", KEY_ROMEO[:8]).out
    expect("vouched by introduction of juliet" in text and "introducer-untrusted" in text, text)
    line = [line for line in run("trust", "ls", "--json").lines() if line["fingerprint"] == KEY_ROMEO][0]
    expect(line["introduced_by"]["petname"] == "juliet" and line["source"] == "introduction", line)
    line = run("show", KEY_ROMEO[:8], "--json").lines()[0]
    expect(line["keys"][0]["introduced_by"]["fingerprint"] == KEY_JULIET, line)
    F.mock.do(lambda: F.mock.change(key_path(KEY_ROMEO), "Key", IntroducedBy="/"))
    expect("introduced_by" not in run("show", KEY_ROMEO[:8], "--json").lines()[0]["keys"][0], "nobody")


if __name__ == "__main__":
    main()
