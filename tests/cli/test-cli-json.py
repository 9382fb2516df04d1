#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What xmppctl --json promises: docs/xmppctl.schema.json has every type that the sources know, each is printed here, and a line that is not
described is found (tests/cli/promise.py, which looks at every such line of every test). TAP."""

import glob
import json
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import promise  # noqa: E402
from harness import (  # noqa: E402
    F, JULIET, KEY_JULIET, KEY_ME, KEY_ROMEO, SOURCE, Skip, expect, key_path, main, read_until, run, test, wait_for,
)
from mock import ROOT, variant  # noqa: E402

RUN = ROOT + "/verification/7"
LATER = 4102444800000000
LINK = "xmpp:juliet@forza?trust-message;encryption=im.earshot%3Atls%3A0;trust=" + KEY_JULIET
DOCUMENT = promise.schema()
# The daemon has words for these entries of its log and writes none; xmppctl prints what comes.
FREE = {"read", "trust", "transfer"}


def in_sources():
    """Every type that the sources of xmppctl name, and every kind of entry that the daemon's log has."""
    found = set()
    for path in glob.glob(os.path.join(SOURCE, "cli/*.c")):
        with open(path) as file:
            text = file.read()
        found |= set(re.findall(r'json_line_new \("([^"]+)"\)', text))
        found |= set(re.findall(r'\btell \(agent, "([^"]+)"', text))
        for argument in re.findall(r"json_line_new \(([^\")]*)\)", text):
            expect(argument in ("const char *type", "type", "entry->kind"), "json_line_new with", argument, "in", path)
    with open(os.path.join(SOURCE, "daemon/io/history.c")) as file:
        words = re.search(r"kind_words\[KIND_N\] = \{([^}]*)\}", file.read())[1]
    return found | set(re.findall(r'"([^"]+)"', words))


@test("/json/every-type-of-the-sources-is-described-and-no-other")
def _():
    expect(in_sources() == set(promise.types(DOCUMENT)), in_sources() ^ set(promise.types(DOCUMENT)))
    for kind in promise.types(DOCUMENT):
        one = DOCUMENT["$defs"][kind]
        expect(one["properties"]["v"] == {"const": 1} and one["properties"]["type"] == {"const": kind}, kind)
        expect(one["required"][:2] == ["v", "type"] and "additionalProperties" not in one, kind, "leaves no room for more")
        for name, value in one["properties"].items():
            expect(name in ("v", "type") or value.get("description"), kind, name, "says nothing")


@test("/json/what-is-not-described-is-found")
def _():
    if promise.jsonschema is None:
        raise Skip("needs python3-jsonschema")
    good = {"v": 1, "type": "sent", "seq": 1, "id": "x", "state": "queued", "reason": "", "peer": {"petname": "", "fingerprint": KEY_ME, "trust": "pinned"}}
    expect(promise.check(json.dumps(good)) == good)
    # As every reader may read it: more is no fault.
    promise.jsonschema.Draft202012Validator(DOCUMENT).validate({**good, "later": 1})
    for bad in ({**good, "later": 1}, {**good, "seq": "1"}, {**good, "v": 2}, {**good, "type": "scent"}, {**good, "state": "lost"},
                {**good, "peer": {**good["peer"], "nose": 1}}, {**good, "peer": {**good["peer"], "fingerprint": "0E" * 32}},
                {key: value for key, value in good.items() if key != "id"}, [good]):
        try:
            promise.check(json.dumps(bad))
        except AssertionError:
            continue
        raise AssertionError("found nothing wrong with %r" % bad)


def printed(*arguments, **more):
    result = run(*arguments, "--json", **more)
    return [promise.check(line) for line in (result.out + result.err).splitlines() if line.startswith("{")]  # hints are for people


def set_up():
    mock = F.mock
    mock.do_Verify = lambda *_: add_later() or variant("(o)", (RUN,))
    mock.do_ListAppAccess = lambda *_: variant("(a(sasa{sv}))", ([("snap:chat", ["read"], {"since": variant("x", 0)})],))
    mock.do_CheckAudit = lambda *_: variant("(a{sv})", ({"sound": variant("b", True), "head": variant("s", KEY_ME), "count": variant("t", 1)},))
    mock.do_ListAudit = lambda *_: variant("(a(txsssa{sv})b)", ([(1, LATER, "accept", KEY_JULIET, "pinned", {"contact": variant("o", JULIET)})], False))
    mock.do_Diagnose = lambda *_: variant("(a(sssa{sv}))", ([("mdns", "ok", "well", {"link": variant("s", "eth0")})],))
    mock.do_CreateInvite = lambda *_: variant("(ssx)", (LINK, "7744c0392e2e9a27", LATER))
    mock.do(lambda: mock.change(ROOT, "Manager", Invites=[("7744c0392e2e9a27", "open", LATER, {"uses": variant("u", 1), "left": variant("u", 1)})]))
    mock.do_ParseLink = lambda *_: variant("(ssa{sv})", ("juliet@forza", KEY_JULIET, {}))
    mock.do_AcceptInvite = lambda *_: variant("(o)", (JULIET,))
    mock.do(lambda: mock.add(ROOT + "/contact/6", "Contact", Petname="bob", Stored=True, Kind="person", Keys=[key_path("e5" * 32)],
                             ActiveKey=key_path("e5" * 32), Trust="verified"))
    mock.do(lambda: mock.add(key_path("e5" * 32), "Key", Fingerprint="e5" * 32, Contact=ROOT + "/contact/6", Trust="verified"))


def add_later():
    F.mock.add(RUN, "Verification", announce=True, Contact=JULIET, Key=key_path(KEY_JULIET), State="comparing", Role="initiator",
               Code="4821 7305 1192", Expires=LATER)


def followed(last, *arguments):
    process = F.start("--json", *arguments)
    lines = read_until(process.stdout, '"%s"' % last)
    process.terminate()
    process.communicate()
    return [promise.check(line) for line in lines]


def of_the_log():
    F.mock.do(lambda: F.mock.append("edit", JULIET, "e1", announce=False, direction="in", about="m1", body="hi!"))
    F.mock.do(lambda: F.mock.append("retract", JULIET, "r1", announce=False, direction="out", about="m3", state="queued", reason=""))
    F.mock.do(lambda: F.mock.append("reaction", JULIET, "c1", announce=False, direction="in", about="m3", emojis=["+"]))
    F.mock.do(lambda: F.mock.append("state", JULIET, "m3", announce=False, state="delivered", reason=""))
    F.mock.do(lambda: F.mock.append("message", JULIET, "m4", announce=False, direction="in", from_=JULIET, key=KEY_JULIET, body="x", url="https://a/",
                                    edited=LATER, retracted=LATER, reactions=[("/", ["+"])],
                                    change_state="held", change_reason="require"))
    return followed("m4", "watch", "--since", "1", "--kinds", "message,edit,retract,reaction,state")


def agent():
    process = F.start("--json", "agent")
    wait_for(lambda: F.mock.agents, "a registration")
    F.mock.do(lambda: F.mock.tell_agent("Present", "(osa{sv})", ROOT + "/request/1", "new-key", {}))
    lines = read_until(process.stdout, '"present"')
    F.mock.do(lambda: F.mock.tell_agent("Withdraw", "(os)", ROOT + "/request/1", "resolved"))
    lines += read_until(process.stdout, '"withdraw"')
    process.terminate()
    process.communicate()
    return [promise.check(line) for line in lines]


def held():
    F.mock.do(lambda: F.mock.append("message", JULIET, "h1", announce=False, time=LATER, direction="out", body="x", state="held", reason="key-replaced"))
    return printed("trust", "release", "juliet", "--yes")


@test("/json/each-type-is-printed-by-its-command")
def _():
    set_up()
    lines = of_the_log() + agent() + followed("reach", "watch", "--kinds", "reach") + held()
    for arguments in (["status"], ["peers", "-a"], ["show", "juliet"], ["send", "juliet", "x"], ["react", "juliet", "last", "+"], ["trust", "pending"], ["trust", "ls"],
                      ["block", "juliet"], ["unblock", "juliet"], ["trust", "introduce", "juliet", "bob"], ["trust", "accept", "--fingerprint", KEY_ROMEO, "--name", "romeo"],
                      ["trust", "accept", "--yes", "--link", LINK], ["access", "ls"], ["access", "grant", "snap:chat", "send"], ["config", "ls"], ["config", "ls", "--describe"],
                      ["id"], ["id", "csr"], ["id", "rotate", "--yes"], ["pair"], ["pair", LINK, "--yes"], ["pair", "ls"], ["audit"], ["audit", "--check"], ["net"],
                      ["net", "probe", "192.0.2.7:5298"], ["net", "static"], ["verify", "juliet"], ["doctor"]):
        lines += printed(*arguments)
    lines += printed("show", "nobody", code=3) + printed("no-such-command", code=2)
    seen = {line["type"] for line in lines}
    expect(seen == set(promise.types(DOCUMENT)) - FREE, "never printed:", set(promise.types(DOCUMENT)) - FREE - seen, "and to be free:", seen & FREE)


if __name__ == "__main__":
    main()
