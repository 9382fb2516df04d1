# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bad link for the hosts of the rig: tool-link takes the place of the bridge and forwards every frame, late, or not at all.

    link = lan.relay(delay=0.05)                  # 50 ms each way: 100 ms round trip; hosts made before and after are on it
    link = lan.relay(loss=0.2, seed=7)            # one frame in five is gone, the same dice each time
    link.set(loss=0, reorder=0.1, later=0.03)     # a tenth arrives 30 ms behind its neighbours
    link.cut(a, b); link.cut(a); link.heal()      # between two hosts, or one host off; carriers stay up
    link.counts()["lost"]

What the Lan says of trouble means the same here: lan.cut(), cut_one_way(), split(), lose() and heal() go to the relay while there is
one (and heal() ends its loss, as it ends lose()). Captures: lan.tcpdump(host=a) sees what a sends, and what reaches it.

The dice are the relay's, seeded; which frame meets which throw still depends on the scheduler. It needs no netem and no tun
device: raw sockets on the bridge's ends of the cables. Hosts send no segment longer than a frame, so that loss counts frames.
"""
import os

import rig


class Link:
    def __init__(self, lan, seed=1, **bad):
        self.lan, self._bad, self._answers = lan, dict(delay=0.0, loss=0.0, reorder=0.0, later=0.02), 0
        self.process = rig.Process(["nsenter", "-t", str(lan.ns.pid), "-n", "--", os.path.join(rig.TOP_BUILD, "tests/lan/tool-link")],
                                   os.path.join(lan.dir, "link.log"), lines=True)
        self.process.wait_line("ready")
        self._say("seed %d" % seed)
        self.set(**bad)
        for host in lan.hosts.values():
            self.add(host)

    def _say(self, command):
        """The answer, as a dict of the counts."""
        self.process.mark()
        self.process.say(command)
        answer = self.process.wait_line(lambda line: line[:3] in ("ok ", "no "), 20, "the link to obey %r" % command)
        assert answer.startswith("ok "), (command, answer)
        return {key: int(value) for key, value in (word.split("=") for word in answer.split()[1:])}

    def add(self, host):
        """Takes the host's cable off the bridge; Lan.host() does it for hosts made later."""
        self.lan.run("sh", "-ec", "ip link set %s nomaster; echo 1 >/proc/sys/net/ipv6/conf/%s/disable_ipv6" % (host.port, host.port))
        host.run("ip", "link", "set", "dev", "eth0", "gso_max_segs", "1")
        self._say("port " + host.port)

    def set(self, **bad):
        """delay and later in seconds, loss and reorder as shares; what is not named stays as it is."""
        assert not set(bad) - set(self._bad), bad
        self._bad.update(bad)
        ppm = lambda word: round(self._bad[word] * 1e6)
        self._say("delay %d" % ppm("delay"))
        self._say("loss %d" % ppm("loss"))
        self._say("reorder %d %d" % (ppm("reorder"), ppm("later")))

    def cut_one_way(self, a, b):
        self._say("cut %s %s" % (a.port, b.port))

    def cut(self, a, b=None):
        """Nothing passes between a and b, or between a and anybody."""
        for other in [b] if b else [host for host in self.lan.hosts.values() if host is not a]:
            self.cut_one_way(a, other)
            self.cut_one_way(other, a)

    def heal(self):
        """All cuts end; delay, loss and reordering stay."""
        self._say("heal")

    def counts(self):
        """Of frames: passed, lost, cut, late, full (the relay's own queue or the receiver's)."""
        return self._say("counts")
