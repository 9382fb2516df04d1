#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names that lie, between real daemons: who announces a friend's name, or one that can be taken for it, is marked with whose it is."""
from gi.repository import GLib
import rig
from people import PREFIX, befriend, contacts, error_of, fingerprint, named, requests, send, wait_request, wait_sight

ICU = "HAVE_ICU 1" in open(rig.TOP_BUILD + "/earshot-config.h").read()


def warning(user, path):
    props = contacts(user)[path]
    return props["NameWarning"], props["Resembles"]


def wait_warning(user, path, expected):
    user.wait_for(lambda: warning(user, path) == expected, 20, "%s to be warned: %s" % (user, expected))


@rig.test
def lookalikes_on_the_link(lan):
    """A duplicate, a look-alike and an innocent knock; the mark follows what the user calls people, and is in the question"""
    romeo = lan.host("forza", avahi="embedded").start_daemon(name="romeo")
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet")
    at_romeo, _ = befriend(romeo, juliet, petname_b="juliet")
    wait_sight(romeo, "juliet")
    mallory = lan.host("foe", avahi="embedded").start_daemon(name="ju1iet")
    nurse = lan.host("villa", avahi="embedded").start_daemon(name="nurse")
    wait_sight(romeo, "ju1iet"), wait_sight(romeo, "nurse")
    at_mallory, at_nurse = named(romeo, "ju1iet"), named(romeo, "nurse")
    assert warning(romeo, at_nurse) == ("", "/") and warning(romeo, at_romeo) == ("", "/")
    assert warning(romeo, at_mallory) == (("lookalike", at_romeo) if ICU else ("", "/"))
    # By nickname, with what does not show.
    nurse.set_prop("", "Manager", "Nick", GLib.Variant("s", "JULIET"))
    wait_warning(romeo, at_nurse, ("duplicate", at_romeo))
    row = [row for row in romeo.ctl("peers", "--json") if row["address"] == "nurse@villa"][0]
    assert row["name_warning"] == "duplicate" and row["resembles"]["petname"] == "juliet", row
    assert "name warning: duplicate of juliet" in romeo.ctl("peers")
    # It asks to be let in: the question says whom it can be taken for.
    wait_sight(mallory, "romeo")
    send(mallory, mallory.manager("AddContact", GLib.Variant("(ssasa{sv})", ("", fingerprint(romeo), [], {})))[0], "it is me, my love")
    path, request = wait_request(romeo, "new-key", 30)
    assert request["Details"]["name_warning"] == ("lookalike" if ICU else ""), request
    assert request["Details"].get("resembles_name") == ("juliet" if ICU else None), request
    assert ("NAME WARNING: lookalike of juliet" in romeo.ctl("trust", "pending")) == ICU
    # Nobody gets a petname that can be taken for hers, in the answer or later; another one ends the warning.
    assert romeo.ctl("trust", "accept", "--fingerprint", fingerprint(mallory), "--name", "Juliet", check=False)[0] == 2
    assert error_of(romeo.set_prop, at_nurse, "Contact", "Petname", GLib.Variant("s", "JULIET\u200c")) == "InvalidArgument"
    if ICU:
        assert romeo.ctl("trust", "accept", "--fingerprint", fingerprint(mallory), "--name", "ju1iet", check=False)[0] == 2
    assert requests(romeo, "new-key") and romeo.get_prop("key/" + fingerprint(mallory), "Key", "Trust") == "unknown"
    romeo.ctl("trust", "accept", "--fingerprint", fingerprint(mallory), "--name", "the other one")
    wait_warning(romeo, with_mallory(romeo, mallory), ("", "/"))
    romeo.ctl("name", "juliet", "sun")
    wait_warning(romeo, at_nurse, ("duplicate", at_romeo))  # her address is still juliet@pronto
    assert PREFIX + "Contact" in romeo.objects()[at_nurse]


def with_mallory(user, mallory):
    return user.get_prop("key/" + fingerprint(mallory), "Key", "Contact")


rig.main()
