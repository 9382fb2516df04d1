#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl doctor in front of real troubles: each is made, must be named with a thing to do, and must be gone when it is mended."""
from gi.repository import GLib

import rig
from people import befriend, contacts, fingerprint, hang_up, named, send, wait_request, wait_sight, wait_state

# A second program on the mDNS port, as browsers and systemd-resolved are.
HOLDER = """
import signal, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("", 5353))
print("bound", flush=True)
signal.pause()
"""


def wall(host, hook, rule):
    host.run("sh", "-ec", "nft add table inet wall; nft add chain inet wall there '{ type filter hook %s priority 0; }'; nft add rule inet wall there '%s'" % (hook, rule))


def examine(user, *peer, code=None):
    """{id: [(status, title, fix)]}; the exit status fits."""
    status, out, err = user.ctl("--json", "doctor", *peer, check=False)
    found = {}
    lines = [rig.json.loads(line) for line in out.splitlines()]
    assert lines and all(line["type"] == "check" for line in lines), (status, out, err)
    for line in lines:
        assert line["status"] == "ok" or line["fix"], line
        found.setdefault(line["check"], []).append((line["status"], line["title"], line["fix"]))
    fails = any(line["status"] == "fail" for line in lines)
    assert status == (1 if fails else 0) and (code is None or status == code), (status, out, err)
    return found


def expect(found, check, status, *words):
    for have, title, fix in found.get(check, []):
        if have == status and all(word in title + " " + fix for word in words):
            return
    raise AssertionError("no %s %s with %r in %s" % (status, check, words, found))


def only_ok(found, *checks):
    for check in checks:
        assert check in found and all(one[0] == "ok" for one in found[check]), (check, found)


@rig.test
def this_machine(lan):
    """xmppctl doctor: a machine where all is well, then one trouble after the other: firewall, second stack, links, route, disk, name, calls"""
    a, b = lan.host("pronto", avahi="embedded"), lan.host("forza", avahi="embedded")
    juliet, romeo = a.start_daemon(name="juliet"), b.start_daemon(name="romeo")
    wait_sight(juliet, "romeo")
    wait_sight(romeo, "juliet")
    found = examine(juliet, code=0)
    only_ok(found, "mdns", "mdns-stacks", "link", "incoming", "name", "identity", "held", "disk", "clock")
    expect(found, "link", "ok", "eth0", "announced (IPv4 and IPv6)", "1 other there answers")
    expect(found, "mdns", "ok", "that is configured")
    assert "decisions" not in found and "vpn" not in found and "links" not in found, found
    out = juliet.ctl("doctor")
    assert "ok    announced as juliet@pronto" in out.splitlines() and juliet.ctl("-q", "doctor") == "", out

    # A firewall in front of mDNS: nothing comes back, not even our own.
    wall(a, "input", "udp dport 5353 drop")
    expect(examine(juliet, code=1), "link", "fail", "eth0", "does not come back", "UDP port 5353")
    assert "fail  eth0" in juliet.ctl("doctor", check=False)[1].splitlines()[0]
    a.run("nft", "delete", "table", "inet", "wall")
    wall(a, "output", "udp dport 5353 drop")
    expect(examine(juliet, code=1), "link", "fail", "not let out")
    a.run("nft", "delete", "table", "inet", "wall")

    # Another program holds the port.
    holder = a.spawn(["/usr/bin/python3", "-c", HOLDER], "holder", lines=True)
    holder.wait_line("bound")
    expect(examine(juliet, code=0), "mdns-stacks", "warn", "python3", "mDNS off")
    holder.stop()

    # Links: one without multicast, one without address, and the default route in a tunnel.
    a.run("ip", "link", "add", "dull0", "type", "veth", "peer", "name", "dull1")
    a.run("sh", "-c", "ip link set dull0 multicast off; ip addr add 10.78.0.1/24 dev dull0; ip link set dull1 addrgenmode none; ip link set dull0 up; ip link set dull1 up")
    found = examine(juliet, code=0)
    expect(found, "link", "warn", "dull0", "no multicast", "net static add")
    expect(found, "link", "warn", "dull1", "no address")
    a.run("ip", "link", "del", "dull0")
    if "ok" in a.run("sh", "-c", "ip tuntap add tun7 mode tun && ip link set tun7 up && ip addr add 10.79.0.1/24 dev tun7 && ip route add default dev tun7 && echo ok", check=False):
        # Nobody has it open, so it has no carrier; the route stands all the same.
        expect(examine(juliet), "vpn", "warn", "tun7", "VPN")
        a.run("ip", "link", "del", "tun7")
    else:
        rig.note("no tun device here: the tunnel was not tried")

    # The disk.
    a.run("sh", "-ec", "mount --bind '%s' '%s'; mount -o remount,bind,ro '%s'" % ((juliet.data_dir,) * 3))
    expect(examine(juliet, code=1), "disk", "fail", "can not be written to", "read-only")
    a.run("umount", juliet.data_dir)

    # We call, nobody gets in: five times are no accident.
    wall(a, "input", "tcp flags & (syn|ack) == syn drop")
    at_a, _at_b = befriend(juliet, romeo)
    for _ in range(5):
        juliet.call(at_a, "Contact", "Connect", GLib.Variant("(a{sv})", ({},)))
        hang_up(juliet, at_a)
    expect(examine(juliet, code=0), "incoming", "warn", "5 times", "TCP port")
    expect(examine(romeo, code=0), "incoming", "ok", "others reach us")
    a.run("nft", "delete", "table", "inet", "wall")

    # No link at all.
    a.link_down()
    expect(examine(juliet, code=1), "links", "fail", "no link is up")
    a.link_up()


@rig.test
def a_peer(lan):
    """xmppctl doctor PEER: a stranger, one who does not accept us, one behind a firewall, another key at an address, blocked, gone"""
    a, b = lan.host("pronto", avahi="embedded"), lan.host("forza", avahi="embedded")
    juliet, romeo = a.start_daemon(name="juliet"), b.start_daemon(name="romeo")
    wait_sight(romeo, "juliet")
    path = wait_sight(juliet, "romeo")
    found = examine(juliet, "romeo@forza", code=0)
    expect(found, "peer-trust", "warn", "no key of this peer is known yet", "Write something")
    only_ok(found, "peer-seen", "peer-address")

    # Nothing of it comes in.
    wall(b, "input", "meta l4proto tcp drop")
    found = examine(juliet, "romeo@forza", code=1)
    expect(found, "peer-address", "fail", "does not answer", "TCP")
    b.run("nft", "delete", "table", "inet", "wall")

    # Held here, held there.
    send(juliet, path, "hello")
    wait_request(juliet, "new-key")
    juliet.wait_for(lambda: juliet.get_prop("", "Messages", "Held") == 1, 20, "the message to be held")
    found = examine(juliet, "romeo@forza", code=0)
    expect(found, "peer-trust", "warn", "not accepted the key", "trust pending")
    expect(found, "decisions", "warn", "1")
    expect(found, "held", "warn", ": 1")
    expect(found, "peer-held", "warn", ": 1", "log PEER")
    juliet.ctl("trust", "accept", "--fingerprint", fingerprint(romeo), "--name", "romeo")
    juliet.wait_for(lambda: examine(juliet, "romeo").get("peer-accepts"), 20, "the other side to say that it does not accept us")
    found = examine(juliet, "romeo", code=0)
    expect(found, "peer-accepts", "warn", "has not accepted our key")
    expect(found, "peer-stream", "ok", "which we opened")
    wait_request(romeo, "new-key")
    romeo.ctl("trust", "accept", "--fingerprint", fingerprint(juliet), "--name", "juliet")
    juliet.wait_for(lambda: juliet.get_prop("", "Messages", "Held") == 0, 20, "the message to leave")
    found = examine(juliet, "romeo", code=0)
    expect(found, "peer-trust", "ok", "pinned")
    expect(examine(romeo, "juliet", code=0), "peer-stream", "ok", "which this peer opened")

    # Somebody else at a static address of theirs; then blocked; then gone.
    key = fingerprint(romeo)
    romeo.stop()
    mallory = b.user("mallory").start_daemon(name="mallory")
    port = mallory.get_prop("", "Network", "Port")
    at = named(juliet, "romeo") or path
    juliet.wait_for(lambda: contacts(juliet)[at]["Reach"] == "offline", 20, "romeo to be gone")
    found = examine(juliet, "romeo", code=1)
    expect(found, "peer-seen", "fail", "not announced", "net static add")
    endpoint = "%s:%d" % (b.address, port)
    juliet.manager("AddContact", GLib.Variant("(ssasa{sv})", ("", key, [endpoint], {})))
    found = examine(juliet, "romeo", code=1)
    expect(found, "peer-seen", "ok", "static addresses (1)")
    expect(found, "peer-address", "fail", endpoint, "another key", "Compare")
    juliet.ctl("block", "romeo")
    expect(examine(juliet, "romeo", code=1), "peer-trust", "fail", "blocked", "unblock")
    status, _out, err = juliet.ctl("doctor", "nobody", check=False)
    assert status == 3 and "nobody is called nobody" in err, err


@rig.test
def with_avahi(lan):
    """xmppctl doctor: avahi-daemon announces us and answers on the link; a stack of our own beside it is one too many"""
    a = lan.host("pronto")
    juliet = a.start_daemon(name="juliet")
    juliet.wait_for(lambda: juliet.get_prop("", "Network", "InstanceName"), 20, "juliet to be announced")
    found = examine(juliet, code=0)
    expect(found, "mdns", "ok", "avahi-daemon announces us")
    expect(found, "link", "ok", "eth0", "announced")
    only_ok(found, "mdns-stacks", "name")
    juliet.stop()
    juliet.start_daemon(name="juliet", discovery="embedded")
    juliet.wait_for(lambda: juliet.get_prop("", "Network", "InstanceName"), 20, "juliet to be announced")
    expect(examine(juliet, code=0), "mdns-stacks", "warn", "avahi-daemon", "--discovery=auto")


@rig.test
def no_stack(lan):
    """xmppctl doctor: avahi-daemon is not there, a host name is taken, a warning of the daemon is told"""
    a, b = lan.host("pronto", avahi="none"), lan.host("pronto2", avahi="embedded", hostname="pronto")
    config = a.dir + "/earshotd.conf"
    with open(config, "w") as file:
        file.write("[earshot]\ntrust-mode=ca\n")
    juliet = a.start_daemon(name="juliet", discovery="avahi", config=config)
    juliet.wait_for(lambda: juliet.get_prop("", "Network", "State") == "waiting", 20, "avahi to be missed")
    found = examine(juliet, code=1)
    expect(found, "mdns", "fail", "avahi-daemon does not run", "systemctl start avahi-daemon")
    expect(found, "warning", "warn", "no root to check against")
    juliet.stop()
    juliet.start_daemon(name="juliet", discovery="none")
    expect(examine(juliet, code=0), "mdns", "warn", "switched off", "--discovery=none")
    juliet.stop()
    juliet.start_daemon(name="juliet", discovery="embedded")
    juliet.wait_for(lambda: juliet.get_prop("", "Network", "InstanceName") == "juliet@pronto", 20, "juliet@pronto")
    nurse = b.start_daemon(name="nurse")
    nurse.wait_for(lambda: nurse.get_prop("", "Network", "InstanceName") == "nurse@pronto-2", 30, "nurse@pronto-2")
    expect(examine(nurse, code=0), "name", "warn", "nurse@pronto-2", "another machine", "hostnamectl")


if __name__ == "__main__":
    rig.main(needs=["nft"])
