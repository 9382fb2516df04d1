#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Invites between real daemons: two networks with a router between them and no multicast, a QR code, somebody else at the address, and
daemons that are killed in between."""
import os
import shutil
import sqlite3
import subprocess

from gi.repository import GLib
import rig
from people import contacts, error_of, fingerprint, requests, send, wait_received, wait_state, with_key

PORT = 5298


def two_networks(lan):
    """10.77.0.0/24 and 10.88.0.0/24, and a router that forwards what is addressed, so no multicast; (juliet, romeo)."""
    lan.add_bridge("lan1")
    router = lan.host("router", avahi="none")
    router.attach("eth1", "router1", "lan1", "10.88.0.1")
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    pronto = lan.host("pronto", avahi="none")
    forza = lan.host("forza", avahi="none")
    forza.run("ip", "link", "set", "eth0", "down")
    forza.run("ip", "addr", "flush", "dev", "eth0")
    forza.attach("eth1", "forza1", "lan1", "10.88.0.2")
    pronto.run("ip", "route", "add", "10.88.0.0/24", "via", router.address)
    forza.run("ip", "route", "add", "10.77.0.0/24", "via", "10.88.0.1")
    juliet = pronto.me.start_daemon(name="juliet", port=PORT)
    romeo = forza.me.start_daemon(name="romeo", port=PORT)
    return juliet, romeo


def one_network(lan, **options):
    """Two hosts on one link that do not announce themselves."""
    return (lan.host("pronto", avahi="none").me.start_daemon(name="juliet", port=PORT, **options),
            lan.host("forza", avahi="none").me.start_daemon(name="romeo", port=PORT, **options))


def create(user, **options):
    kinds = {"ttl": "u", "uses": "u", "endpoints": "as", "in_person": "b"}
    return user.manager("CreateInvite", GLib.Variant("(a{sv})", ({key: GLib.Variant(kinds[key], value) for key, value in options.items()},)))


def accept(user, link, **options):
    options = {key: GLib.Variant("b" if isinstance(value, bool) else "s", value) for key, value in options.items()}
    return user.manager("AcceptInvite", GLib.Variant("(sa{sv})", (link, options)))[0]


def invite(user, id):
    """(state, details), or None."""
    for its_id, state, _, details in user.get_prop("", "Manager", "Invites"):
        if its_id == id:
            return state, details
    return None


def wait_invite(user, id, state, timeout=40):
    user.wait_for(lambda: (invite(user, id) or ("",))[0] == state, timeout, "invite %s %s at %s" % (id, state, user))


def trust(user, other):
    key = user.get_all("key/" + fingerprint(other), "Key")
    return key["Trust"], key["TrustSource"]


def greet(a, b):
    """Both ways."""
    message, _ = send(a, with_key(a, fingerprint(b)), "there you are", require="pinned")
    wait_received(b, ["there you are"])
    wait_state(a, message, "delivered")
    send(b, with_key(b, fingerprint(a)), "and you", require="pinned")
    wait_received(a, ["and you"])


def secret_of(link):
    return link.split(";s=")[1].split(";")[0]


def assert_not_told(secret, *users):
    for user in users:
        folder = user.host.dir
        for name in os.listdir(folder):
            if name.endswith(".log"):
                with open(os.path.join(folder, name), errors="replace") as log:
                    assert secret not in log.read(), "%s has the secret" % name


@rig.test
def across_two_networks(lan):
    """T-17 X-03: pair on one network, pair LINK on another, no multicast between them: both ends pinned, messages both ways; the secret stands in no log and no signal"""
    juliet, romeo = two_networks(lan)
    at_juliet, at_romeo = juliet.signals(), romeo.signals()
    made = juliet.ctl("pair", "--json")
    assert made["type"] == "invite" and made["uses"] == 1 and ";e=10.77.0.2%3A5298" in made["link"], made
    assert not contacts(romeo) and not contacts(juliet)
    # Without a terminal it takes a word.
    assert romeo.ctl("pair", made["link"], check=False)[0] == 2
    assert not contacts(romeo)
    paired = romeo.ctl("pair", made["link"], "--yes", "--json", timeout=60)
    assert paired["state"] == "done" and paired["peer"]["petname"] == "juliet" and paired["peer"]["trust"] == "pinned", paired
    wait_invite(juliet, made["id"], "used-up")
    assert invite(juliet, made["id"])[1]["used"] == [fingerprint(romeo)]
    assert trust(juliet, romeo) == trust(romeo, juliet) == ("pinned", "invite")
    assert not requests(juliet) and not requests(romeo)
    greet(romeo, juliet)
    # It was for one.
    assert juliet.ctl("pair", made["link"], "--yes", check=False)[0] == 2  # one's own
    events = [line["event"] for line in juliet.ctl("audit", "--json")]
    assert "invite" in events and "invited" in events, events
    assert "accept-invite" in [line["event"] for line in romeo.ctl("audit", "--json")]
    juliet.stop(), romeo.stop()
    secret = secret_of(made["link"])
    assert not any(secret in str(args) for _, _, _, args in at_juliet + at_romeo), "the secret in a signal"
    assert_not_told(secret, juliet, romeo)
    with sqlite3.connect(os.path.join(romeo.data_dir, "trust.db")) as db:
        assert db.execute("SELECT count(*) FROM invite_owed").fetchone()[0] == 0
    assert os.stat(os.path.join(juliet.data_dir, "trust.db")).st_mode & 0o777 == 0o600


@rig.test
def link_local_only(lan):
    """An invite that names but a link-local address, without a link: the acceptor tries each of its links; in person at both ends"""
    juliet, romeo = one_network(lan)
    lan.add_bridge("lan1")
    romeo.host.attach("eth1", "forza1", "lan1")
    address = juliet.host.link_local()
    link, id, _ = create(juliet, in_person=True, endpoints=["[%s%%eth0]:%d" % (address, PORT)])
    assert ";e=%5B" in link and "%25" not in link, link
    accept(romeo, link, in_person=True, petname="jules")
    wait_invite(romeo, id, "done")
    assert trust(juliet, romeo) == trust(romeo, juliet) == ("verified", "invite")
    greet(juliet, romeo)


@rig.test
def scanned(lan):
    """pair --qr: the code read back says just the link, and makes verified where it was scanned in person"""
    if not shutil.which("zbarimg"):
        raise rig.Skip("needs zbarimg")
    juliet, romeo = one_network(lan)
    status, drawn, said = juliet.ctl("pair", "--qr", "--endpoint", "%s:%d" % (juliet.host.address, PORT), check=False)
    if "without libqrencode" in said:
        raise rig.Skip("this build has no libqrencode")
    assert status == 0, said
    link = read_code(lan, drawn)
    assert link.startswith("xmpp:juliet@pronto?trust-message;") and ";s=" in link, link
    romeo.ctl("pair", link, "--in-person", "--yes", timeout=60)
    assert trust(juliet, romeo) == trust(romeo, juliet) == ("verified", "invite")


def read_code(lan, drawn):
    """Half blocks, or two signs a module where the locale has none, to a picture, to what a scanner reads; light is ink."""
    ink = {" ": (0, 0), "\u2584": (0, 1), "\u2580": (1, 0), "\u2588": (1, 1)}
    rows = []
    for line in drawn.splitlines():
        if "#" in drawn and line:
            rows.append([c == "#" for c in line[::2]])
        elif line:
            rows += [[ink[c][half] for c in line] for half in (0, 1)]
    scale = 4
    path = os.path.join(lan.dir, "code.pgm")
    with open(path, "wb") as out:
        out.write(b"P5 %d %d 255\n" % (len(rows[0]) * scale, len(rows) * scale))
        for row in rows:
            out.write(b"".join(bytes([255 if light else 0]) * scale for light in row) * scale)
    done = subprocess.run(["zbarimg", "-q", "--raw", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@rig.test
def somebody_else_is_there(lan):
    """T-12 T-17: at the address of the invite another key answers: nothing is said to it, the people are told, and the right one is found later"""
    juliet, romeo = one_network(lan)
    mallory = lan.host("terzo", avahi="none").me.start_daemon(name="mallory", port=PORT)
    link, id, _ = create(juliet, endpoints=["%s:%d" % (mallory.host.address, PORT), "%s:%d" % (juliet.host.address, PORT + 1)])
    status, _, said = romeo.ctl("pair", link, "--yes", check=False, timeout=60)
    assert status == 7 and "another key" in said, (status, said)
    assert invite(romeo, id)[0] == "waiting"
    assert not any(props["Connected"] for props in contacts(mallory).values()) and not requests(mallory)
    # The same person, found where she is.
    juliet.call("", "Network", "AddStatic", GLib.Variant("(s)", ("%s:%d" % (romeo.host.address, PORT),)))
    her = next(path for path, props in contacts(juliet).items() if not props["Keys"])
    juliet.call(her, "Contact", "Connect", GLib.Variant("(a{sv})", ({},)))
    wait_invite(romeo, id, "done")
    assert trust(juliet, romeo) == ("pinned", "invite")


@rig.test
def dead_first_endpoints(lan):
    """T-17: the first endpoints of an invite swallow what they are sent: its maker is found beside them, before one of them is given up; one stream"""
    juliet, romeo = one_network(lan)
    hole = "10.77.0.200"
    romeo.host.run("nft", "add table ip rig; add chain ip rig out { type filter hook output priority 0; }; "
                   "add rule ip rig out ip daddr %s counter drop" % hole)
    link, id, _ = create(juliet, endpoints=["%s:%d" % (hole, port) for port in (PORT, 80)] + ["%s:%d" % (juliet.host.address, PORT)])
    romeo.ctl("pair", link, "--yes", timeout=60)
    wait_invite(romeo, id, "done")
    assert "counter packets 0 " not in romeo.host.run("nft", "list", "table", "ip", "rig"), "nothing was swallowed"
    with open(romeo.process.log) as log:
        said = log.read()
    assert said.count("stream open (outbound") == 1 and "within 10 seconds" not in said and "not connected" not in said, "given up first"
    with open(juliet.process.log) as log:
        assert log.read().count("stream open (inbound") == 1
    # What lost is closed.
    assert hole not in romeo.host.run("ss", "-Htan"), romeo.host.run("ss", "-Htan")
    greet(romeo, juliet)


@rig.test
def killed_in_between(lan):
    """Killed between acceptance and proof, and between proof and answer: what was owed is still owed, and no use is counted twice"""
    juliet, romeo = one_network(lan)
    link, id, _ = create(juliet, uses=2)
    juliet.kill9()
    accept(romeo, link)
    romeo.kill9()
    romeo.restart()
    assert invite(romeo, id)[0] == "waiting"
    juliet.restart()
    assert invite(juliet, id)[0] == "open"
    juliet.wait_for(lambda: invite(juliet, id)[1]["left"] == 1, 60, "a use")
    romeo.kill9()
    romeo.restart()
    romeo.wait_for(lambda: (invite(romeo, id) or ("done",))[0] == "done", 60, "the answer")
    juliet.kill9()
    juliet.restart()
    assert invite(juliet, id)[1]["left"] == 1 and trust(juliet, romeo) == ("pinned", "invite")
    greet(romeo, juliet)


@rig.test
def no_use_left(lan):
    """T-17: used first by somebody else, taken back, or for somebody who is blocked: no key rises, and exit codes say why"""
    juliet, romeo = one_network(lan)
    eve = lan.host("terzo", avahi="none").me.start_daemon(name="eve", port=PORT)
    link, id, _ = create(juliet)
    accept(eve, link)
    wait_invite(eve, id, "done")
    status, _, said = romeo.ctl("pair", link, "--yes", check=False, timeout=60)
    assert status == 8 and "do not take" in said, (status, said)
    assert trust(juliet, romeo)[0] == "unknown" and trust(juliet, eve)[0] == "pinned"
    # What they have is a question, as for any stranger.
    assert [props["Kind"] for props in requests(juliet).values()] == ["new-key"]
    made = juliet.ctl("pair", "--json")
    juliet.ctl("pair", "revoke", made["id"])
    assert juliet.ctl("pair", "revoke", made["id"], check=False)[0] == 3
    assert invite(juliet, made["id"]) is None
    romeo.ctl("block", fingerprint(juliet)[:16])
    assert error_of(accept, romeo, made["link"]) == "Blocked"
    juliet.set_prop("", "Manager", "TrustMode", GLib.Variant("s", "strict"))
    assert error_of(create, juliet) == "Unsupported"


rig.main(needs=("nft", "ss"))
