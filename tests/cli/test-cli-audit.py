#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl against a mock daemon on a private bus: the audit, links to keys, QR codes. TAP."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (  # noqa: E402
    F, JULIET, KEY_JULIET, KEY_MALLORY, KEY_ME, KEY_ROMEO, ROMEO, SECRETS, Skip, Terminal, expect, key_path, main, mock_variant, run, test,
)
from mock import ROOT, Failure, variant  # noqa: E402

HASH = "5a" * 32
EVIL = "name=\x1b[31mverified\u202e\npin: pinned"
LINK = "xmpp:%s?trust-message;encryption=im.earshot%%3Atls%%3A0;trust=%s"
MY_LINK = LINK % ("me@here", KEY_ME)


def records(total, **more):
    """The mock's log, newest first, with what was asked of it."""
    def list_audit(_path, before, limit, _options):
        found = [n for n in range(total, 0, -1) if before == 0 or n < before]
        item = lambda n: (n, 1767607331512034 + n, "accept", KEY_JULIET, "pinned", {
            "contact": mock_variant("o", JULIET), "inputs": mock_variant("s", "number=%d" % n), "caller": mock_variant("s", "name=:1.7 pid=1"),
            "hash": mock_variant("s", HASH), **more})
        return variant("(a(txsssa{sv})b)", ([item(n) for n in found[:limit]], len(found) > limit))
    F.mock.do_ListAudit = list_audit


def result_of_check(**result):
    types = {"first": "t", "last": "t", "count": "t", "broken": "t", "noted": "t", "sound": "b"}
    answer = {key: mock_variant(types.get(key, "s"), value) for key, value in result.items()}
    F.mock.do_CheckAudit = lambda _path, _options: variant("(a{sv})", (answer,))


def parses(address, fingerprint):
    F.mock.do_ParseLink = lambda _path, _uri: variant("(ssa{sv})", (address, fingerprint, {}))
    F.mock.do_AddContact = lambda *_: variant("(o)", (ROOT + "/contact/9",))


def our_link(link):
    F.mock.do(lambda: F.mock.change(ROOT, "Manager", TrustLink=link))


def changes():
    return [call for call in F.mock.calls if call[0] not in ("ParseLink", "ListAudit", "CheckAudit")]


# --- audit ---------------------------------------------------------------------------------


@test("/audit/pages-and-order")
def _():
    records(700)
    rows = re.findall(r"^(\d+) ", run("audit").out, re.M)
    expect(rows == [str(n) for n in range(651, 701)], rows)
    rows = [line["n"] for line in run("audit", "-n", "600", "--json").lines()]
    expect(rows == list(range(101, 701)), len(rows))
    expect([c[2][:2] for c in F.called("ListAudit")][-3:] == [(0, 256), (445, 256), (189, 88)], F.called("ListAudit"))
    rows = run("audit", "--since", "2026-01-01", "--json").lines()
    expect(len(rows) == 700 and rows[0]["type"] == "audit" and rows[0]["time"].startswith("2026-01-05T10:02:11"), rows[0])
    expect(rows[0]["peer"]["petname"] == "juliet" and rows[0]["hash"] == HASH and rows[0]["caller"] == "name=:1.7 pid=1", rows[0])
    expect(rows[0]["verdict"] == "pinned" and rows[0]["inputs"] == "number=1" and rows[0]["fingerprint"] == KEY_JULIET, rows[0])
    records(0)
    expect(run("audit").out == "", "an empty one")


@test("/audit/filters")
def _():
    records(1)
    run("audit", "--contact", "juliet", "--event", "accept", "--since", "2026-01-01")
    expect(F.called("ListAudit")[-1][2][2] == {"contact": JULIET, "event": "accept", "since": 1767225600000000}, F.called("ListAudit"))
    run("audit", "--contact", "dd" * 8)  # forgotten: nobody has it, the record has
    expect(F.called("ListAudit")[-1][2][2] == {"fingerprint": "dd" * 8}, F.called("ListAudit"))
    F.mock.calls.clear()
    run("audit", "--contact", "nobody", code=3)
    for wrong in (["-n", "-1"], ["--since", "tomorrow-ish"], ["--head", HASH], ["--check", "-n", "3"], ["--check", "--contact", "juliet"],
                  ["--check", "--head", "5a"], ["--check", "--head", "x" * 64], ["surplus"]):
        run("audit", *wrong, code=2)
    expect(F.mock.calls == [], F.mock.calls)


@test("/audit/hostile-words-are-escaped")
def _():
    records(2, inputs=mock_variant("s", EVIL), caller=mock_variant("s", "program=/tmp/\x1b]0;x\x07"), contact=mock_variant("o", ROMEO))
    text = run("audit").out
    expect("\\u{1b}[31mverified\\u{202e}\\u{a}pin: pinned" in text and len(text.splitlines()) == 6, text)
    expect(run("audit", "--json").lines()[0]["inputs"] == EVIL, "JSON")


@test("/audit/check")
def _():
    result_of_check(sound=True, first=1, last=9, count=9, head=HASH)
    result = run("audit", "--check")
    expect("9 records, 1 to 9" in result.out and HASH in result.out and "--head" in result.err, result)
    expect(F.mock.calls[-1] == ("CheckAudit", ROOT, ({},)), F.mock.calls)
    line = run("audit", "--check", "--json").lines()[0]
    expect(line["type"] == "audit-check" and line["sound"] is True and line["head"] == HASH and line["count"] == 9, line)
    run("audit", "--check", "--head", HASH, code=1)  # sound in itself, but not the one that was noted
    expect(F.mock.calls[-1] == ("CheckAudit", ROOT, ({"hash": HASH},)), F.mock.calls)
    expect(run("audit", "--check", "--head", HASH, "--json", code=1).lines()[0]["head_found"] is False, "JSON")
    result_of_check(sound=True, first=1, last=9, count=9, head=HASH, noted=7)
    expect("is record 7" in run("audit", "--check", "--head", HASH).out, "found")
    result_of_check(sound=False, reason="missing", broken=4, first=1, last=9, count=3, head=HASH)
    result = run("audit", "--check", code=1)
    expect("record 4" in result.out and "removed" in result.out and "tampered" in result.err, result)
    line = run("audit", "--check", "--json", code=1).lines()[0]
    expect(line["sound"] is False and line["broken"] == 4 and line["reason"] == "missing", line)
    result_of_check()  # a daemon that says nothing says nothing good
    run("audit", "--check", code=1)


# --- links ---------------------------------------------------------------------------------


@test("/link/T-17-nothing-happens-unasked")
def _():
    parses("romeo@forza", KEY_ROMEO)
    for arguments in (["--link", LINK % ("romeo@forza", KEY_ROMEO)], ["--fingerprint", LINK % ("romeo@forza", KEY_ROMEO)],
                      [KEY_ROMEO[:16], "--link", LINK % ("romeo@forza", KEY_ROMEO)], ["--in-person", "--link", "xmpp:x?y"]):
        expect("--yes" in run("trust", "accept", *arguments, code=2).err, arguments)
    parses("nurse@forza", "dd" * 32)
    expect("--yes" in run("trust", "accept", "--link", LINK % ("nurse@forza", "dd" * 32), code=2).err, "an unknown key")
    expect(changes() == [] and F.called("ParseLink"), F.mock.calls)


@test("/link/T-17-what-the-daemon-refuses-changes-nothing")
def _():
    F.mock.failures["ParseLink"] = [Failure("InvalidArgument", "no trust link: it names more than one key")]
    result = run("trust", "accept", "--yes", "--link", LINK % ("a@b", KEY_ROMEO) + ";trust=" + KEY_JULIET, code=2)
    expect("more than one key" in result.err and changes() == [], result)
    run("trust", "accept", "--yes", "--link", LINK % ("a@b", KEY_ROMEO), "--fingerprint", KEY_ROMEO, code=2)
    expect(changes() == [], F.mock.calls)


@test("/link/accepts-the-key-it-names")
def _():
    parses("romeo@forza", KEY_ROMEO)
    run("trust", "accept", "--yes", "--link", LINK % ("romeo@forza", KEY_ROMEO))
    expect(changes() == [("Accept", key_path(KEY_ROMEO), (KEY_ROMEO, {"source": "fingerprint"}))], changes())
    F.mock.calls.clear()
    run("trust", "accept", "--yes", "--in-person", "--name", "romeo", "--link", LINK % ("romeo@forza", KEY_ROMEO))
    expect(changes()[0] == ("Accept", key_path(KEY_ROMEO), (KEY_ROMEO, {"source": "qr", "in_person": True})), changes())
    expect(changes()[1][0] == "Set" and len(changes()) == 2, changes())
    F.mock.calls.clear()
    run("trust", "accept", "--in-person", "--fingerprint", KEY_ROMEO)
    expect(changes() == [("Accept", key_path(KEY_ROMEO), (KEY_ROMEO, {"source": "fingerprint", "in_person": True}))], changes())


@test("/link/of-another-key-than-the-peer-is-7")
def _():
    parses("juliet@pronto", KEY_MALLORY)
    run("trust", "accept", "--yes", "juliet", "--link", LINK % ("juliet@pronto", KEY_ROMEO), code=7)
    expect([c for c in changes() if c[0] != "Resolve"] == [] and not F.called("Resolve"), changes())
    parses("juliet@pronto", "dd" * 32)
    run("trust", "accept", "--yes", "juliet", "--link", LINK % ("juliet@pronto", "dd" * 32), code=7)
    expect(changes() == [], changes())


@test("/link/T-17-never-lifts-a-block")
def _():
    F.mock.do(lambda: F.mock.change(ROMEO, "Contact", Blocked=True))
    parses("romeo@forza", KEY_ROMEO)
    result = run("trust", "accept", "--yes", "--in-person", "--link", LINK % ("romeo@forza", KEY_ROMEO), code=7)
    expect("blocked" in result.err and "unblock" in result.err and changes() == [], result)
    # And the daemon has the last word, also where we knew of no block.
    parses("nurse@forza", "dd" * 32)
    F.mock.failures["AddContact"] = [Failure("Blocked", "The contact of this key is blocked: unblock it first")]
    run("trust", "accept", "--yes", "--link", LINK % ("nurse@forza", "dd" * 32), code=7)


@test("/link/of-somebody-never-seen")
def _():
    parses("nurse@forza", "dd" * 32)
    run("trust", "accept", "--yes", "--link", LINK % ("nurse@forza", "dd" * 32))
    expect(changes() == [("AddContact", ROOT, ("nurse", "dd" * 32, [], {"source": "fingerprint"}))], changes())
    F.mock.calls.clear()
    parses("Juliet@forza", "dd" * 32)  # somebody has that petname: none is better than hers
    line = run("trust", "accept", "--yes", "--json", "--in-person", "--link", LINK % ("juliet@forza", "dd" * 32)).lines()[0]
    expect(changes() == [("AddContact", ROOT, ("", "dd" * 32, [], {"source": "qr", "in_person": True}))], changes())
    expect(line["choice"] == "accept" and line["fingerprint"] == "dd" * 32, line)
    F.mock.calls.clear()
    run("trust", "accept", "--yes", "--name", "anne", "--link", LINK % ("juliet@forza", "dd" * 32))
    expect(changes()[0][2][0] == "anne", changes())


@test("/link/in-a-name-conflict-says-who-is-meant")
def _():
    parses("juliet@pronto2", KEY_MALLORY)
    result = run("trust", "accept", "--yes", "--link", LINK % ("juliet@pronto2", KEY_MALLORY), code=7)
    expect("replace" in result.err and changes() == [], result)
    run("trust", "accept", "--yes", "--separate", "--link", LINK % ("juliet@pronto2", KEY_MALLORY))
    expect(changes() == [("Accept", key_path(KEY_MALLORY), (KEY_MALLORY, {"source": "fingerprint"}))], changes())


@test("/link/T-17-a-person-is-told-what-changes-and-asked")
def _():
    parses("romeo\x1b[31m@forza", KEY_ROMEO)
    for answer, code, calls in (("n\r", 1, 0), ("\r", 1, 0), ("y\r", 0, 1)):
        terminal = Terminal("trust", "accept", "--in-person", "--link", LINK % ("romeo@forza", KEY_ROMEO))
        shown = re.sub(r"\s+", " ", terminal.read_until("[y/N]"))
        expect("b2b2b2b2 " * 7 in shown and "unknown becomes verified" in shown and "face to face" in shown, shown)
        expect("romeo\\u{1b}[31m@forza" in shown and "romeo@forza" in shown, shown)
        terminal.type(answer)
        expect(terminal.finish()[0] == code, answer)
        expect(len(changes()) == calls, changes())
    parses("juliet@pronto", KEY_JULIET)
    terminal = Terminal("trust", "accept", "--link", LINK % ("juliet@pronto", KEY_JULIET))
    expect("verified becomes verified" in terminal.read_until("[y/N]"), "what is more stays")
    terminal.type("n\r")
    terminal.finish()


# --- QR ------------------------------------------------------------------------------------


def bitmap(text):
    """What a camera would see of the terminal: a PGM, white where there is ink."""
    rows = []
    for line in text.splitlines():
        if "#" in line:
            rows.append([c == "#" for c in line[::2]])
            expect(line[::2] == line[1::2], "two characters a module", line)
        else:
            rows.append([c in "\u2580\u2588" for c in line])
            rows.append([c in "\u2584\u2588" for c in line])
    width, scale = len(rows[0]), 4
    expect(all(len(row) == width for row in rows), [len(row) for row in rows])
    pixels = b"".join(bytes(255 if ink else 0 for ink in row for _ in range(scale)) * scale for row in rows)
    return b"P5 %d %d 255\n" % (width * scale, len(rows) * scale) + pixels


def decode(text):
    if not shutil.which("zbarimg"):
        raise Skip("zbarimg is not installed")
    with tempfile.NamedTemporaryFile(suffix=".pgm") as file:
        file.write(bitmap(text))
        file.flush()
        done = subprocess.run(["zbarimg", "--quiet", "--raw", "--nodbus", file.name], capture_output=True, text=True, timeout=60)
        return done.stdout.rstrip("\n")


def drawn(*arguments, **more):
    result = F.run("id", "qr", *arguments, **more)
    if "without libqrencode" in result.err:
        raise Skip("this build has no libqrencode")
    expect(result.code == 0, result)
    return result


@test("/id/qr-is-read-by-a-decoder")
def _():
    our_link(MY_LINK)
    result = drawn()
    expect("\u2588" in result.out and "#" not in result.out and "\x1b" not in result.out, result)
    expect("0e0e0e0e " * 7 in result.err, result)
    expect(decode(result.out) == MY_LINK, decode(result.out))
    # The longest link there is, and one with escapes.
    long = LINK % ("%3D" * 61 + "@h", KEY_ME)
    our_link(long)
    expect(decode(drawn().out) == long, "the longest")


@test("/id/qr-without-utf8-is-ascii")
def _():
    our_link(MY_LINK)
    result = drawn(env={"LC_ALL": "C"})
    expect(set(result.out) == {"#", " ", "\n"}, set(result.out))
    expect(decode(result.out) == MY_LINK, decode(result.out))


@test("/id/qr-in-colour-is-white-on-black")
def _():
    our_link(MY_LINK)
    lines = drawn("--color=always").out.splitlines()
    expect(all(line.startswith("\x1b[38;5;231;48;5;16m") and line.endswith("\x1b[0m") for line in lines), lines[0])
    expect(decode("\n".join(re.sub("\x1b\\[[0-9;]*m", "", line) for line in lines)) == MY_LINK, "decoded")


@test("/id/qr-needs-an-address")
def _():
    run("id", "qr", code=3)
    expect(run("id", "qr", "--json").lines()[0]["link"] == "", "JSON")


@test("/id/show-has-the-link")
def _():
    our_link(MY_LINK)
    expect(MY_LINK + "\n" in run("id", "show").out and MY_LINK in run("id").out, "text")
    expect(run("id", "--json").lines()[0]["link"] == MY_LINK, "JSON")
    our_link("xmpp:\x1b[2J")
    expect(all(secret not in run("id").out for secret in SECRETS), "escaped")


if __name__ == "__main__":
    main()
