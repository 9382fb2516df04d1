# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the plays of tests/lan have in common: people, trust and messages through the D-Bus API, on top of rig.py."""
from gi.repository import GLib
import rig

PREFIX = rig.NAME + "."


def contacts(user):
    """{path: Contact properties} of everybody the daemon knows."""
    return {path: ifaces[PREFIX + "Contact"] for path, ifaces in user.objects().items() if PREFIX + "Contact" in ifaces}


def requests(user, kind=None):
    """{path: Request properties}."""
    found = {path: ifaces[PREFIX + "Request"] for path, ifaces in user.objects().items() if PREFIX + "Request" in ifaces}
    return {path: props for path, props in found.items() if kind in (None, props["Kind"])}


def fingerprint(user):
    return user.get_prop("", "Manager", "Fingerprint")


def named(user, name, reach=None):
    """The path of the contact that claims NAME@…, or None."""
    for path, props in contacts(user).items():
        if props["ClaimedAddress"].split("@")[0] == name and (reach is None or props["Reach"] in reach):
            return path
    return None


def with_key(user, fp):
    for path, ifaces in user.objects().items():
        key = ifaces.get(PREFIX + "Key")
        if key and key["Fingerprint"] == fp:
            return key["Contact"]
    return None


def hang_up(user, contact):
    """As often as it takes: a call that was on its way, by either of them, is a stream a moment later."""
    def gone():
        if contacts(user)[contact]["Connected"]:
            user.call(contact, "Contact", "Disconnect")
            return False
        return True
    user.wait_for(gone, 10, "the end of the stream at %s" % user)


def wait_sight(user, name, timeout=35):
    """A browser asks after 0, 1, 3, 7, 15 and 31 s (RFC 6762 section 5.2): what was lost on the way comes with the next answer."""
    return user.wait_for(lambda: named(user, name, ("sighted", "online")), timeout, "%s to see %s" % (user, name))


def wait_request(user, kind, timeout=15):
    """(path, properties) of the first open question of that kind."""
    user.wait_for(lambda: requests(user, kind), timeout, "a %s request at %s" % (kind, user))
    return next(iter(requests(user, kind).items()))


def resolve(user, path, choice, fp=None, **options):
    options = {key: GLib.Variant("b" if isinstance(value, bool) else "s", value) for key, value in options.items()}
    if fp:
        options["fingerprint"] = GLib.Variant("s", fp)
    user.call(path, "Request", "Resolve", GLib.Variant("(sa{sv})", (choice, options)))


def befriend(a, b, petname_a="", petname_b=""):
    """Each pins the other's key, as two people do who compared fingerprints. The two contact paths: b at a, a at b."""
    pa = a.manager("AddContact", GLib.Variant("(ssasa{sv})", (petname_b, fingerprint(b), [], {})))[0]
    pb = b.manager("AddContact", GLib.Variant("(ssasa{sv})", (petname_a, fingerprint(a), [], {})))[0]
    return pa, pb


def send(user, contact, body, **options):
    """The id and seq."""
    kinds = {"expires": "x"}
    options = {key: GLib.Variant(kinds.get(key, "s"), value) for key, value in options.items()}
    return user.call("", "Messages", "Send", GLib.Variant("(osa{sv})", (contact, body, options)))


def state_of(user, message_id):
    message = user.call("", "Messages", "Get", GLib.Variant("(s)", (message_id,)))[0]
    return message.get("state", ""), message.get("reason", "")


def wait_state(user, message_id, state, timeout=20):
    user.wait_for(lambda: state_of(user, message_id)[0] == state, timeout, "%s: message %s" % (user, state))


def log(user, contact="/", kinds=("message",)):
    """Every log entry of a conversation, oldest first: (seq, time, kind, conversation, id, data)."""
    entries, before = [], 0
    while True:
        page, more = user.call("", "Messages", "List", GLib.Variant("(otua{sv})", (contact, before, 1000,
                                                                           {"kinds": GLib.Variant("as", list(kinds))})))
        entries += page
        if not more or not page:
            break
        before = min(entry[0] for entry in page)
    return sorted(entries, key=lambda entry: entry[0])


def received(user, contact="/"):
    return [entry[5]["body"] for entry in log(user, contact) if entry[5]["direction"] == "in"]


def wait_received(user, bodies, timeout=20, contact="/"):
    """Exactly these, in this order."""
    user.wait_for(lambda: len(received(user, contact)) >= len(bodies), timeout, "%s to receive %d messages" % (user, len(bodies)))
    got = received(user, contact)
    assert got == list(bodies), "%s received %r, not %r" % (user, got, bodies)


def queued(user):
    return user.get_prop("", "Messages", "Queued")


def error_of(call, *args, **kw):
    """The short D-Bus error name that call() raises; fails when it raises none."""
    try:
        call(*args, **kw)
    except GLib.Error as error:
        return (rig.error_name(error) or str(error)).rsplit(".", 1)[-1]
    raise AssertionError("no error was raised")
