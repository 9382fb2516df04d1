#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make campaign`: what `make check` plays small, at full size. Prints the counts as JSON; fails when a play fails.

    CAMPAIGN_RESUMPTIONS=200   on links that lose 20 % of all frames and are cut for 1 to 90 s (test-bad-link.py cuts)
    CAMPAIGN_LANS=10           so many LANs share them, at once, each with a seed of its own
    CAMPAIGN_COLLISIONS=1000   simultaneous opens (test-resume.py collisions), beside them
    CAMPAIGN_KILLS=0           kill -9 of one of two that talk (test-crash.py): half of them on a link that delays, loses, reorders and is
                               cut; `make crash-campaign` is 1,000 of these and nothing else
    CAMPAIGN_SEED=N            the first of the seeds

With ten LANs some 25 minutes, most of them waiting for cuts to end. The plays assert that nothing is lost, nothing doubled and the
order kept, after each cut; the log of each stays where it says."""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RESUMPTIONS = int(os.environ.get("CAMPAIGN_RESUMPTIONS", "200"))
LANS = int(os.environ.get("CAMPAIGN_LANS", "10"))
COLLISIONS = int(os.environ.get("CAMPAIGN_COLLISIONS", "1000"))
KILLS = int(os.environ.get("CAMPAIGN_KILLS", "0"))
SEED = int(os.environ.get("CAMPAIGN_SEED", str(random.randrange(1 << 20))))


def play(logs, name, program, function, **env):
    log = os.path.join(logs, name + ".log")
    with open(log, "w") as out:
        return log, subprocess.Popen([sys.executable, os.path.join(HERE, program), function], stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.STDOUT, env=dict(os.environ, **{key: str(value) for key, value in env.items()}))


def main():
    logs = tempfile.mkdtemp(prefix="earshot-campaign-")
    print("seed %d, logs in %s" % (SEED, logs), file=sys.stderr, flush=True)
    start, plays = time.monotonic(), []
    if RESUMPTIONS:
        for i in range(LANS):
            share = RESUMPTIONS * (i + 1) // LANS - RESUMPTIONS * i // LANS
            plays.append(play(logs, "cuts-%d" % i, "test-bad-link.py", "cuts", EARSHOT_RESUMPTIONS=share, EARSHOT_CUT_MAX=90,
                              EARSHOT_SEED=SEED + i))
    for i in range(LANS if KILLS else 0):
        share = KILLS * (i + 1) // LANS - KILLS * i // LANS
        plays.append(play(logs, "kills-%d" % i, "test-crash.py", "kill9_fifty_times" if i % 2 else "kill9_on_a_bad_link", EARSHOT_KILLS=share,
                          EARSHOT_BAD_KILLS=share, EARSHOT_SEED=SEED + i))
    if COLLISIONS:
        plays.append(play(logs, "collisions", "test-resume.py", "collisions", EARSHOT_COLLISIONS=COLLISIONS))
    sums, failed, skipped = {}, [], []
    for log, process in plays:
        if process.wait() != 0:
            failed.append(log)
        with open(log) as text:
            text = text.read()
        skipped += re.findall("# SKIP .*", text)
        for line in re.findall("^# campaign: (.*)", text, re.M):
            for key, value in re.findall(r"(\w+)=(\d+)", line):
                sums[key] = max(sums.get(key, 0), int(value)) if key == "longest" else sums.get(key, 0) + int(value)
    print(json.dumps(dict(sums, seed=SEED, seconds=round(time.monotonic() - start), failed=failed, skipped=skipped), indent=2))
    sys.exit(1 if failed else 77 if skipped else 0)


if __name__ == "__main__":
    main()
