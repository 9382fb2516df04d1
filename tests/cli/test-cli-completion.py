#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl's completion against a mock daemon, in real shells: it offers what the commands' own tables say and who is there, and a name can
do nothing but be typed. TAP."""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (  # noqa: E402
    BUILD, F, GHOST, JULIET, KEY_MALLORY, KEY_ROMEO, MALLORY, PATIENCE, ROMEO, SOURCE, XMPPCTL, Skip, commands, expect, main, run, test,
    wait_for,
)
from mock import ROOT, variant  # noqa: E402

SCRIPTS = {shell: os.path.join(SOURCE, "data/xmppctl." + shell) for shell in ("bash", "zsh", "fish")}
SCRATCH = tempfile.TemporaryDirectory(prefix="earshot-completion.")
MARKER = os.path.join(SCRATCH.name, "pwned")


def offered(*words, patience=("--timeout", str(PATIENCE)), **more):
    """What may come next: {word: text}. A machine that is busy is not what is tested."""
    first, *lines = run(*patience, "completion", "words", *words, **more).out.splitlines()
    expect(first in ("words", "files"), words, first)
    expect(all(line.count("\t") == 1 for line in lines), words, lines)
    return dict(line.split("\t") for line in lines)


def alone(path=GHOST, **properties):
    """The only peer there is."""
    def change():
        for other in (JULIET, ROMEO, MALLORY, GHOST):
            if other != path:
                F.mock.remove(other)
        F.mock.change(path, "Contact", **properties)
    F.mock.do(change)


# --- what is offered ----------------------------------------------------------------------


@test("/completion/has-every-command-and-option")
def _():
    for shell, path in SCRIPTS.items():
        with open(path, encoding="utf-8") as file:
            expect(run("completion", shell).out == file.read(), "the binary prints another script for", shell)
    for prefix, help_text in commands():
        block = re.search(r"\nCommands:\n((?:  .*\n)+)", help_text)
        next_words = offered(*prefix, "")
        for line in block.group(1).splitlines() if block else []:
            expect(line.split()[0] in next_words, prefix, "does not offer", line.split()[0], next_words)
            expect(line.split(None, 1)[1] == next_words[line.split()[0]], prefix, "says something else of", line)
        options = offered(*prefix, "-")
        for letter, option in re.findall(r"^ +(?:-(\w), )?--([\w-]+)", help_text, re.M):
            expect("--" + option in options and (not letter or "-" + letter in options), prefix, "does not offer --" + option, options)


@test("/completion/values-come-from-what-the-command-takes")
def _():
    expect(set(offered("wait", "juliet", "--for", "")) == {"sighted", "online", "pinned", "verified", "message"}, "--for")
    expect(set(offered("wait", "--for=on")) == {"--for=online"}, "behind =")
    expect(set(offered("send", "--wait", "d")) == {"delivered", "displayed"}, "--wait")
    expect("message,reaction" in offered("watch", "--kinds", "message,re"), "a list")
    expect(set(offered("--color", "")) == {"auto", "always", "never"}, "--color")
    expect(set(offered("config", "set", "show", "")) == {"available", "away", "dnd"}, "a setting's values")
    expect("trust-mode" in offered("config", "get", "t") and "show" not in offered("config", "get", "t"), "settings")
    expect(set(offered("access", "grant", "x", "re")) == {"read"}, "scopes")
    expect(offered("edit", "juliet", "la") == {"last": ""} and "rotate" in offered("audit", "--event", "rot"), "words")
    # Every word that is offered for an option is one that it takes.
    for line in (["wait", "juliet", "--timeout", "0.01", "--for"], ["send", "juliet", "x", "--timeout", "0.01", "--wait"]):
        for word in offered(line[0], line[-1], ""):
            expect(F.run(*line, word).code != 2, line, "does not take", word)


@test("/completion/knows-where-it-is")
def _():
    expect(offered("peers", "--", "-") == {}, "no options behind --")
    expect("ls" in offered("--verbose", "--timeout", "5", "trust", "") and "ls" in offered("--timeout=5", "-q", "trust", ""), "global options before")
    expect("juliet" in offered("log", "-n", "5", "ju") and offered("log", "-n", "") == {}, "a letter's value")
    expect("juliet" in offered("log", "-n5", "ju") and "juliet" in offered("log", "-in", "5", "ju"), "letters together")
    expect(offered("show", "juliet", "") == {} and "juliet" in offered("send", "--to", "ju"), "as many as it takes")
    expect(offered("nonsense", "") == {} and offered("trust", "nonsense", "") == {} and offered("--nonsense", "x", "") == {}, "unknown")
    expect(offered("config", "set", "nonsense", "") == {} and offered("trust", "accept", "--fingerprint", "") == {}, "nothing to offer")
    for line in (["id", "export", ""], ["log", "--export", ""], ["log", "--import="], ["id", "import", "--passphrase-file", ""]):
        expect(run("completion", "words", *line).out.startswith("files\n"), line)


# --- who and what is there --------------------------------------------------------------------


@test("/completion/offers-living-things-and-says-what-they-are")
def _():
    names = offered("send", "")
    expect(names["juliet"] == "verified, online" and names["romeo@forza"].startswith("unknown, sighted: "), names)
    # Where trust changes, an address does not say whose: there it is digits of the key.
    names = offered("trust", "accept", "")
    expect(KEY_ROMEO[:16] in names and "romeo@forza" not in names and "juliet" in names, names)
    F.mock.do(lambda: F.mock.change(ROOT, "Manager", Invites=[("7744c0392e2e9a27", "open", 4102444800000000, {"uses": variant("u", 1)})]))
    expect(list(offered("pair", "revoke", "")) == ["7744c0392e2e9a27"], "invites")
    expect(list(offered("net", "static", "rm", "")) == ["192.0.2.7:5298"], "addresses")
    expect(offered("access", "revoke", "") == {"flatpak:org.example.Chat": "allowed"}, "programs")
    expect(run("completion", "peers").out.splitlines() == list(offered("show", "")), "the list of names")


@test("/completion/without-a-daemon-what-is-known-is-offered")
def _():
    F.mock.do(F.mock.disown)
    try:
        expect("status" in offered("st") and "--wait" in offered("send", "--w") and offered("show", "") == {}, "static words")
        expect("away" in offered("config", "set", "show", "a"), "settings")
        expect(run("completion", "words", "show", "").err == "" and run("completion", "peers", code=9).err == "", "no complaint")
        expect("status" in offered("st", env={"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}), "no bus")
    finally:
        F.mock.do(F.mock.own)


@test("/completion/a-daemon-that-does-not-answer-costs-two-seconds")
def _():
    F.mock.silent.add("GetManagedObjects")
    before = time.monotonic()
    expect(offered("show", "", patience=()) == {}, "no names")
    expect(time.monotonic() - before >= 1.9, "it did not ask")
    expect("status" in offered("st"), "static words ask nobody")


@test("/completion/runs-no-program-for-an-address-of-a-bus")
def _():
    for typed in (["--bus", "unixexec:path=/usr/bin/touch,argv1=" + MARKER], ["--bus=unixexec:path=/usr/bin/touch,argv1=" + MARKER]):
        offered(*typed, "show", "")
        expect(not os.path.exists(MARKER), "a program was run by a key press")
    expect("juliet" in offered("--bus=" + F.bus.address, "show", "", env={"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}), "its own bus")


UNTYPEABLE = ["-rf@x", "--help", "x\ny@z", "x\ty", "x\x1b[31m@y", "x\u202ey@z", "x\u200b@y", "\x9b@y", "x\u2028y"]


@test("/completion/names-that-cannot-be-typed-are-digits")
def _():
    for name in UNTYPEABLE:
        F.mock.do(lambda: F.mock.change(MALLORY, "Contact", ClaimedAddress=name, ClaimedName=name))
        names = offered("show", "")
        expect(KEY_MALLORY[:16] in names and name not in names, repr(name), names)
        F.mock.do(lambda: F.mock.change(MALLORY, "Contact", Petname=name))
        expect(KEY_MALLORY[:16] in offered("show", ""), repr(name))
        F.mock.do(lambda: F.mock.change(MALLORY, "Contact", Petname=""))
    F.mock.do(lambda: F.mock.change(GHOST, "Contact", ClaimedAddress="x\n--exec\trm"))
    expect(not any("exec" in word for word in offered("show", "")), "a keyless one is not offered at all")


# --- in the shells --------------------------------------------------------------------------------


@test("/completion/how-bash-splits-words")
def _():
    def complete(line):
        """The words as bash gives them to a function."""
        script = ('source "$1"; COMP_LINE=$2 COMP_POINT=${#2} COMP_CWORD=$(($# - 3)); shift 2; COMP_WORDS=("$@"); _xmppctl; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        # As bash does: a separator is a word of its own.
        words = re.findall(r"[=:@]+|(?:\\.|[^\s=:@])+", line) + ([""] if line[-1] == " " else [])
        done = subprocess.run(["bash", "-c", script, "bash", SCRIPTS["bash"], line, *words], capture_output=True, text=True,
                              env={**F.env, "PATH": BUILD + ":" + os.environ["PATH"]}, timeout=PATIENCE)
        expect(done.stderr == "", done.stderr)
        return done.stdout.split("\n")[:-1]

    expect(complete("xmppctl send jul")[0] == "juliet", complete("xmppctl send jul"))
    expect(complete("xmppctl wait juliet --for=onl") == ["online"] and len(complete("xmppctl wait juliet --for=")) == 5, "values behind =")
    expect(complete("xmppctl show romeo@fo") == ["@forza"] and complete("xmppctl show romeo@") == ["@forza"], "addresses")
    expect(complete("xmppctl --timeout=5 trust pen") == ["pending"] and "accept" in complete("xmppctl  trust "), "spaces")


class Shell:
    """A shell with a person at it. Its xmppctl completes, and writes down what else it is given."""

    SETUP = {
        "bash": (["--norc", "-i"], 'source "$SCRIPT"'),
        "zsh": (["-f", "-i"], 'setopt interactivecomments; autoload -Uz compinit && compinit -u -D; source "$SCRIPT"'),
        "fish": (["--no-config", "-i"], 'source "$SCRIPT"'),
    }

    def __init__(self, shell):
        program = shutil.which(shell)
        if program is None:
            raise Skip("no " + shell)
        self.last = None
        self.given = os.path.join(SCRATCH.name, "given")
        bin_dir = os.path.join(SCRATCH.name, "bin")
        home = os.path.join(SCRATCH.name, "home")
        os.makedirs(bin_dir, exist_ok=True)
        os.makedirs(home, exist_ok=True)
        with open(os.path.join(bin_dir, "xmppctl"), "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\n[ "$1" != completion ] || exec "%s" --timeout %d "$@"\nprintf "%%s\\0" "$@" >"%s.new" && mv "%s.new" "%s"\n'
                       % (XMPPCTL, PATIENCE, self.given, self.given, self.given))
        os.chmod(os.path.join(bin_dir, "xmppctl"), 0o755)
        arguments, setup = self.SETUP[shell]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(home)
                os.execve(program, [program, *arguments], {
                    **F.env, "TERM": "xterm", "PATH": bin_dir + ":" + os.environ["PATH"], "SCRIPT": SCRIPTS[shell], "HOME": home, "PS1": "",
                    "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home, "INPUTRC": "/dev/null", "ZDOTDIR": home})
            finally:
                os._exit(127)
        self.type(setup + "\r")
        self.run("xmppctl ready\r")

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def read(self):
        """What a terminal would take away, so that the shell never waits for one."""
        os.set_blocking(self.fd, False)
        try:
            while os.read(self.fd, 65536):
                pass
        except (BlockingIOError, OSError):
            pass

    def run(self, keys):
        """What xmppctl was given by that line."""
        if os.path.exists(self.given):
            os.unlink(self.given)
        self.type(keys)

        def is_there():
            self.read()
            return os.path.exists(self.given)
        wait_for(is_there, repr(keys))
        with open(self.given, encoding="utf-8") as file:
            self.last = file.read().split("\0")[:-1]
            return self.last

    def stop(self):
        self.type("\x03\x15exit\r")
        os.close(self.fd)
        os.waitpid(self.pid, 0)


HOSTILE_NAMES = [
    "$(touch %s)@x" % MARKER, "`touch %s`@x" % MARKER, ";touch %s;@x" % MARKER, "$HOME@x", "a'b\"c@x", "two  words@x", "*@?[a]", "~root@x",
    "!!@x", "back\\slash\\@x", "a&b|c>d<e@x", "#no comment@x", "{a,b}@x", "h%n%F{red}@x", "=ls@x", "'@x", "\"@x", "'; touch %s; '@x" % MARKER,
    "(x)@y", "Jos\u00e9 \u6f22@x", "a:b=c@d", "\\$(touch %s)@x" % MARKER, "^a^b@x",
]


def plays(shell):
    person = Shell(shell)
    try:
        expect(person.run("xmppctl se\t\r") == ["send"] or shell, "a command")
        expect(person.run("xmppctl wait juliet --fo\tonl\t\r") == ["wait", "juliet", "--for", "online"], "an option and its value")
        expect(person.run("xmppctl send --wait=disp\t\r") == ["send", "--wait=displayed"], "a value behind =")
        expect(person.run("xmppctl trust pen\t\r") == ["trust", "pending"], "a command of a command")
        for typed in ("rom", "romeo@", "romeo@f"):
            expect(person.run("xmppctl show " + typed + "\t\r") == ["show", "romeo@forza"], "an address", person.last)
        with open(os.path.join(SCRATCH.name, "home", "some file"), "w", encoding="utf-8"):
            pass
        expect(person.run("xmppctl id import some\t\r") == ["id", "import", "some file"], "a file")
        for name in HOSTILE_NAMES:
            F.reset()
            alone(ClaimedAddress=name)
            expect(person.run("xmppctl show \t\r") == ["show", name], "the name that arrives is not", name, person.last)
            expect(not os.path.exists(MARKER), name, "was run")
        F.reset()
        alone(ClaimedAddress="two \"$words`x`\" more")
        for typed in ("two\\ ", "'two ", '"two ') if shell != "fish" else ("two\\ ", "'two "):
            expect(person.run("xmppctl show " + typed + "\t\r") == ["show", "two \"$words`x`\" more"], "behind an open quote:", typed, person.last)
        for name in UNTYPEABLE:
            F.reset()
            alone(MALLORY, ClaimedAddress=name, ClaimedName=name)
            expect(person.run("xmppctl show \t\r") == ["show", KEY_MALLORY[:16]], repr(name), person.last)
    finally:
        person.stop()


@test("/completion/bash/names-arrive-as-they-are-and-run-nothing")
def _():
    plays("bash")


@test("/completion/zsh/names-arrive-as-they-are-and-run-nothing")
def _():
    plays("zsh")


@test("/completion/fish/names-arrive-as-they-are-and-run-nothing")
def _():
    plays("fish")


@test("/completion/fish/shows-what-a-word-is")
def _():
    if shutil.which("fish") is None:
        raise Skip("no fish")
    done = subprocess.run(["fish", "--no-config", "-c", 'source $argv[1]; complete -C "xmppctl se"; complete -C "xmppctl show juliet"', SCRIPTS["fish"]],
                          capture_output=True, text=True, timeout=PATIENCE,
                          env={**F.env, "PATH": BUILD + ":" + os.environ["PATH"], "HOME": SCRATCH.name, "XDG_CONFIG_HOME": SCRATCH.name, "XDG_DATA_HOME": SCRATCH.name})
    expect(re.search("^send\t[A-Z].*\njuliet\tverified, online\n", done.stdout), done)


if __name__ == "__main__":
    main()
