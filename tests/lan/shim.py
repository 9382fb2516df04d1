# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon whose clock lies, whose disk takes nothing, or that dies in the middle of a write (shim.c, preloaded)."""
import mmap
import os
import struct

import rig


class Shim:
    """env() goes to start_daemon(); then clock and die_at() count, also while it runs."""

    def __init__(self, lan, name):
        self.path = os.path.join(lan.dir, "shim-" + name)
        with open(self.path, "wb") as file:
            file.write(bytes(32))
        with open(self.path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 32)

    def env(self):
        library = os.path.join(rig.TOP_BUILD, "tests/lan/shim.so")
        asan = os.environ.get("ASAN_OPTIONS", "")
        # A sanitizer wants to be the first library; it still is the first that matters.
        return {"LD_PRELOAD": library, "EARSHOT_SHIM": self.path, "ASAN_OPTIONS": (asan + ":" if asan else "") + "verify_asan_link_order=0"}

    def set_clock(self, seconds):
        """So far from the real one."""
        self._map[0:8] = struct.pack("q", seconds)

    def refuse_writes(self, error=0):
        """Each write and sync of a file gets this errno; 0 = not any more."""
        self._map[16:24] = struct.pack("q", error)

    def die_at(self, writes):
        """At the n-th write or sync of a file from now on; 0 = not any more."""
        self._map[8:16] = struct.pack("q", writes)

    def syncs(self):
        """How often it has made sure of something on the disk: once a commit, and a few times to tidy up."""
        return struct.unpack("q", self._map[24:32])[0]
