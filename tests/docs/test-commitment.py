#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why verification by code commits first (docs/protocol.md 3.6, docs/threat-model.md "The code"), by simulation, as TAP.

Alice and Bob each hold a TLS session with Mallory, who wants both screens to show the same. The code is that of docs/protocol.md 3.6c, cut to few
bits so that attacks end within seconds: what they cost at n bits is counted, and what they would cost at 39 follows.

  no nonces        The code is a short hash of the two keys. Mallory makes keys for both legs until two hashes meet: 2^(n/2).
  no commitment    A says its nonce, B says its own. Mallory has seen everything on Bob's leg, and tries nonces for Alice's at home: 2^n, and
                   nobody notices anything.
  commitment       He must say his nonce to Alice before he hears hers, and has committed to Bob before he hears his. Nothing is left to try at
                   home: one run hits with 1 in 2^n, and each run that misses is seen by two people, one of whom types the wrong code.

Random numbers come from fixed seeds: what is asserted has no luck in it.
"""
import hashlib
import hmac
import random
import sys

RESULTS = []


def check(name, good, *notes):
    RESULTS.append(good)
    for note in notes:
        print("# " + note)
    print("%s %d - %s" % ("ok" if good else "not ok", len(RESULTS), name), flush=True)


def code(na, nb, exporter, fp_a, fp_b, bits):
    """As docs/protocol.md 3.6c (4) has it, but for the number of bits."""
    prk = hmac.digest(exporter, na + nb, "sha256")
    okm = hmac.digest(prk, b"LL-SAS-1" + fp_a + fp_b + b"\1", "sha256")
    return int.from_bytes(okm, "big") >> (256 - bits)


def commitment(na, fp_a, fp_b):
    return hashlib.sha256(b"LL-SAS-1 commit\0" + na + fp_a + fp_b).digest()


class World:
    """Keys, and the two TLS sessions that Mallory sits between; their exporters differ whatever he does."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.alice, self.bob, self.mallory = self.bytes(), self.bytes(), self.bytes()
        self.to_alice, self.to_bob = self.bytes(), self.bytes()

    def bytes(self):
        return self.random.getrandbits(256).to_bytes(32, "big")


# --- no nonces ------------------------------------------------------------------------------

def without_nonces(world, bits):
    """Keys he had to make until the short hash of (Alice, his) equals that of (his other, Bob)."""
    at_alice, at_bob, made = {}, {}, 0
    while True:
        made += 1
        key = world.bytes()
        mine = int.from_bytes(hashlib.sha256(world.alice + key).digest(), "big") >> (256 - bits)
        theirs = int.from_bytes(hashlib.sha256(key + world.bob).digest(), "big") >> (256 - bits)
        at_alice[mine], at_bob[theirs] = key, key
        if mine in at_bob or theirs in at_alice:
            return made


# --- no commitment ----------------------------------------------------------------------------

def without_commitment(world, bits):
    """Nonces he had to try at home, in the one run that the two people see."""
    na = world.bytes()                     # Alice begins and says hers
    towards_bob = world.bytes()            # he begins with Bob, honestly
    nb = world.bytes()                     # Bob answers: the code on his screen is settled
    target = code(towards_bob, nb, world.to_bob, world.mallory, world.bob, bits)
    tried = 0
    while True:
        tried += 1
        mine = tried.to_bytes(32, "big")
        if code(na, mine, world.to_alice, world.alice, world.mallory, bits) == target:
            return tried                   # and answers Alice with it


# --- commitment ------------------------------------------------------------------------------------

def with_commitment(world, bits, strategy):
    """One run; whether both screens show the same."""
    na = world.bytes()
    from_alice = commitment(na, world.alice, world.mallory)   # what he has of hers
    towards_bob = world.bytes()
    to_bob = commitment(towards_bob, world.mallory, world.bob)
    nb = world.bytes()                                        # Bob answers the commitment
    # All that he may look at when he must say his nonce to Alice:
    mine = strategy(world, from_alice, towards_bob, nb, bits)
    assert commitment(na, world.alice, world.mallory) == from_alice and commitment(towards_bob, world.mallory, world.bob) == to_bob
    return code(na, mine, world.to_alice, world.alice, world.mallory, bits) == code(towards_bob, nb, world.to_bob, world.mallory, world.bob, bits)


def guesses(world, from_alice, towards_bob, nb, bits):
    return world.bytes()


def passes_on(world, from_alice, towards_bob, nb, bits):
    return nb


def searches(world, from_alice, towards_bob, nb, bits):
    """Tries at home as before, with a nonce of Alice's that he makes up: the best that there is to search for, and worth nothing."""
    target = code(towards_bob, nb, world.to_bob, world.mallory, world.bob, bits)
    made_up = world.bytes()
    for tried in range(1 << (bits + 1)):
        mine = tried.to_bytes(32, "big")
        if code(made_up, mine, world.to_alice, world.alice, world.mallory, bits) == target:
            break
    return mine


def changes_his_mind(world, runs):
    """He reveals to Bob another nonce than he committed to, because it would give the right code: how often Bob takes it."""
    taken = 0
    for _ in range(runs):
        to_bob = commitment(world.bytes(), world.mallory, world.bob)
        taken += commitment(world.bytes(), world.mallory, world.bob) == to_bob
    return taken


def mean(values):
    return sum(values) / len(values)


def main():
    print("1..7")
    # 1: without nonces. The mean of the birthday problem with two tables is about sqrt(pi/2 · 2^n / 2) … sqrt(pi/2 · 2^n).
    found = {bits: mean([without_nonces(World(seed), bits) for seed in range(40)]) for bits in (16, 24)}
    check("no nonces: keys for both legs meet after about 2^(n/2)", 0.4 < found[16] / 2 ** 8 < 2.5 and 0.4 < found[24] / 2 ** 12 < 2.5,
          *("%d bits: %d keys on average, 2^(n/2) is %d" % (bits, work, 2 ** (bits / 2)) for bits, work in found.items()))
    # 2, 3: without commitment. Geometric: mean 2^n, so of 64 (16) runs within 3 standard errors.
    short = [without_commitment(World(seed), 10) for seed in range(64)]
    check("no commitment, 10 bits: always found, at home, in about 2^n", 0.6 < mean(short) / 2 ** 10 < 1.4,
          "%d runs, each of them won; %d nonces tried on average, 2^n is %d" % (len(short), mean(short), 2 ** 10))
    long = [without_commitment(World(seed), 16) for seed in range(16)]
    check("no commitment, 16 bits: always found, at home, in about 2^n", 0.3 < mean(long) / 2 ** 16 < 1.8,
          "%d runs, each of them won; %d nonces tried on average, 2^n is %d" % (len(long), mean(long), 2 ** 16),
          "at 39 bits that is 2^39: a day on one processor, minutes on a graphics card")
    # 4, 5: with commitment. Binomial with p = 2^-n.
    for name, strategy in (("he guesses", guesses), ("he passes Bob's nonce on", passes_on)):
        bits, runs = 10, 60 * 1024
        world = World(7)
        hits = sum(with_commitment(world, bits, strategy) for _ in range(runs))
        check("commitment, %s: one run in about 2^n hits" % name, 30 <= hits <= 90,
              "%d of %d runs at %d bits; 2^n would give %d" % (hits, runs, bits, runs >> bits))
    # 6: work at home buys nothing: as many hits as by guessing.
    bits, runs = 6, 3200
    world = World(8)
    hits = sum(with_commitment(world, bits, searches) for _ in range(runs))
    check("commitment, he searches at home all the same: no better than a guess", 25 <= hits <= 75,
          "%d of %d runs at %d bits; 2^n would give %d" % (hits, runs, bits, runs >> bits))
    check("commitment, he reveals another nonce: Bob never takes it", changes_his_mind(World(9), 20000) == 0)
    sys.exit(0 if all(RESULTS) else 1)


main()
