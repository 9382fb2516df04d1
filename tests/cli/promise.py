# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/xmppctl.schema.json, held against every line of --json that any test sees.

The schema lets a reader expect more members than it lists; the tests do not: what is printed and not described fails here, so that the
description cannot fall behind."""
import copy
import json
import os

try:
    import jsonschema
except ImportError:
    jsonschema = None

PATH = os.path.join(os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")), "docs/xmppctl.schema.json")
_validators = {}


def schema():
    with open(PATH) as file:
        return json.load(file)


def types(document):
    """The `type`s it describes."""
    return [one["$ref"].rsplit("/", 1)[1] for one in document["oneOf"]]


def _strict(node):
    if isinstance(node, dict):
        if "properties" in node and node.get("type") == "object":
            node.setdefault("additionalProperties", False)
        for value in node.values():
            _strict(value)
    elif isinstance(node, list):
        for value in node:
            _strict(value)


def _load():
    document = schema()
    jsonschema.Draft202012Validator.check_schema(document)
    for kind in types(document):
        # By its type alone: of a oneOf that failed nobody can tell why.
        strict = copy.deepcopy(document)
        strict["$ref"] = "#/$defs/" + kind
        del strict["oneOf"]
        _strict(strict["$defs"])
        _validators[kind] = jsonschema.Draft202012Validator(strict)


def check(line):
    """A line of xmppctl --json; the object. Raises AssertionError where the schema does not describe it."""
    value = json.loads(line)
    if jsonschema is None:
        return value
    if not _validators:
        _load()
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in _validators:
        raise AssertionError("docs/xmppctl.schema.json has no type %r: %s" % (kind, line))
    for error in _validators[kind].iter_errors(value):
        raise AssertionError("docs/xmppctl.schema.json does not describe %s: %s at %s" % (line.strip(), error.message, error.json_path))
    return value


def wanted(arguments):
    """Is what this command prints under the schema? An export has lines of the daemon's own, which leave out what is empty."""
    arguments = list(arguments)
    return "--json" in arguments and "--export" not in arguments and "--help" not in arguments


def check_text(arguments, out, err=""):
    """All that a command printed: stdout is nothing but lines of JSON; of stderr those that begin like one are."""
    if wanted(arguments):
        # A process that was ended may have been in the middle of a line.
        for line in out.splitlines(True):
            if line.endswith("\n"):
                check(line)
        for line in err.splitlines(True):
            if line.startswith("{") and line.endswith("\n"):
                check(line)


class Reader:
    """A stream of a process, each line checked as it is read."""

    def __init__(self, stream):
        self.stream = stream

    def readline(self):
        line = self.stream.readline()
        if line.endswith("\n") and line.startswith("{"):
            check(line)
        return line

    def read(self):
        return "".join(iter(self.readline, ""))

    def __iter__(self):
        return iter(self.readline, "")

    def __getattr__(self, name):
        return getattr(self.stream, name)
