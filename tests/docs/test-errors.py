#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Error names and exit codes: the document, the daemon, xmppctl and the interfaces know the same ones, and each is reached by a test. As TAP.

tests/lan/test-errors.py reaches them and fails when one of docs/api.md section 8 was not; so here is only seen that the document is complete, that
what the play names is what it should, and that what it leaves to others (ELSEWHERE) is asserted there.
"""
import ast
import glob
import os
import re
import sys

TOP = os.environ.get("top_srcdir") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PLAY = "tests/lan/test-errors.py"
# What xmppctl says of itself; no call over D-Bus ends so.
OF_XMPPCTL = {"Unavailable", "Partial"}


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def of_document():
    """The names and the codes of docs/api.md section 8."""
    section = read("docs/api.md").split("\n## 8. ", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if re.match(r"\| \d", line)]
    return set(re.findall(r"`(\w+)`", "".join(rows))), {int(code) for row in rows for code in re.findall(r"\d+", row.split("|")[1])}


def of_daemon():
    """The names on the bus; each constant of the enumeration has one."""
    enum = re.search(r"typedef enum \{([^}]*)\} EarshotError;", read("daemon/base/error.h")).group(1)
    constants = set(re.findall(r"EARSHOT_ERROR_\w+", enum)) - {"EARSHOT_ERROR_N"}
    entries = dict(re.findall(r'\{ (EARSHOT_ERROR_\w+), EARSHOT_ERROR_PREFIX "(\w+)" \}', read("daemon/base/error.c")))
    assert set(entries) == constants, set(entries) ^ constants
    return set(entries.values())


def of_xmppctl():
    """{name: code} of its table, and all codes."""
    numbers = {name: int(number) for name, number in re.findall(r"(EXIT_\w+) = (\d+)", read("cli/exit-code.h"))}
    return {name: numbers[code] for name, code in re.findall(r'\{ "(\w+)", (EXIT_\w+),', read("cli/exit-code.c"))}, set(numbers.values())


def of_interfaces():
    """The names that the prose of the interfaces gives after `Errors:`."""
    found = {}
    for path in sorted(glob.glob(os.path.join(TOP, "dbus/*.xml"))):
        for errors in re.findall(r"Errors:([^.;]*)[.;]", re.sub(r"\([^)]*\)", "", read(os.path.relpath(path, TOP)))):
            for name in re.split(r",|\band\b|\bor\b", errors):
                # "those of Send" is none.
                if re.fullmatch(r"[A-Z]\w+", name.strip()):
                    found.setdefault(name.strip(), os.path.basename(path))
    return found


def of_play():
    """What the play names: the names that it reaches, the codes, and {name: file} of ELSEWHERE."""
    tree = ast.parse(read(PLAY))
    names, codes, elsewhere = set(), set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ELSEWHERE":
            elsewhere = ast.literal_eval(node.value)
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func)
            if called in ("reach", "reached.add"):
                names.add(node.args[0].value)
            if called in ("leave", "left.add"):
                codes.add(node.args[0].value)
    return names, codes, elsewhere


def main():
    results = []
    names, codes = of_document()
    table, exits = of_xmppctl()
    played, ended, elsewhere = of_play()

    def same(what, a, b):
        results.append((what, ["only on one side: %s" % one for one in sorted(set(a) ^ set(b), key=str)]))
    same("the document names the errors of the daemon", names, of_daemon())
    same("xmppctl has an exit code for each", names, set(table) - OF_XMPPCTL)
    same("the document names the exit codes of xmppctl", codes, exits)
    same("the manual of xmppctl names them, too", codes,
         {int(code) for code in re.findall(r"^\.B (\d+)$", read("data/xmppctl.1").split("EXIT STATUS", 1)[1].split("\n.SH", 1)[0], re.M)})
    results.append(("the interfaces name none that there is not",
                    ["%s: %s" % (path, name) for name, path in of_interfaces().items() if name not in names]))
    same("each error is reached by a test", names, played | set(elsewhere))
    same("each exit code is reached by a test", codes, ended)
    results.append(("the play is played", [] if PLAY in read("tests/lan/lan.mk") else [PLAY + " is not in tests/lan/lan.mk"]))
    results.append(("what is reached elsewhere is asserted there",
                    ["%s does not assert %s" % (path, name) for name, path in elsewhere.items()
                     if not re.search(r'assert_cmpstr \(\w+, ==, EARSHOT_ERROR_PREFIX "%s"\)' % name, read(path))]))
    print("1..%d" % len(results))
    for number, (name, bad) in enumerate(results, 1):
        for line in bad:
            print("# " + line)
        print("%s %d - %s" % ("not ok" if bad else "ok", number, name))
    sys.exit(1 if any(bad for _, bad in results) else 0)


main()
