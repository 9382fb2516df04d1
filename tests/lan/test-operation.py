#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bad input gets: full disks, damaged files, wrong options, a second daemon, a hostile client."""
import glob
import os
import socket
import subprocess

import rig
from gi.repository import GLib
from people import befriend, contacts, error_of, fingerprint, log, queued, received, send, wait_received, wait_sight, wait_state, with_key


@rig.test
def second_daemon_refuses(lan):
    """A second daemon for the same data directory refuses to start"""
    host = lan.host("pronto", avahi="none")
    juliet = host.start_daemon(name="juliet")
    other = rig.Bus(host, "session", "second-bus")
    second = host.spawn([os.path.join(rig.TOP_BUILD, "earshotd"), "--bus=" + other.address, "--data-dir=" + juliet.data_dir,
                         "--discovery=none"], "second", env=juliet.env())
    assert second.popen.wait(20 * rig.SLOW) == 1
    with open(second.log) as out:
        assert "in use by another earshotd" in out.read()
    assert juliet.running()


@rig.test
def damaged_config_stops_with_line(lan):
    """A damaged config file stops the daemon with file, line and reason; bad options give exit 2 and a usage line"""
    host = lan.host("pronto", avahi="none")
    path = os.path.join(host.dir, "bad.conf")
    with open(path, "w") as out:
        out.write("[earshot]\nname=juliet\n\nport=eleven\n")
    done = subprocess.run(host.enter([os.path.join(rig.TOP_BUILD, "earshotd"), "--bus=" + host.me.bus_address, "--config=" + path]),
                          capture_output=True, text=True, env=host.me.env())
    assert done.returncode == 2 and path in done.stderr and "4" in done.stderr and "port" in done.stderr, done
    done = subprocess.run(host.enter([os.path.join(rig.TOP_BUILD, "earshotd"), "--no-such"]), capture_output=True, text=True, env=host.me.env())
    assert done.returncode == 2 and "Usage" in done.stderr, done


@rig.test
def damaged_database_is_set_aside(lan):
    """A damaged database is set aside, named in Warnings, never recreated over; pins survive the loss of history"""
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    befriend(juliet, romeo)
    wait_sight(juliet, "romeo")
    contact = with_key(juliet, fingerprint(romeo))
    wait_state(juliet, send(juliet, contact, "kept elsewhere")[0], "delivered")
    assert juliet.stop() == 0
    path = os.path.join(juliet.data_dir, "messages.db")
    with open(path, "r+b") as db:
        db.seek(0)
        db.write(b"garbage!" * 512)
    damaged = open(path, "rb").read()
    juliet.restart()
    warnings = dict(juliet.get_prop("", "Manager", "Warnings"))
    moved = glob.glob(path + ".damaged-*")
    assert len(moved) == 1 and any(moved[0] in text for text in warnings.values()), (moved, warnings)
    assert open(moved[0], "rb").read() == damaged
    assert contacts(juliet)[contact]["Trust"] == "pinned"
    wait_state(juliet, send(juliet, contact, "and on")[0], "delivered", 30)
    assert received(romeo) == ["kept elsewhere", "and on"]


@rig.test
def full_disk(lan):
    """A full disk turns Send into StoreFull and loses nothing already accepted"""
    host = lan.host("pronto", avahi="embedded")
    juliet = host.me
    os.makedirs(juliet.data_dir, 0o700)
    # Seen by the processes of this host only.
    host.run("mount", "-t", "tmpfs", "-o", "size=1200k,mode=700", "none", juliet.data_dir)
    juliet.start_daemon(name="juliet")
    romeo = lan.host("forza", avahi="embedded").start_daemon(name="romeo")
    befriend(juliet, romeo)
    wait_sight(juliet, "romeo")
    contact = with_key(juliet, fingerprint(romeo))
    romeo.host.unplug()
    accepted, name = [], None
    for i in range(400):
        body = "%03d " % i + "x" * 8000
        try:
            send(juliet, contact, body)
        except GLib.Error as error:
            name = rig.error_name(error)
            break
        accepted.append(body)
    assert name == rig.NAME + ".Error.StoreFull", name
    assert len(accepted) > 5
    juliet.kill9()
    # With a source named, mount(8) adds no old options: their uid= is not of this namespace where a plain user made it.
    host.run("mount", "-t", "tmpfs", "-o", "remount,size=16m,mode=700", "none", juliet.data_dir)
    juliet.restart()
    romeo.host.plug()
    wait_received(romeo, accepted, 60)
    juliet.wait_for(lambda: queued(juliet) == 0, 30, "the outbox to empty")


@rig.test
def bad_arguments_are_named(lan):
    """A bad D-Bus argument gets a named error that says which argument and why, and nothing happens"""
    juliet = lan.host("pronto", avahi="none").start_daemon(name="juliet")
    path = juliet.manager("AddContact", GLib.Variant("(ssasa{sv})", ("romeo", "ab" * 32, [], {})))[0]
    assert error_of(send, juliet, path, "hi", misspelt="verified") == "InvalidArgument"
    assert error_of(send, juliet, path, "hi", require="verifed") == "InvalidArgument"
    assert error_of(send, juliet, path, "hi", require="verified") == "NotTrusted"
    assert error_of(send, juliet, path, "") == "InvalidArgument"
    assert error_of(send, juliet, path, "bell \x07") == "InvalidArgument"
    assert error_of(send, juliet, path, "x" * 70000) == "TooLarge"
    assert error_of(send, juliet, "/im/earshot/Earshot1/contact/1", "hi") == "NotFound"
    assert error_of(juliet.manager, "AddContact", GLib.Variant("(ssasa{sv})", ("x", "abc", [], {}))) == "InvalidArgument"
    assert error_of(juliet.set_prop, "", "Manager", "Show", GLib.Variant("s", "asleep")) == "InvalidArgument"
    assert error_of(juliet.call, "", "Messages", "Fetch", GLib.Variant("(sua{sv})", ("nobody", 10, {}))) == "NotFound"
    assert log(juliet) == [] and queued(juliet) == 0


@rig.test
def hostile_bytes(lan):
    """S-19 S-20 S-21 S-23 X-02: hostile bytes before TLS get their stream error and a closed socket; the daemon lives"""
    juliet = lan.host("pronto", avahi="none").start_daemon(name="juliet", port=5298)
    head = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='x@y'>"
    plays = {
        b"not-well-formed": head + b"<a></b>",
        b"restricted-xml": b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + head,
        b"invalid-namespace": b"<stream:stream xmlns='jabber:client' xmlns:stream='urn:x' version='1.0'>",
        b"not-authorized": head + b"<message><body>hi</body></message>",
        b"policy-violation": head + b"<a>" + b"x" * 20000,
        b"host-unknown": head.replace(b" from", b" to='somebody@else' from"),
    }
    for condition, payload in plays.items():
        script = ("import socket,sys\ns=socket.create_connection(('127.0.0.1',5298),10)\ns.sendall(sys.stdin.buffer.read())\n"
                  "out=b''\ns.settimeout(20)\nwhile True:\n  d=s.recv(4096)\n  if not d: break\n  out+=d\nsys.stdout.buffer.write(out)\n")
        done = subprocess.run(juliet.host.enter([rig.sys.executable, "-c", script]), input=payload, capture_output=True, timeout=60 * rig.PATIENCE)
        assert b"<" + condition in done.stdout, (condition, done.stdout, done.stderr)
    # No version in the header: closed before a header of ours leaves (8.2).
    done = subprocess.run(juliet.host.enter([rig.sys.executable, "-c", script]),
                          input=b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='juliet@pronto' from='old@x'>",
                          capture_output=True, timeout=60 * rig.PATIENCE)
    assert done.stdout == b"", done.stdout
    assert juliet.running() and juliet.get_prop("", "Manager", "Fingerprint")


rig.main()
