#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl agent on terminals, in front of a real daemon: a stranger knocks, a person reads and types, and agents come and go."""
import os
import pty
import select
import time

import rig
import sandbox
import screen
from people import befriend, fingerprint, requests, send, wait_received, wait_sight, wait_state


class Terminal:
    """xmppctl ARGS on a terminal of its own, as `user`."""

    def __init__(self, user, *args):
        self.text, self.seen = "", ""
        argv = user.host.enter([os.path.join(rig.TOP_BUILD, "xmppctl"), *args])
        env = dict(user.env(), DBUS_SESSION_BUS_ADDRESS=user.bus_address, EARSHOT_BUS=user.bus_address, TERM="dumb", NO_COLOR="1")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execvpe(argv[0], argv, env)
            finally:
                os._exit(127)

    def until(self, text, timeout=30):
        end = time.monotonic() + timeout * rig.PATIENCE
        while text not in self.text:
            assert time.monotonic() < end, "the terminal never showed %r but %r" % (text, self.text)
            if select.select([self.fd], [], [], 1)[0]:
                data = screen.read(self.fd)
                assert data, "the terminal closed before %r after %r" % (text, self.text)
                self.text += data.decode(errors="replace")
        before, self.text = self.text.split(text, 1)
        self.seen += before + text
        return before + text

    def type(self, text):
        os.write(self.fd, (text + "\n").encode())

    def kill(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)

    def finish(self):
        screen.read_to_end(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def groups(fp):
    return " ".join(fp[i:i + 8] for i in range(0, 64, 8))


@rig.test
def a_stranger_knocks(lan):
    """An agent on a terminal: the question comes, the wrong group changes nothing, the right one lets the conversation begin; the next agent takes over and gives back"""
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    first = Terminal(juliet, "agent")
    first.until("waiting for questions")
    asked = send(romeo, wait_sight(romeo, "juliet"), "Hark!")[0]
    shown = first.until("later] ")
    assert "new-key" in shown and "romeo@forza" in shown and all(group in shown for group in groups(fingerprint(romeo)).split()) and "accept, verify, reject, block" in shown, shown
    # A second agent is in charge from now on; when it dies the question comes back, and the daemon decided nothing meanwhile.
    second = Terminal(juliet, "agent")
    second.until("later] ")
    first.until("another agent shows it now")
    second.kill()
    first.until("later] ")
    first.type("yes")
    first.until("type one of these words whole")
    first.type("accept")
    first.until("first group of the key")
    first.type(fingerprint(juliet)[:8])
    first.until("not the first group; nothing was changed")
    assert len(requests(juliet, "new-key")) == 1
    first.type("accept")
    first.until("first group of the key")
    first.type(fingerprint(romeo)[:8].upper())
    first.until("accept: done")
    assert not requests(juliet)
    # Romeo decides by script; the conversation works.
    romeo.wait_for(lambda: requests(romeo, "new-key"), 30, "a question at romeo")
    romeo.ctl("trust", "accept", "--fingerprint", fingerprint(juliet))
    wait_state(romeo, asked, "delivered", 30)
    wait_received(juliet, ["Hark!"], 30)
    decided = juliet.ctl("audit", "--json", "--event", "resolve")
    assert isinstance(decided, dict) and "xmppctl" in decided["caller"], decided
    # An application asks, and the daemon is killed under the question: the agent is there again, and so is the question.
    sandbox.ctl(juliet, "org.example.Chat", "status")
    shown = first.until("later] ")
    assert "flatpak:org.example.Chat" in shown and "read, send, deny" in shown, shown
    juliet.kill9()
    first.until("waiting for it to come back")
    juliet.restart()
    first.until("earshotd is back")
    first.until("later] ")
    # Decided elsewhere while it is on the screen.
    juliet.ctl("access", "revoke", "org.example.Chat")
    first.until("decided elsewhere")
    first.type("quit")
    assert first.finish() == 0


@rig.test
def codes_by_agent(lan):
    """A peer begins to compare codes: the agent shows it and hands the terminal to verify, and gets it back"""
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    befriend(juliet, romeo, "juliet", "romeo")
    wait_sight(juliet, "romeo")
    wait_sight(romeo, "juliet")
    agent = Terminal(juliet, "agent")
    agent.until("waiting for questions")
    theirs = Terminal(romeo, "verify", "juliet")
    code = theirs.until("[Enter when they have it]").split(":")[-1].split("[")[0].strip()
    shown = agent.until("Compare codes now? [y/N] ")
    assert all(group in shown for group in groups(fingerprint(romeo)).split()), shown
    agent.type("y")
    ours = agent.until("[Enter when they have it]").split(":")[-1].split("[")[0].strip()
    assert ours == code, (ours, code)
    agent.type("")
    agent.until("reads to you: ")
    agent.type(code)
    agent.until("is verified")
    assert juliet.get_prop("key/" + fingerprint(romeo), "Key", "Trust") == "verified"
    agent.type("quit")
    assert agent.finish() == 0
    theirs.type("")
    theirs.until("reads to you: ")
    theirs.type(code)
    theirs.until("is verified")
    assert theirs.finish() == 0


rig.main()
