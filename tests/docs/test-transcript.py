#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/transcript.md, typed again: two hosts, two people, each at a real terminal (tmux), from `xmppctl --help` on. What is shown must be what
stands there, but for times, keys, ids, ports and addresses. `--write` puts what is shown now in its place. TAP.

In the text a block that begins with ```juliet or ```romeo is that person's screen: lines behind the prompt (`juliet@pronto$ `) are typed, and so is,
in a chat, what follows a line `(types) `. `(waits for TEXT)` waits until it is shown,
`(waits until PROPERTY is N)` for the daemon; none of these stands on the screen."""
import os
import re
import subprocess
import sys
import time

SOURCE = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path[:0] = [os.path.join(SOURCE, "tests/lan")]
import rig  # noqa: E402
from people import wait_sight  # noqa: E402

PATH = os.path.join(SOURCE, "docs/transcript.md")
COLUMNS, ROWS = 110, 90
WRITE = "--write" in sys.argv
if WRITE:
    sys.argv.remove("--write")
BLOCK = re.compile(r"^```(juliet|romeo)\n(.*?)^```\n", re.M | re.S)


class Screen:
    """One person's terminal: a tmux of its own inside the host."""

    def __init__(self, user, name):
        self.user, self.prompt = user, "%s@%s$ " % (name, user.host.name)
        self.socket = os.path.join(user.dir, "tmux")
        rc = os.path.join(user.dir, "bashrc")
        with open(rc, "w") as file:
            file.write("PS1='%s'\nunset HISTFILE\n" % self.prompt)
        env = dict(user.env(), DBUS_SESSION_BUS_ADDRESS=user.bus_address, PATH=rig.TOP_BUILD + ":" + os.environ["PATH"], TERM="xterm", TZ="UTC",
                   LC_ALL="C.UTF-8", NO_COLOR="1")
        subprocess.run(user.host.enter(["tmux", "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS),
                                        "exec bash --noprofile --rcfile '%s' -i" % rc]), env=env, check=True)
        self.wait(lambda text: text == self.prompt.strip(), "a prompt")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-S", self.socket, *arguments], capture_output=True, text=True, check=True).stdout

    def shown(self):
        return "\n".join(line.rstrip() for line in self.tmux("capture-pane", "-p").rstrip().splitlines())

    def wait(self, good, what):
        end = time.monotonic() + 60 * rig.SLOW
        while not good(self.shown()):
            if time.monotonic() > end:
                raise AssertionError("never showed %s, but:\n%s" % (what, self.shown()))
            time.sleep(0.05)  # a terminal sends no signal when it is painted
        return self.shown()

    def type(self, text):
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")

    def end(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True)


class Story:
    """What is different each time goes by the name it had first: keys as they stand in the text are those of today."""

    def __init__(self, screens):
        self.screens, self.keys = screens, {}

    def learn(self, name, key):
        self.keys[name] = key

    def today(self, text):
        """KEY-OF-romeo (16 digits of it) in what is typed."""
        return re.sub(r"KEY-OF-(\w+)", lambda m: self.keys[m[1]][:16], text)

    def told(self, text):
        """The same for what is shown, as it stands in the document."""
        for name, key in self.keys.items():
            groups = " ".join(key[i:i + 8] for i in range(0, 64, 8))
            text = text.replace(groups, "<the key of %s>" % name).replace(key[:16], "KEY-OF-" + name)
        text = re.sub(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", "2026-12-01 10:00:00", text)
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "00000000-0000-4000-8000-000000000000", text)
        text = re.sub(r"\bport \d+", "port 40000", text)
        text = re.sub(r"[\d.]+\u00a0?[KMGT]iB", "10 GiB", text)
        text = re.sub(r"\d+ streams? came in", "1 stream came in", text)
        text = re.sub(r"\(\d+ times?\)", "(1 time)", text)
        return re.sub(r"\b\d+[sm]( ago)?\b", r"1s\1", text)


def play(story, name, block):
    """The block as it should be: what was typed, and what was shown."""
    screen = story.screens[name]
    screen.tmux("send-keys", "C-l")
    screen.wait(lambda text: text == screen.prompt.strip(), "an empty screen")
    typed = [line for line in block.splitlines() if line.startswith((screen.prompt, "(types) ", "(waits "))]
    for line in typed:
        if line.startswith("(waits for "):
            screen.wait(lambda text: story.today(line[len("(waits for "):-1]) in story.told(text), line)
            continue
        until = re.fullmatch(r"\(waits until (\w+) is (\d+)\)", line)
        if until:
            interface = "Messages" if until[1] == "Unread" else "Manager"
            screen.user.wait_for(lambda: screen.user.get_prop("", interface, until[1]) == int(until[2]), 60, line)
            continue
        text = line.split(" ", 1)[1] if line.startswith("(types) ") else line[len(screen.prompt):]
        before = screen.shown().count(screen.prompt.strip())
        screen.type(story.today(text))
        if line.startswith(screen.prompt) and not text.startswith(("xmppctl chat ", "xmppctl trust accept ")):
            screen.wait(lambda now: now.count(screen.prompt.strip()) > before or now.splitlines()[-1:] == [screen.prompt.strip()], "the end of " + text)
        elif text in ("/quit", "y"):
            screen.wait(lambda now: now.splitlines()[-1] == screen.prompt.strip(), "the end of " + text)
    shown = story.told(screen.shown()).splitlines()
    if shown and shown[-1] == screen.prompt.strip():
        shown.pop()
    return shown, typed


def to_compare(lines):
    """Stage directions stand on no screen; columns are as wide as what is in them; what the doctor looks at together ends in any order."""
    lines = [re.sub(r"(?<=\S) {2,}", "  ", line) for line in lines if not line.startswith(("(types) ", "(waits "))]
    return sorted(lines) if any("xmppctl doctor" in line for line in lines) else lines


def again(shown, typed):
    """The block with what is shown now; each stage direction before the command that it is for, or behind the one that it belongs to."""
    out, rest, commands = [], list(shown), list(typed)
    for at, line in enumerate(commands):
        if not line.startswith("("):
            while rest and not rest[0].startswith(line[:COLUMNS]):
                out.append(rest.pop(0))
            if rest:
                out.append(rest.pop(0))
        else:
            if line.startswith("(waits until"):
                following = next((other for other in commands[at:] if not other.startswith("(")), None)
                while rest and following and not rest[0].startswith(following[:COLUMNS]):
                    out.append(rest.pop(0))
            out.append(line)
    return "".join(line + "\n" for line in out + rest)


@rig.test
def transcript(lan):
    """docs/transcript.md: everything that it types is typed, and everything that it shows is shown"""
    # The same stack wherever it runs.
    a, b = lan.host("pronto", avahi="embedded"), lan.host("forza", avahi="embedded")
    screens = {}
    try:
        with open(PATH) as file:
            text = file.read()
        juliet, romeo = a.start_daemon(name="juliet"), b.start_daemon(name="romeo")
        wait_sight(juliet, "romeo")
        wait_sight(romeo, "juliet")
        screens.update(juliet=Screen(a.me, "juliet"), romeo=Screen(b.me, "romeo"))
        story = Story(screens)
        for name, user in (("juliet", juliet), ("romeo", romeo)):
            story.learn(name, user.get_prop("", "Manager", "Fingerprint"))
        blocks = 0
        for match in list(BLOCK.finditer(text)):
            shown, typed = play(story, match[1], match[2])
            blocks += 1
            if WRITE:
                text = text.replace(match[0], "```%s\n%s```\n" % (match[1], again(shown, typed)), 1)
            elif to_compare(shown) != to_compare(match[2].splitlines()):
                raise AssertionError("docs/transcript.md has other lines than %s's screen (see --write):\n%s\n--- not\n%s"
                                     % (match[1], "\n".join(shown), match[2]))
        assert blocks >= 8, "where is the transcript?"
        if WRITE:
            with open(PATH, "w") as file:
                file.write(text)
    finally:
        for screen in screens.values():
            screen.end()


if __name__ == "__main__":
    rig.main(needs=["tmux", "bash"])
