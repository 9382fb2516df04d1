# SPDX-License-Identifier: LGPL-2.1-or-later
"""libpurple's Bonjour (what Pidgin and Finch are on a LAN) on a host of the rig: tests/peers/purple-peer.c, driven by lines.

    them = Purple(lan.host("forza"), "romeo")     # online, announced as romeo@forza by the host's avahi-daemon
    them.send("juliet@pronto", "hello")           # what the person typed
    them.wait("message", "juliet@pronto", "hi")   # an event and its first words
"""
import os
import urllib.parse

import rig

PROGRAM = os.path.join(rig.TOP_BUILD, "tests/peers/purple-peer")


class Purple:
    def __init__(self, host, name, port=5298):
        if not os.path.exists(PROGRAM):
            raise rig.Skip("built without libpurple")
        self.host, self.name, self.port, self.process = host, name, port, None
        self.addr = "%s@%s" % (name, host.hostname)
        self._runs = 0
        self.start()

    def start(self):
        """Online and announced. On a busy machine some 1 registration of 50 by libpurple comes to nothing in avahi-daemon 0.8, which keeps not one
        record of it and tells nobody: its person goes offline and online again."""
        for _ in range(5):
            self._start()
            if self._is_announced():
                return self
            rig.note("%s is online and not announced: again" % self.addr)
            self.process.kill9()
        raise AssertionError("avahi-daemon of %s announces no %s" % (self.host.name, self.name))

    def _is_announced(self):
        browser = self.host.spawn(["avahi-browse", "--parsable", "--no-db-lookup", "_presence._tcp"], "purple-browse", lines=True,
                                  env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.host.system_bus_address))
        try:
            browser.wait_line(lambda line: line.startswith("+;eth0;") and ";%s\\064" % self.name in line, 5, patience=1)
            return True
        except rig.Timeout:
            return False
        finally:
            browser.stop()

    def _start(self):
        # What libpurple leaks is not ours to find.
        env = dict(self.host.me.env(), ASAN_OPTIONS="detect_leaks=0", G_DEBUG="")
        if "EARSHOT_PURPLE_DEBUG" in os.environ:
            env["EARSHOT_PURPLE_DEBUG"] = "1"
        self._runs += 1
        log = "purple-%s-%d" % (self.name, self._runs)
        self.process = self.host.spawn([PROGRAM, os.path.join(self.host.dir, "purple-" + self.name), self.name, str(self.port)], log, lines=True, env=env)
        self.wait("online", timeout=20)

    # commands

    def say(self, *words):
        self.process.say(" ".join(urllib.parse.quote(word) for word in words))

    def send(self, to, text):
        self.say("send", to, text)

    def status(self, word, text=""):
        self.say("status", word, text)

    def quit(self):
        """Says goodbye, as a person who quits."""
        self.say("quit")
        self.process.wait_line("offline", 10)
        return self.process.stop()

    def kill9(self):
        return self.process.kill9()

    # events

    def events(self, *start):
        """Every event so far that starts with these words, each a list of words."""
        found = [[urllib.parse.unquote(word) for word in line.split(" ")] for line in self.process.lines]
        return [words for words in found if words[:len(start)] == list(start)]

    def wait(self, *start, timeout=15, count=1):
        """The last of `count` such events."""
        rig.wait(lambda: len(self.events(*start)) >= count or not self.process.alive(), timeout,
                 "%s: %d × %s" % (self.addr, count, " ".join(start)))
        found = self.events(*start)
        assert len(found) >= count, "%s ended before %s" % (self.addr, " ".join(start))
        return found[count - 1]

    def shows(self, name):
        """(status, text) in its list of people; None when gone or never seen."""
        last = [words for words in self.events() if words[0] in ("buddy", "gone") and words[1] == name]
        return tuple(last[-1][2:4]) if last and last[-1][0] == "buddy" else None

    def wait_shows(self, name, what, timeout=15):
        rig.wait(lambda: self.shows(name) == what, timeout, "%s to show %s as %s" % (self.addr, name, what))

    def received(self, name=None):
        """What it showed to its person as said by NAME."""
        return [words[2] for words in self.events("message") if name in (None, words[1])]

    def wait_received(self, name, texts, timeout=20):
        """Exactly these, in this order."""
        rig.wait(lambda: len(self.received(name)) >= len(texts), timeout, "%s to receive %d messages" % (self.addr, len(texts)))
        assert self.received(name) == list(texts), "%s received %r, not %r" % (self.addr, self.received(name), texts)
