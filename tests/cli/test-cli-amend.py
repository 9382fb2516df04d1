#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl edit, retract, react and what the log shows of them, against a mock daemon on a private bus. TAP."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import F, HOSTILE_BODY, JULIET, ROMEO, SECRETS, expect, main, run, test  # noqa: E402
from mock import ROOT, Failure  # noqa: E402


def features(*words):
    F.mock.do(lambda: F.mock.change(ROOT, "Manager", Features=["messages"] + list(words)))


@test("/amend/last-is-the-last-of-the-right-side")
def _():
    code = run("edit", "juliet", "hello there").code
    expect(code == 0 and F.called("Send") == [("Send", ROOT, (JULIET, "hello there", {"edit_of": "m3"}))], F.mock.calls)
    run("react", "juliet", "last", "👍", "❤️")
    expect(F.called("React") == [("React", ROOT, (JULIET, "m2", ["👍", "❤️"]))], F.mock.calls)
    line = run("retract", "juliet", "last", "--json").lines()[0]
    expect(F.called("Retract") == [("Retract", ROOT, ("m3",))], F.mock.calls)
    expect(line["type"] == "sent" and line["id"] == "retraction" and line["about"] == "m3" and line["peer"]["petname"] == "juliet", line)
    result = run("edit", "juliet", "last", "-", input="from stdin\n")
    expect(F.called("Send")[-1][2][1] == "from stdin", result)
    run("react", "juliet", "last", "--remove")
    expect(F.called("React")[-1][2] == (JULIET, "m2", []), F.mock.calls)


@test("/amend/last-is-one-that-was-said")
def _():
    for n, more in enumerate(({"state": "cancelled", "reason": "user"}, {"state": "failed"}, {"state": "delivered", "imported": True})):
        F.mock.do(lambda: F.mock.append("message", JULIET, "never-%d" % n, direction="out", body="x", **more))
    F.mock.do(lambda: F.mock.append("message", JULIET, "from-a-file", direction="in", body="x", imported=True))
    run("edit", "juliet", "hello there")
    run("retract", "juliet", "last")
    run("react", "juliet", "last", "👍")
    expect([call[2][-1] for call in F.called("Send")] == [{"edit_of": "m3"}] and F.called("Retract")[0][2] == ("m3",)
           and F.called("React")[0][2][1] == "m2", F.mock.calls)
    F.mock.do(lambda: F.mock.append("message", JULIET, "on-its-way", direction="out", body="x", state="queued"))
    run("edit", "juliet", "hello there")
    expect(F.called("Send")[-1][2][2] == {"edit_of": "on-its-way"}, F.mock.calls)


@test("/amend/ids-and-their-first-digits-are-never-a-guess")
def _():
    F.mock.do(lambda: [F.mock.append("message", JULIET, "6f1c8a2%d-0000" % n, direction="out", body="x", state="delivered") for n in (0, 1)])
    expect(run("edit", "juliet", "6f1c8a20", "y").code == 0 and F.called("Send")[-1][2][2] == {"edit_of": "6f1c8a20-0000"}, F.mock.calls)
    F.mock.calls.clear()
    run("edit", "juliet", "6f1c8a2", "y", code=4)
    run("retract", "juliet", "6f1", code=3)
    run("retract", "juliet", "nothing", code=3)
    run("retract", ROOT.split("/")[-1], "m3", code=3)
    # An id of another conversation is none of this one.
    F.mock.do(lambda: F.mock.append("message", ROMEO, "theirs-to-romeo", direction="out", body="x", state="delivered"))
    run("retract", "juliet", "theirs-to-romeo", code=3)
    expect(not F.called("Send") and not F.called("Retract"), F.mock.calls)


@test("/amend/wrong-lines-and-refusals")
def _():
    for line in (("edit", "juliet"), ("edit", "juliet", "last", ""), ("react", "juliet", "last"), ("react", "juliet", "last", "👍", "--remove"),
                 ("react", "juliet", "last") + ("👍",) * 9, ("retract", "juliet"), ("send", "juliet", "ghost@attic", "x", "--reply-to", "m1")):
        run(*line, code=2)
    expect(not F.called("Send") and not F.called("React"), F.mock.calls)
    F.mock.failures["Retract"] = [Failure("Failed", "it never arrived")]
    run("retract", "juliet", "last", code=1)
    F.mock.failures["React"] = [Failure("Unsupported", "texts only")]
    run("react", "juliet", "last", "👍", code=1)


@test("/amend/send-answers-and-links")
def _():
    run("send", "juliet", "yes", "--reply-to", "last", "--url", "https://x.example/", "--plain")
    expect(F.called("Send")[-1][2][2] == {"reply_to": "m2", "url": "https://x.example/", "unstyled": True}, F.mock.calls)
    run("send", "juliet", "no", "--reply-to", "m1")
    expect(F.called("Send")[-1][2][2] == {"reply_to": "m1"}, F.mock.calls)


def amended():
    F.mock.do(lambda: F.mock.append("message", JULIET, "m4", announce=False, direction="in", from_=JULIET, body="newest", trust="verified", edited=5,
                                    reactions=[(JULIET, ["👍"]), ("/", ["❤️", "\x1b[31m"])], url="https://x.example/"))
    F.mock.do(lambda: F.mock.append("message", JULIET, "m5", announce=False, direction="in", from_=JULIET, body="", trust="verified", retracted=5))
    F.mock.do(lambda: F.mock.append("edit", JULIET, "e1", announce=False, direction="in", from_=JULIET, about="m4\x1b", body=HOSTILE_BODY, trust="verified"))
    F.mock.do(lambda: F.mock.append("reaction", JULIET, "r1", announce=False, direction="in", from_=JULIET, about="m4", emojis=["👍"], trust="verified"))


@test("/amend/the-log-shows-what-became-of-it-escaped")
def _():
    amended()
    text = run("log", "juliet").out
    expect("[edited; 👍 by juliet; ❤️ \\u{1b}[31m by me; link: https://x.example/]  newest" in text, text)
    expect("[retracted]" in text, text)
    expect(not [secret for secret in SECRETS if secret in text], repr(text))
    expect("  m4  juliet" in run("log", "juliet", "--ids").out, "ids")
    line = run("log", "juliet", "--json").lines()[3]
    expect(line["reactions"] == [{"direction": "in", "emojis": ["👍"]}, {"direction": "out", "emojis": ["❤️", "\x1b[31m"]}], line)
    expect(line["url"] == "https://x.example/" and "edited" in line and "retracted" not in line, line)
    feed = run("watch", "--since", "5", "--kinds", "edit,reaction", "--json", "--timeout", "2", code=6).lines()
    expect([(row["type"], row.get("about")) for row in feed] == [("edit", "m4\x1b"), ("reaction", "m4")], feed)
    expect(feed[1]["emojis"] == ["👍"] and feed[1]["direction"] == "in", feed)
    text = run("watch", "--since", "5", "--kinds", "edit,reaction", "--timeout", "2", code=6).out
    expect("m4 👍" in text and not [secret for secret in SECRETS if secret in text], repr(text))


@test("/amend/what-the-other-side-does-not-have-is-marked")
def _():
    for n, changed in enumerate((dict(edited=5, change_state="queued", change_reason="NotReachable"), dict(change_state="failed", change_reason="conflict"),
                                 dict(edited=5, change_state="expired"), dict(retracted=5, change_state="failed", change_reason="\x1b[31m"))):
        F.mock.do(lambda: F.mock.append("message", JULIET, "c%d" % n, announce=False, direction="out", body="text", state="delivered", **changed))
    text = run("log", "juliet").out
    for mark in ("[delivered; edited (there: queued, NotReachable)]", "[delivered; correction failed, conflict]", "[delivered; edited; correction expired]",
                 "[delivered; retracted (there: failed, \\u{1b}[31m)]"):
        expect(mark in text, (mark, text))
    lines = run("log", "juliet", "--json").lines()[-4:]
    expect([line["change_state"] for line in lines] == ["queued", "failed", "expired", "failed"] and lines[0]["change_reason"] == "NotReachable", lines)
    expect("change_state" not in run("log", "juliet", "--json").lines()[0], lines)


@test("/amend/inbox-leaves-out-what-was-taken-back")
def _():
    F.mock.do(lambda: F.mock.append("message", ROMEO, "i1", announce=False, direction="in", from_=ROMEO, body="", trust="verified", retracted=5))
    F.mock.do(lambda: F.mock.append("message", ROMEO, "i2", announce=False, direction="in", from_=ROMEO, body="still unread", trust="verified"))
    F.mock.do(lambda: F.mock.append("message", ROMEO, "i3", announce=False, direction="in", from_=ROMEO, body="", trust="verified", retracted=5))
    F.mock.do(lambda: F.mock.change(ROMEO, "Conversation", Unread=1))
    lines = [line for line in run("inbox", "--json").lines() if line["id"].startswith("i")]
    expect([line["body"] for line in lines] == ["still unread"], lines)


@test("/amend/receive-all-tells-kind-and-message")
def _():
    amended()
    program = 'echo "$EARSHOT_KIND|$EARSHOT_ABOUT|$(head -c5)"'
    plain = run("receive", "--consumer", "a", "--from-start", "--exec", program).out.splitlines()
    expect(all(line.startswith("message||") for line in plain if "|" in line), plain)
    features("edits", "reactions")
    full = run("receive", "--consumer", "b", "--from-start", "--all", "--exec", program).out
    expect("edit|m4%1B|first" in full and "reaction|m4|👍" in full, full)


main()
