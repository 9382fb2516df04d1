#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stream management (XEP-0198) on a link that misbehaves: what a broken stream left open goes on with the next one. What happened is
read from the daemons' own words (`stream can be resumed`, `stream resumed`) and proven by what arrived."""
import os
import random
import time

import rig
from gi.repository import Gio, GLib
from people import befriend, queued, received, send, state_of, wait_sight, wait_state, with_key
from peer import DELAY, DISCO, PING, RECEIPTS, SM, STANZA_ERRORS, Peer, chat, new_id, peer_with, pin, start
from talkers import SUSPENDED, Talker, break_streams, meet, resumptions, said, words

ROUNDS = int(os.environ.get("EARSHOT_RESUMPTIONS", "24"))
COLLISIONS = int(os.environ.get("EARSHOT_COLLISIONS", "210"))
SEED = int(os.environ.get("EARSHOT_SEED", str(random.randrange(1 << 30))))


def wait_resumed(users, counts, timeout=45):
    for user, count in zip(users, counts):
        user.wait_for(lambda: len(resumptions(user)) > count, timeout, "%s to resume" % user)


def assert_exact(a, b, at=-1):
    """What each sent again is what the other had not counted: no more, no less."""
    (sent_a, again_a, got_a), (sent_b, again_b, got_b) = resumptions(a)[at], resumptions(b)[at]
    assert again_a == sent_a - got_b and again_b == sent_b - got_a, (resumptions(a)[at], resumptions(b)[at])


@rig.test
def cut_and_heal(lan):
    """M-03 M-04 S-30: a cut link heals within 300 s: the stream is resumed, exactly what lies beyond h is sent again, in order, once"""
    juliet, romeo, talkers = meet(lan)
    opened = [said(user, "stream open") for user in (juliet, romeo)]
    for talker in talkers:
        talker.say(50)
    lan.cut(juliet.host, romeo.host)
    for talker in talkers:
        talker.say(50)
    # The kernel finds out when nobody answers for 30 s; both do, since both have something to say.
    for user in (juliet, romeo):
        user.wait_for(lambda: said(user, "stream can be resumed"), 80, "%s to miss the other" % user)
    for talker in talkers:
        talker.say(20)
    lan.heal()
    wait_resumed((juliet, romeo), (0, 0), 60)
    for talker in talkers:
        talker.wait_through()
    assert_exact(juliet, romeo)
    assert resumptions(juliet)[0][1] > 0, "nothing was lost by the cut: the test is void"
    for user in (juliet, romeo):
        rig.note("%s: %r %r" % (user, words(user, SUSPENDED.pattern), resumptions(user)))
    # Each message and each receipt left once through delivery; what was sent again was sent by the stream alone.
    break_streams(juliet)
    break_streams(romeo)
    juliet.wait_for(lambda: len(words(juliet, SUSPENDED.pattern)) >= 2, 20, "the last count")
    sent, open_, _ = words(juliet, SUSPENDED.pattern)[-1]
    assert sent <= talkers[0].sent + talkers[1].sent + 8, "stanzas were sent twice: %d for %d messages and %d receipts" % (
        sent, talkers[0].sent, talkers[1].sent)
    assert [said(user, "stream open") for user in (juliet, romeo)] == [n + len(resumptions(user)) for n, user in zip(opened, (juliet, romeo))]


@rig.test
def many_resumptions(lan):
    """M-04 M-06 S-27 S-31: more than 20 resumptions on a lossy link, with one end unaware of the break or both calling at once"""
    chance = random.Random(SEED)
    rig.note("seed %d, %d breaks" % (SEED, ROUNDS))
    juliet, romeo, talkers = meet(lan)
    users = (juliet, romeo)
    opened = [said(user, "stream open") for user in users]
    done, longest = [0, 0], 0
    for number in range(ROUNDS):
        lan.lose(25)
        for talker in talkers:
            talker.say(chance.randrange(5, 60))
        rig.settle(chance.random() * 0.3)
        who = number % 3
        lan.cut(juliet.host, romeo.host)
        for user in users if who == 2 else users[who:who + 1]:
            break_streams(user)
        for talker in talkers:
            talker.say(chance.randrange(1, 10))
        rig.settle(0.05)
        lan.heal()
        start = time.monotonic()
        wait_resumed(users, done)
        longest = max(longest, time.monotonic() - start)
        assert_exact(juliet, romeo)
        done = [len(resumptions(user)) for user in users]
    lan.heal()
    for talker in talkers:
        talker.wait_through()
    rig.note("%d and %d resumptions, %d stanzas sent again" % (done[0], done[1], sum(r[1] for u in users for r in resumptions(u))))
    assert min(done) > 20
    assert longest < 10 * rig.SLOW, "%.1f s until the stale stream was replaced" % longest
    # Never had anybody to begin anew.
    assert [said(user, "stream open") for user in users] == [n + len(resumptions(user)) for n, user in zip(opened, users)]


@rig.test
def session_tells(lan):
    """2.5: both ends say that their stream is managed and can be resumed; one that was killed remembers nothing, and everything begins anew"""
    juliet, romeo, talkers = meet(lan)
    for talker in talkers:
        session = lambda: talker.user.get_prop(talker.contact, "Contact", "Session")
        talker.user.wait_for(lambda: session().get("resumable"), 20, "the session of %s" % talker.user)
        assert session()["sm"] is True and session()["resumed"] is False, session()
    # The other one lost its memory: the state is offered in vain, and what is unconfirmed is sent anew.
    romeo.kill9()
    talkers[0].say(10)
    juliet.wait_for(lambda: said(juliet, "stream can be resumed"), 20, "%s to miss the other" % juliet)
    romeo.restart()
    talkers[0].wait_through()
    assert not resumptions(juliet) and not resumptions(romeo)


@rig.test
def foreign_key(lan):
    """S-30 S-31: only the key that began a state resumes it; who claims to have handled more than was sent is cut off"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    romeo, tybalt = (Peer(host, "%s@forza" % who, juliet) for who in ("romeo", "tybalt"))
    for peer in (romeo, tybalt):
        pin(juliet, peer)
    stream = romeo.dial().open(manage=True)
    stream.send("<enable xmlns='%s' resume='true'/>" % SM)
    enabled = stream.element("{%s}enabled" % SM)
    assert enabled.get("resume") == "true" and len(enabled.get("id")) >= 22, enabled.attrib
    name = new_id()
    stream.send(chat("once", name))
    stream.receipt(name)
    stream.wire.close()
    resume = "<resume xmlns='%s' previd='%s' h='1'/>" % (SM, enabled.get("id"))
    juliet.wait_for(lambda: said(juliet, "stream can be resumed"), 10, "the end of the stream to be noticed")
    # Knowing the id is not being the key; the thief gets a stream like anybody, and the state stays where it is.
    thief = tybalt.dial().open(manage=True)
    thief.send(resume)
    assert thief.element("{%s}failed" % SM)[0].tag == "{%s}item-not-found" % STANZA_ERRORS
    thief.alive()
    stream = romeo.dial().open(manage=True)
    stream.send(resume)
    resumed = stream.element("{%s}resumed" % SM)
    assert (resumed.get("previd"), resumed.get("h")) == (enabled.get("id"), "1"), resumed.attrib
    stream.alive()
    stream.send("<a xmlns='%s' h='99'/>" % SM)
    stream.error("undefined-condition")
    assert b"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='99'" in stream.text
    # That state is gone.
    again = romeo.dial().open(manage=True)
    again.send(resume)
    assert again.element("{%s}failed" % SM)[0].tag == "{%s}item-not-found" % STANZA_ERRORS
    again.send("<enable xmlns='%s' resume='true'/>" % SM)
    assert again.element("{%s}enabled" % SM).get("id") != enabled.get("id")
    again.alive()
    assert len(received(juliet)) == 1


NO_RECEIPTS = ("<sm xmlns='%s'/><query xmlns='%s' node='https://example.org/plain#x'><identity category='client' type='pc'/>"
               "<feature var='%s'/><feature var='%s'/></query>" % (SM, DISCO, DISCO, PING))


@rig.test
def without_receipts(lan):
    """4.1: a peer that sends no receipts confirms by h alone: `acked` is final then, and what it did not count comes again"""
    juliet = start(lan)
    peer = Peer(lan.host("forza", avahi="none"), "romeo@forza", juliet)
    listener = peer.listen()
    contact = pin(juliet, peer, listener)
    names = [send(juliet, contact, body)[0] for body in ("one", "two", "three")]
    stream = listener.accept()
    stream.open(final=NO_RECEIPTS)
    stream.element("{%s}enable" % SM)
    stream.send("<enabled xmlns='%s' id='plain-1' resume='true'/>" % SM)
    stanzas = []
    while not stanzas or stanzas[-1].tag != "{%s}r" % SM:
        stanzas.append(stream.element())
    ids = [stanza.get("id") for stanza in stanzas[:-1]]
    assert ids[-3:] == names, (ids, names)
    assert [state_of(juliet, name)[0] for name in names] == ["sent"] * 3 and queued(juliet) == 3
    stream.send("<a xmlns='%s' h='%d'/>" % (SM, len(ids) - 1))
    for name in names[:2]:
        wait_state(juliet, name, "acked")
    juliet.wait_for(lambda: queued(juliet) == 1, 10, "what was counted to be owed no more")
    assert state_of(juliet, names[2])[0] == "sent"
    stream.wire.reset()
    # The third is sent again, once, by the stream that goes on; the other two are nobody's business any more.
    stream = listener.accept(20)
    stream.open(final=NO_RECEIPTS)
    resume = stream.element("{%s}resume" % SM)
    assert resume.get("previd") == "plain-1", resume.attrib
    stream.send("<resumed xmlns='%s' previd='plain-1' h='%d'/>" % (SM, len(ids) - 1))
    assert stream.element().get("id") == names[2]
    stream.send("<a xmlns='%s' h='%d'/>" % (SM, len(ids)))
    wait_state(juliet, names[2], "acked")
    juliet.wait_for(lambda: queued(juliet) == 0, 10, "nothing to be owed")
    stream.alive()
    # Final on disk, too: nothing is sent again after a death.
    juliet.kill9()
    juliet.restart()
    juliet.wait_for(lambda: juliet.get_prop("", "Manager", "Address"), 10, "the address of %s" % juliet)
    assert [state_of(juliet, name)[0] for name in names] == ["acked"] * 3 and queued(juliet) == 0
    # Who offers to count and then does not: written is all that can be known.
    name = send(juliet, contact, "four")[0]
    stream = listener.accept(20)
    stream.open(final=NO_RECEIPTS)
    stream.element("{%s}enable" % SM)
    assert stream.message("four").get("id") == name
    assert state_of(juliet, name) == ("sent", "") and queued(juliet) == 1
    stream.send("<failed xmlns='%s'/>" % SM)
    juliet.wait_for(lambda: queued(juliet) == 0, 10, "nothing to be owed")
    assert state_of(juliet, name) == ("sent", "unconfirmed")
    stream.alive()


def suspended(juliet, peer):
    """A stream that can be resumed, broken off; the id of its state."""
    stream = peer.dial().open(manage=True)
    stream.send("<enable xmlns='%s' resume='true'/>" % SM)
    name = stream.element("{%s}enabled" % SM).get("id")
    stream.alive()
    count = said(juliet, "stream can be resumed")
    stream.wire.reset()
    juliet.wait_for(lambda: said(juliet, "stream can be resumed") > count, 10, "the end of the stream to be noticed")
    return name


def resume(peer, name, h=0):
    """What the daemon makes of it."""
    stream = peer.dial().open(manage=True)
    stream.send("<resume xmlns='%s' previd='%s' h='%d'/>" % (SM, name, h))
    return stream, stream.element()


@rig.test
def crossing(lan):
    """2.8 S-26: both call to resume, the daemon's call is granted, and only then the peer's comes in: it gives way, and nothing is lost"""
    juliet = start(lan)
    peer = peer_with(lan.host("forza", avahi="none"), juliet, False, "romeo@forza")
    listener = peer.listen()
    contact = pin(juliet, peer, listener)
    name = suspended(juliet, peer)
    theirs = peer.dial().open(manage=True)
    send(juliet, contact, "on which")
    ours = listener.accept(20)
    ours.open(final=NO_RECEIPTS)
    assert ours.element("{%s}resume" % SM).get("previd") == name
    ours.send("<resumed xmlns='%s' previd='%s' h='1'/>" % (SM, name))
    juliet.wait_for(lambda: said(juliet, "stream resumed"), 10, "the daemon to resume")
    theirs.send("<resume xmlns='%s' previd='%s' h='1'/>" % (SM, name))
    theirs.error("conflict")
    ours.message("on which")
    ours.alive()
    # Who has counted since has seen the daemon's call, and calls because that broke: it replaces it at once.
    theirs = peer.dial().open(manage=True)
    theirs.send("<resume xmlns='%s' previd='%s' h='2'/>" % (SM, name))
    assert theirs.element().tag == "{%s}resumed" % SM
    ours.error("conflict")
    theirs.alive()


STATES = 64


@rig.test
def as_many_states(lan):
    """4.1: 64 states are kept, and the oldest goes first"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    peers = [Peer(host, "p%d@forza" % i, juliet) for i in range(STATES + 2)]
    for peer in peers:
        pin(juliet, peer)
    names = [suspended(juliet, peer) for peer in peers]
    for i, (peer, name) in enumerate(zip(peers, names)):
        if i > 3 and i < STATES - 1:
            continue  # the edges will do
        stream, answer = resume(peer, name, 1)
        assert answer.tag == "{%s}%s" % (SM, "failed" if i < 2 else "resumed"), (i, answer.tag)
        stream.alive()


@rig.test
def forgotten_after_300_s(lan):
    """4.1: a state is kept for 300 s; what it had not confirmed leaves anew with the next stream (EARSHOT_LONG=1)"""
    if not os.environ.get("EARSHOT_LONG"):
        raise rig.Skip("waits for five minutes: EARSHOT_LONG=1")
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    early, late = (Peer(host, "%s@forza" % who, juliet) for who in ("romeo", "tybalt"))
    names = {}
    for peer in (early, late):
        pin(juliet, peer)
        names[peer] = suspended(juliet, peer)
    rig.settle(280)
    stream, answer = resume(early, names[early], 1)
    assert answer.tag == "{%s}resumed" % SM, answer.tag
    stream.alive()
    contact = with_key(juliet, early.fp)
    name = send(juliet, contact, "anew")[0]
    stream.message("anew")
    stream.wire.reset()
    juliet.wait_for(lambda: said(juliet, "stream can be resumed") == 3, 10, "the end of the stream to be noticed")
    rig.settle(30)
    # Old as its break, not as the daemon: this one's 300 s are over, the other's have begun anew.
    stream, answer = resume(late, names[late], 1)
    assert answer.tag == "{%s}failed" % SM and answer[0].tag == "{%s}item-not-found" % STANZA_ERRORS
    stream.alive()
    rig.settle(290)
    stream, answer = resume(early, names[early], 2)
    assert answer.tag == "{%s}failed" % SM, answer.tag
    stream.send("<enable xmlns='%s' resume='true'/>" % SM)
    again = stream.message("anew")
    assert again.get("id") == name and again.find("{%s}delay" % DELAY) is not None
    stream.send("<message type='chat' id='r1'><received xmlns='%s' id='%s'/></message>" % (RECEIPTS, name))
    wait_state(juliet, name, "delivered")


@rig.test
def collisions(lan):
    """S-26: hundreds of simultaneous opens leave one stream each, and nothing lost or doubled"""
    people = [lan.host("h%d" % i, avahi="embedded").start_daemon(name="p%d" % i) for i in range(6)]
    for user in people:
        user.set_prop("", "Manager", "TrustMode", GLib.Variant("s", "tofu"))
    pairs = [(a, b) for i, a in enumerate(people) for b in people[i + 1:]]
    for a, b in pairs:
        befriend(a, b)
    for user in people:
        for i, other in enumerate(people):
            if other is not user:
                wait_sight(user, "p%d" % i)
    talkers = [(Talker(a, b, "A%d" % n), Talker(b, a, "B%d" % n)) for n, (a, b) in enumerate(pairs)]
    rounds = (COLLISIONS + len(pairs) - 1) // len(pairs)
    for _ in range(rounds):
        # Both ends of every pair at once, each with something to say.
        for pair in talkers:
            for talker in pair:
                talker.user.bus.call(rig.NAME, talker.contact, rig.NAME + ".Contact", "Connect", GLib.Variant("(a{sv})", ({},)), None,
                                     Gio.DBusCallFlags.NO_AUTO_START, 60000, None, None)
                talker.say(2)
        for pair in talkers:
            for talker in pair:
                talker.wait_through(60)
        for user in people:
            user.wait_for(lambda: len(user.host.run("ss", "-Htn", "state", "established").splitlines()) == len(people) - 1, 20,
                          "one stream a pair at %s" % user)
        for pair in talkers:
            pair[0].user.call(pair[0].contact, "Contact", "Disconnect")
        for user in people:
            user.wait_for(lambda: not user.host.run("ss", "-Htn", "state", "established").strip(), 20, "%s to be alone" % user)
    clashes = sum(said(user, "stream ended: conflict") for user in people) // 2
    rig.note("campaign: simultaneous_opens=%d gave_way=%d collision_messages=%d" % (rounds * len(pairs), clashes,
                                                                                    sum(t.sent for pair in talkers for t in pair)))
    assert clashes > rounds, "hardly ever did two calls cross: the test is void"


rig.main(needs=("nft", "ss"))
