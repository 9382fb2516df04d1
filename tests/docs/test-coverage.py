#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which rows of docs/protocol.md section 9 have a test, as TAP.

A row has one when its id stands in the name or the docstring of a test that runs in `make check`: a string literal of
tests/unit/*.c or tests/fuzz/*.c that names a case, or the first line of the docstring of a @rig.test function listed in tests/lan/lan.mk.

tests/docs/uncovered.txt lists the rows that may be without: those of features that are not in this release. It only ever shrinks: a row without
a test that is not on the list fails, and so does one on the list that got a test.
"""
import ast
import glob
import os
import re
import sys

TOP = os.environ.get("top_srcdir") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
ID = re.compile(r"\b([PSTMGFX]-\d\d)\b")
FAMILIES = {"P": "presence", "S": "streams", "T": "trust", "M": "messages", "G": "groups", "F": "files", "X": "everywhere"}


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def rows():
    """{id: statement} of the checklist; twice the same id, or a row that is no row, is a mistake."""
    text = read("docs/protocol.md").split("\n## 9.", 1)[1]
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and ID.fullmatch(cells[0]):
            assert cells[0] not in found, "%s stands twice in docs/protocol.md" % cells[0]
            found[cells[0]] = cells[1]
    return found


def allowed():
    """{id: why} of the list."""
    found = {}
    for line in read("tests/docs/uncovered.txt").splitlines():
        if line.strip() and not line.startswith("#"):
            name, why = line.split(None, 1)
            assert name not in found and ID.fullmatch(name), line
            found[name] = why
    return found


def of_c(path):
    """The literals of a C test that name a case: the first argument of g_test_add*(), ADD(), PEOPLE_TEST() and their kind, or a TAP line."""
    for call in re.finditer(r'\b(?:g_test_add\w*|[A-Z][A-Z_]+|printf)\s*\(\s*((?:"(?:[^"\\]|\\.)*"\s*|[A-Z_]+\s*)+)', read(path)):
        yield " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', call.group(1)))


def of_python(path):
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(one) == "rig.test" for one in node.decorator_list):
            yield (ast.get_docstring(node) or node.name).splitlines()[0]


def tests():
    """{id: [where]}."""
    found = {}
    makefile = read("tests/lan/lan.mk")
    for pattern, names in (("tests/unit/*.c", of_c), ("tests/fuzz/*.c", of_c), ("tests/lan/test-*.py", of_python)):
        for path in sorted(glob.glob(os.path.join(TOP, pattern))):
            path = os.path.relpath(path, TOP)
            if path.endswith(".py") and path not in makefile:
                continue
            for name in names(path):
                for row in ID.findall(name):
                    places = found.setdefault(row, [])
                    if path not in places:
                        places.append(path)
    return found


def main():
    checklist, uncovered, covered = rows(), allowed(), tests()
    results = []

    def result(name, bad):
        results.append((name, bad))
    for family, word in FAMILIES.items():
        ids = [row for row in checklist if row.startswith(family)]
        have = [row for row in ids if row in covered]
        print("# %s %s: %d of %d rows have a test%s" % (family, word, len(have), len(ids), "" if len(have) == len(ids) else
                                                         "; without: " + " ".join(row[2:] for row in ids if row not in covered)))
        result("every row of %s has a test or is listed" % family,
               ["%s has no test: %s" % (row, checklist[row]) for row in ids if row not in covered and row not in uncovered])
    result("no listed row has a test: the list only shrinks",
           ["%s has a test in %s: take it off tests/docs/uncovered.txt" % (row, ", ".join(covered[row])) for row in uncovered if row in covered])
    result("tests and list name rows that exist",
           ["%s is no row (%s)" % (row, ", ".join(covered.get(row, ["tests/docs/uncovered.txt"]))) for row in sorted(set(covered) | set(uncovered))
            if row not in checklist])
    if "-v" in sys.argv:
        for row in checklist:
            print("# %s %s" % (row, " ".join(os.path.basename(path) for path in covered.get(row, ["-"]))))
    print("1..%d" % len(results))
    for number, (name, bad) in enumerate(results, 1):
        for line in bad:
            print("# " + line)
        print("%s %d - %s" % ("not ok" if bad else "ok", number, name))
    sys.exit(1 if any(bad for _, bad in results) else 0)


main()
