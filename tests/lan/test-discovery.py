#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Discovery alone, on real stacks: tool-discovery drives discovery.h on hosts with avahi-daemon, with the embedded stack, and mixed."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig

TOOL = os.path.join(rig.TOP_BUILD, "tests/lan/tool-discovery")
# A requirement of 3 s on a machine that does nothing else; tests share two processors with others.
REQUIRED, LIMIT = 3.0, 12.0


def tool(where, name, choice=None, port=5298, interfaces=()):
    host = getattr(where, "host", where)
    choice = choice or {"daemon": "avahi", "embedded": "embedded"}[host.avahi]
    return where.spawn([TOOL, choice, name, str(port), *interfaces], "tool-" + name, lines=True, env=where.env())


def seen(process, instance, txt=None):
    """Whether the instance is listed, and with that TXT string if one is asked for, on any interface."""
    on, text = set(), {}
    for line in process.lines:
        words = line.split(" ")
        if words[0] == "SIGHTED" and words[1] == instance:
            where = (words[4], words[5])
            on.add(where)
            text[where] = words[7:]
        elif words[0] == "GONE" and words[1] == instance:
            on.discard((words[3], words[4]))
    return bool(on) and (txt is None or any(txt in text[where] for where in on))


def timed(predicate, what):
    start = time.monotonic()
    rig.wait(predicate, LIMIT, what)
    took = time.monotonic() - start
    rig.note("%s: %.2f s (required: %.0f s)" % (what, took, REQUIRED))


def meet(lan, kinds, thorough=False):
    names = ["juliet", "romeo", "nurse"]
    machines = ["pronto", "segundo", "tercero"]
    hosts = [lan.host(machine, avahi=kind) for machine, kind in zip(machines, kinds)]
    tools = [tool(host, name) for host, name in zip(hosts, names)]
    addresses = ["%s@%s" % pair for pair in zip(names, machines)]
    timed(lambda: all(seen(t, address, "txtvers=1") for t, mine in zip(tools, addresses) for address in addresses if address != mine),
          "everyone sees everyone")
    for t, mine in zip(tools, addresses):
        t.wait_line("ESTABLISHED " + mine, LIMIT)

    tools[0].say("txt status=away msg=lunch")
    timed(lambda: all(seen(t, addresses[0], "status=away") for t in tools[1:]), "a change of TXT is seen")
    # Back before the record in between has expired anywhere.
    tools[0].say("txt status=dnd")
    tools[0].say("txt status=away msg=lunch")
    tools[0].say("txt status=dnd")
    rig.wait(lambda: all(seen(t, addresses[0], "status=dnd") for t in tools[1:]), LIMIT, "the last state")

    for t in tools:
        for line in t.lines:
            assert " txt " not in line or " txt txtvers=1" in line, "txtvers is not first (1.2): " + line

    tools[1].mark()
    tools[1].say("resolve " + addresses[0])
    answer = tools[1].wait_line("RESOLVED", LIMIT)
    rig.note(answer)
    targets = answer.split(" ")[1:]
    assert targets[0].startswith("[fe80") and "%" in targets[0] and targets[0].endswith(":5298"), answer
    assert hosts[0].address + ":5298" in targets, answer
    if thorough:
        tools[1].mark()
        tools[1].say("resolve nobody@nowhere")
        assert "error" in tools[1].wait_line("RESOLVED", LIMIT)

    for t, mine in zip(tools, addresses):
        assert not any(line.startswith("SIGHTED %s " % mine) for line in t.lines), "lists itself: P-10"
    if thorough:
        tools[1].say("rescan")
        rig.settle(6)
        assert seen(tools[1], addresses[0]) and seen(tools[1], addresses[2])

    assert tools[0].stop() == 0
    timed(lambda: not any(seen(t, addresses[0]) for t in tools[1:]), "a clean exit is seen")
    assert all(seen(t, address) for t in tools[1:2] for address in addresses[2:])


@rig.test
def p01_daemon(lan):
    """P-01 P-13 three hosts with avahi-daemon"""
    meet(lan, ["daemon"] * 3)


@rig.test
def p01_embedded(lan):
    """P-01 P-13 three hosts with the embedded stack"""
    meet(lan, ["embedded"] * 3)


@rig.test
def p01_mixed(lan):
    """P-01 P-13 three hosts, mixed"""
    meet(lan, ["daemon", "embedded", "daemon"], thorough=True)


def same_host(lan, kind):
    host, other = lan.host("pronto", avahi=kind), lan.host("segundo", avahi=kind)
    juliet, nurse, romeo = tool(host.user("one"), "juliet", port=5298), tool(host.user("two"), "nurse", port=5299), tool(other, "romeo")
    rig.wait(lambda: seen(juliet, "nurse@pronto") and seen(nurse, "juliet@pronto"), LIMIT, "the other daemon on this host")
    rig.wait(lambda: seen(romeo, "nurse@pronto") and seen(romeo, "juliet@pronto"), LIMIT, "both from outside")
    assert not any(line.startswith("SIGHTED juliet@") for line in juliet.lines)
    assert not any(line.startswith("SIGHTED nurse@") for line in nurse.lines)
    # The same name on the same host is a collision, and one of the two is renamed.
    twin = tool(host.user("three"), "juliet", port=5300)
    twin.wait_line("ESTABLISHED juliet-1@pronto", LIMIT * 2)
    rig.wait(lambda: seen(romeo, "juliet-1@pronto") and seen(twin, "juliet@pronto"), LIMIT, "the renamed one and its twin")
    assert not any("#" in line for line in twin.lines + romeo.lines)
    assert not any(line.startswith("SIGHTED juliet-1@") for line in twin.lines)


@rig.test
def p10_daemon(lan):
    """P-10 P-12 several on one host with avahi-daemon"""
    same_host(lan, "daemon")


@rig.test
def p10_embedded(lan):
    """P-10 P-12 several on one host, each with its embedded stack"""
    same_host(lan, "embedded")


def host_collision(lan, kinds):
    a = lan.host("one", avahi=kinds[0], hostname="pronto")
    juliet = tool(a, "juliet")
    juliet.wait_line("ESTABLISHED juliet@pronto pronto", LIMIT)
    b = lan.host("two", avahi=kinds[1], hostname="pronto")
    romeo = tool(b, "romeo")
    # Avahi settles it among the hosts: the newcomer takes another name, and its users with it (1.5).
    romeo.wait_line("ESTABLISHED romeo@pronto-2 pronto-2", LIMIT * 2)
    rig.wait(lambda: seen(juliet, "romeo@pronto-2") and seen(romeo, "juliet@pronto"), LIMIT, "each other")


@rig.test
def host_collision_daemon(lan):
    """P-12 two hosts of one name, avahi-daemon"""
    host_collision(lan, ["daemon", "daemon"])


@rig.test
def host_collision_embedded(lan):
    """P-12 two hosts of one name, embedded"""
    host_collision(lan, ["embedded", "embedded"])


@rig.test
def lockstep(lan):
    """P-12 two hosts of one name and two daemons of one name, at the same moment: both lose to each other, and end apart"""
    def apart(tools, what):
        def met():
            names = [([""] + [line.split(" ")[1] for line in t.lines if line.startswith("ESTABLISHED")])[-1] for t in tools]
            return names if all(seen(t, other) for t, other in zip(tools, reversed(names))) else None
        # One try of ten thousand goes on after the third rename; the retry behind it is not waited for here.
        names = rig.wait(met, LIMIT * 3, "%s of one name to see each other" % what)
        rig.note("%s: %s" % (what, " ".join(names)))
        assert len(set(names)) == 2 and not any("#" in name for name in names), names

    # Of the records that two probes hold Avahi weighs each by itself: one has the greater A, the other the greater AAAA.
    hosts = [lan.host(name, avahi="embedded", hostname="pronto") for name in ("one", "two")]
    assert [h.address for h in hosts] == sorted(h.address for h in hosts)
    for host, last in zip(hosts, ("02", "01")):
        host.link_down()
        host.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:" + last)
        host.link_up()
        host._await_address("eth0")
    tools = [tool(host, "juliet") for host in hosts]
    apart(tools, "hosts")
    for t in tools:
        with open(t.log) as log:
            renamed = [line for line in log if "the host name is taken" in line]
        # On a slow machine one may be there before the other asks.
        assert not renamed or "this host is pronto-2 on" in renamed[0], "the first step is the one that people expect"
        assert t.stop() == 0

    # The same with SRV and TXT, on one host.
    twins = [tool(hosts[0].user(name), "-", choice="embedded", port=port) for name, port in (("a", 5401), ("b", 5402))]
    for twin, txt in zip(twins, ("z=2", "z=1")):
        twin.wait_line("STATE embedded running", LIMIT)
        twin.say("txt " + txt)
    for twin in twins:
        twin.say("name nurse")
    apart(twins, "daemons")


@rig.test
def restart(lan):
    """avahi-daemon restarts: registered anew, nobody is told that everybody left"""
    a, b = lan.host("pronto"), lan.host("segundo")
    juliet, romeo = tool(a, "juliet"), tool(b, "romeo")
    rig.wait(lambda: seen(juliet, "romeo@segundo") and seen(romeo, "juliet@pronto"), LIMIT, "each other")
    juliet.mark()
    romeo.mark()
    a.stop_avahi()
    juliet.wait_line("STATE avahi waiting", LIMIT)
    a.start_avahi()
    juliet.wait_line("ESTABLISHED juliet@pronto", LIMIT)
    romeo.wait_line("SIGHTED juliet@pronto", LIMIT)
    juliet.say("txt status=dnd")
    rig.wait(lambda: seen(romeo, "juliet@pronto", "status=dnd"), LIMIT, "the status after the restart")
    romeo.say("txt status=away")
    rig.wait(lambda: seen(juliet, "romeo@segundo", "status=away"), LIMIT, "the other's status after the restart")
    assert not any(line.startswith("GONE romeo@segundo") for line in juliet.lines), "flickered"
    # The bus itself goes, too.
    juliet.mark()
    a.stop_avahi()
    a.system_bus.process.stop()
    juliet.wait_line("STATE avahi waiting", LIMIT)
    a.system_bus.start()
    a.start_avahi()
    juliet.wait_line("ESTABLISHED juliet@pronto", LIMIT * 2)


@rig.test
def auto(lan):
    """auto: avahi-daemon where it runs, the embedded stack where not, and the change between"""
    a, b, c = lan.host("pronto"), lan.host("segundo", avahi="embedded"), lan.host("tercero", avahi="embedded", system_bus=True)
    juliet, romeo, nurse = tool(a, "juliet", "auto"), tool(b, "romeo", "auto"), tool(c, "nurse", "auto")
    juliet.wait_line("STATE avahi running", LIMIT)
    romeo.wait_line("STATE embedded running", LIMIT)
    nurse.wait_line("STATE embedded running", LIMIT)
    rig.wait(lambda: seen(juliet, "romeo@segundo") and seen(romeo, "juliet@pronto") and seen(nurse, "juliet@pronto"), LIMIT, "each other")
    nurse.mark()
    c.start_avahi()
    nurse.wait_line("STATE avahi running", LIMIT)
    nurse.wait_line("ESTABLISHED nurse@tercero", LIMIT)
    rig.wait(lambda: seen(juliet, "nurse@tercero") and seen(nurse, "juliet@pronto"), LIMIT, "each other with another stack")
    nurse.mark()
    c.stop_avahi()
    nurse.wait_line("STATE embedded running", LIMIT * 2)
    nurse.wait_line("ESTABLISHED nurse@tercero", LIMIT)
    rig.wait(lambda: seen(juliet, "nurse@tercero") and seen(nurse, "juliet@pronto"), LIMIT, "each other with the first stack again")


def two_links(lan, kind):
    lan.add_bridge("lan1")
    a, b, c = lan.host("pronto", avahi=kind), lan.host("segundo", avahi=kind), lan.host("tercero", avahi=kind)
    a.attach("eth1", "a1", "lan1", "10.78.0.1")
    b.attach("eth1", "b1", "lan1", "10.78.0.2")
    juliet, romeo, nurse = tool(a, "juliet"), tool(b, "romeo"), tool(c, "nurse", interfaces=["eth0"])
    def both(process, instance):
        return all(any(line.startswith("SIGHTED %s local %s " % (instance, link)) for line in process.lines) for link in ("eth0", "eth1"))
    rig.wait(lambda: both(juliet, "romeo@segundo") and both(romeo, "juliet@pronto"), LIMIT * 2, "each other on both links")
    rig.wait(lambda: seen(juliet, "nurse@tercero") and seen(nurse, "romeo@segundo"), LIMIT, "the third on one link")
    romeo.mark()
    romeo.say("resolve juliet@pronto")
    answer = romeo.wait_line("RESOLVED", LIMIT)
    scopes = {word.split("%")[1].split("]")[0] for word in answer.split(" ") if word.startswith("[fe80")}
    assert len(scopes) == 2, "each link-local address with the scope of its link: " + answer
    a.link_down("eth1")
    b.link_down("eth1")
    romeo.wait_line("GONE juliet@pronto", LIMIT)
    rig.settle(2)
    assert seen(romeo, "juliet@pronto"), "gone only when gone everywhere"
    assert not any(" lo " in line for process in (juliet, romeo, nurse) for line in process.lines)

    # One that keeps to a link is not there for the others on the other.
    only = tool(b.user("two"), "ghost", port=5299, interfaces=["eth1"])
    b.link_up("eth1")
    only.wait_line("ESTABLISHED", LIMIT)
    rig.settle(2)
    assert not seen(nurse, "ghost@segundo")
    assert not any(line.startswith("SIGHTED") and " eth0 " in line for line in only.lines)


@rig.test
def p11_links_daemon(lan):
    """P-11 two links and chosen interfaces, avahi-daemon"""
    two_links(lan, "daemon")


@rig.test
def p11_links_embedded(lan):
    """P-11 two links and chosen interfaces, embedded"""
    two_links(lan, "embedded")


def trouble(lan, kind):
    a, b = lan.host("pronto", avahi=kind), lan.host("segundo", avahi=kind)
    a.link_down()
    juliet, romeo = tool(a, "juliet"), tool(b, "romeo")
    romeo.wait_line("ESTABLISHED", LIMIT)
    juliet.wait_line("STATE", LIMIT)
    a.link_up()
    rig.wait(lambda: seen(juliet, "romeo@segundo") and seen(romeo, "juliet@pronto"), LIMIT * 2, "each other once there is a link")

    a.change_address()
    answer = ""
    while a.address + ":5298" not in answer:
        romeo.mark()
        romeo.say("resolve juliet@pronto")
        answer = romeo.wait_line("RESOLVED", LIMIT)

    # No goodbye from us, and another port afterwards: the new one is found, and nobody takes himself for a peer.
    juliet.kill9()
    juliet = tool(a, "juliet", port=6000)
    juliet.wait_line("ESTABLISHED juliet@pronto", LIMIT)
    while ":6000" not in answer.split(" ")[1]:
        romeo.mark()
        romeo.say("resolve juliet@pronto")
        answer = romeo.wait_line("RESOLVED", LIMIT)
    rig.wait(lambda: seen(juliet, "romeo@segundo") and seen(romeo, "juliet@pronto"), LIMIT, "each other again")
    assert not seen(juliet, "juliet@pronto")
    romeo.mark()
    juliet.say("withdraw")
    rig.wait(lambda: not seen(romeo, "juliet@pronto"), LIMIT, "withdrawn")
    assert seen(juliet, "romeo@segundo")
    juliet.say("name capulet")
    juliet.wait_line("ESTABLISHED capulet@pronto", LIMIT)
    rig.wait(lambda: seen(romeo, "capulet@pronto"), LIMIT, "the new name")


@rig.test
def p15_daemon(lan):
    """P-15 late link, other address, killed and back, avahi-daemon"""
    trouble(lan, "daemon")


@rig.test
def p15_embedded(lan):
    """P-15 late link, other address, killed and back, embedded"""
    trouble(lan, "embedded")


@rig.test
def p01_link_lost_while_probing(lan):
    """P-01 a link that vanishes while we probe: avahi-daemon 0.8 never finishes that registration, so we begin another"""
    a, b = lan.host("pronto", avahi="daemon"), lan.host("segundo", avahi="daemon")
    romeo = tool(b, "romeo")
    romeo.wait_line("ESTABLISHED", LIMIT)
    juliet = tool(a, "juliet")
    juliet.wait_line("STATE", LIMIT)
    a.link_down()
    if any(line.startswith("ESTABLISHED") for line in juliet.lines):
        rig.note("this machine was too slow: the registration stood before the link went")
    a.link_up()
    juliet.wait_line("ESTABLISHED juliet@pronto", LIMIT * 4)
    rig.wait(lambda: seen(romeo, "juliet@pronto", "txtvers=1"), LIMIT, "juliet, wholly announced")


rig.main()
