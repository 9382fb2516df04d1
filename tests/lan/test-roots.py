#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Private roots: a real earshotd in the trust mode `ca`, and everybody who would like to be let in by a chain (certs.py, peer.py); and the recipe
of docs/private-roots.md with two real daemons."""
import os
import re
import shutil
import signal
import subprocess

import rig
from certs import CLIENT, DAY, SERVER, Certificate, Key, crl, oid, sequence, tlv, utf8, xmpp_addr, XMPP_ADDR
from people import (PREFIX, contacts, error_of, fingerprint, named, queued, received, requests, resolve, send, state_of, wait_received, wait_request,
                    wait_state, with_key)
from peer import Closed, Peer, await_address, chat, connect, new_id, pin, said, start

ROMEO = "romeo@forza"


def put(path, data):
    """In the place of the old file, as the documentation says."""
    with open(path + ".new", "wb") as out:
        out.write(data)
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)


class Site:
    """A root, its files, a configuration that names them."""

    def __init__(self, lan, crls=True):
        self.dir = os.path.join(lan.dir, "site")
        os.mkdir(self.dir)
        self.root = Certificate(self.dir, cn="Our Site", ca=True)
        self.crt, self.crl, self.conf = (os.path.join(self.dir, name) for name in ("site.crt", "site.crl", "earshotd.conf"))
        put(self.crt, self.root.crt)
        put(self.crl, crl(self.root))
        with open(self.conf, "w") as out:
            out.write("[earshot]\ntrust-mode=ca\ntrust-roots=%s\n%s" % (self.crt, "trust-crls=%s\n" % self.crl if crls else ""))

    def issue(self, addr=ROMEO, **kw):
        kw.setdefault("issuer", self.root)
        return Certificate(self.dir, addr, **kw)


def setting(lan, certificate=None, **kw):
    """The site, the daemon in the mode `ca`, and romeo with a certificate of the site."""
    site = Site(lan, **kw)
    juliet = start(lan, config=site.conf)
    romeo = Peer(lan.host("forza", avahi="none"), ROMEO, juliet, certificate=certificate or site.issue())
    return site, juliet, romeo


def key_of(user, fp):
    return user.get_all("key/" + fp, "Key")


def add_static(user, where):
    return user.call("", "Network", "AddStatic", rig.GLib.Variant("(s)", (getattr(where, "endpoint", where),)))[0]


def refused_inbound(peer, condition="not-authorized"):
    stream = peer.dial().secure()
    stream.sasl()
    stream.failure(condition)


@rig.test
def the_right_root(lan):
    """T-06: a chain to the configured root for the address used: in at level ca without a question, both directions, after a restart, too"""
    site, juliet, romeo = setting(lan)
    assert [line.split(" ", 1)[1] for line in juliet.get_prop("", "Manager", "TrustRoots")] == ["CN=Our Site"]
    assert juliet.get_prop("", "Manager", "TrustRoots")[0].startswith(site.root.fp)
    assert "trust-roots" in juliet.get_prop("", "Manager", "Features")
    stream = romeo.dial().open()
    assert stream.features[-1].find("{im.earshot:trust:0}restricted") is None
    stream.send(chat("by the grace of the site", new_id()))
    contact = with_key(juliet, romeo.fp)
    wait_received(juliet, [said("by the grace of the site")])
    key = key_of(juliet, romeo.fp)
    assert (key["Trust"], key["TrustSource"], key["Warnings"]) == ("ca", "ca", []), key
    assert contacts(juliet)[contact]["Stored"] and not requests(juliet)
    # What needs `ca` goes out, what needs more does not.
    send(juliet, contact, said("for the site"), require="ca")
    stream.message(said("for the site"))
    assert error_of(send, juliet, contact, said("for friends"), require="verified") == "NotTrusted"
    stream.close()
    juliet.restart()
    await_address(juliet)
    listener = romeo.listen()
    call = connect(juliet, add_static(juliet, listener))
    stream = listener.accept().open()
    assert call.wait() is None and contacts(juliet)[contact]["Connected"]
    stream.alive()
    assert key_of(juliet, romeo.fp)["Trust"] == "ca" and not requests(juliet)


@rig.test
def called_first(lan):
    """T-06: whom we call by an address alone and who has a chain is let in under the name of the chain, and only under that"""
    site, juliet, romeo = setting(lan)
    listener = romeo.listen()
    contact = add_static(juliet, listener)
    call = connect(juliet, contact)
    stream = listener.accept().open()
    assert call.wait() is None and with_key(juliet, romeo.fp) == contact
    assert key_of(juliet, romeo.fp)["Trust"] == "ca" and contacts(juliet)[contact]["ClaimedAddress"] == ROMEO
    stream.close()
    # The same chain, and under TLS suddenly another name: no stanza, no name.
    romeo.addr = "nurse@pronto"
    def part(stream):
        stream.take_tls()
        stream.offer("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>")
        assert not stream.error("invalid-from")
    error, _ = listener.play(connect(juliet, contact), part)
    assert error == "NotTrusted", error
    assert contacts(juliet)[contact]["ClaimedAddress"] == ROMEO


def bad_chains(site, other):
    """{what: (certificate, SASL condition, word)}; each breaks one rule."""
    def branch(**kw):
        return Certificate(site.dir, cn="Branch", issuer=site.root, **dict(dict(ca=True), **kw))
    twin = Certificate(site.dir, cn="Our Site", ca=True)
    # permittedSubtrees { otherName { id-on-xmppAddr, "x@y" } }, critical
    constrained = sequence(oid("2.5.29.30"), tlv(0x01, b"\xff"), tlv(0x04, sequence(tlv(0xa0, sequence(tlv(0xa0, oid(XMPP_ADDR), tlv(0xa0, utf8("x@y"))))))))
    long = site.root
    for n in range(8):
        long = Certificate(site.dir, cn="Issuer %d" % n, issuer=long, ca=True)
    return {
        "self-signed": (Certificate(site.dir, ROMEO), "not-authorized", "chain-unknown-root"),
        "another root": (site.issue(issuer=other), "not-authorized", "chain-unknown-root"),
        "another root, sent along": (site.issue(issuer=other, chain=[other]), "not-authorized", "chain-unknown-root"),
        "a root of the same name": (site.issue(issuer=twin, chain=[twin]), "not-authorized", None),
        "another name": (site.issue("nurse@pronto"), "not-authorized", "chain-other-name"),
        "the name only as CN": (site.issue(cn=ROMEO, names=[]), "not-authorized", "chain-other-name"),
        "expired": (site.issue(start=-9 * DAY, end=-DAY), "credentials-expired", "chain-expired"),
        "not yet valid": (site.issue(start=DAY), "credentials-expired", "chain-expired"),
        "not for clients": (site.issue(purposes=[SERVER]), "not-authorized", "chain-purpose"),
        "not for servers": (site.issue(purposes=[CLIENT]), "not-authorized", "chain-purpose"),
        "an issuer's": (site.issue(ca=True, usage=b"\x03\x02\x07\x84", names=[xmpp_addr(ROMEO)]), "not-authorized", "chain-purpose"),
        "through a person": (site.issue(issuer=branch(ca=False)), "not-authorized", "chain-broken"),
        "through an expired issuer": (site.issue(issuer=branch(start=-9 * DAY, end=-DAY)), "credentials-expired", "chain-expired"),
        "through an issuer without its list": (site.issue(issuer=branch()), "not-authorized", "chain-no-crl"),
        "through one constrained to other names": (site.issue(issuer=branch(more=[constrained])), "not-authorized", "chain-broken"),
        "nine issuers": (site.issue(issuer=long), "not-authorized", "chain-broken"),
        "its issuer missing": (site.issue(issuer=branch(), chain=[]), "not-authorized", "chain-unknown-root"),
    }


@rig.test
def refused_callers(lan):
    """T-06 S-14: whoever calls with any other chain is refused, without a question, before a stanza; nothing is kept of what they say"""
    site, juliet, romeo = setting(lan)
    other = Certificate(site.dir, cn="Other Site", ca=True)
    put(site.crl, crl(site.root))
    revoked = site.issue()
    cases = dict(bad_chains(site, other), revoked=(revoked, "not-authorized", "chain-revoked"))
    put(site.crl, crl(site.root, [revoked]))
    os.kill(juliet.process.pid, signal.SIGHUP)
    caller = Peer(romeo.host, ROMEO, juliet, certificate=revoked)
    juliet.wait_for(lambda: "asked to read the trust roots anew" in open(juliet.process.log).read(), 10, "the new list")
    for what, (certificate, condition, word) in cases.items():
        caller.certificate, caller.fp = certificate, certificate.fp
        try:
            refused_inbound(caller, condition)
        except AssertionError:
            rig.note("at: " + what)
            raise
        key = key_of(juliet, certificate.fp)
        assert key["Trust"] == "unknown" and not contacts(juliet)[key["Contact"]]["Stored"], (what, key)
        assert word is None or word in key["Warnings"], (what, key["Warnings"])
    assert not requests(juliet) and received(juliet) == []
    # The daemon is none the worse, and the right one gets in.
    romeo.dial().open().alive()


@rig.test
def refused_when_called(lan):
    """T-06: whom we call and who shows any other chain gets no stanza; the reason is NotTrusted"""
    site, juliet, romeo = setting(lan)
    other = Certificate(site.dir, cn="Other Site", ca=True)
    listener = romeo.listen()
    contact = add_static(juliet, listener)
    cases = bad_chains(site, other)
    # Called by an address alone nobody is expected: a chain for another name would do, for that name.
    for what in ("another name", "the name only as CN"):
        del cases[what]
    for what, (certificate, _, word) in cases.items():
        romeo.certificate, romeo.fp = certificate, certificate.fp
        def part(stream):
            try:
                stream.take_tls()
                events, _ = stream.rest()
                assert [kind for kind, _ in events] in ([], ["close"]), (what, events)
            except Closed:
                pass
            assert b"<message" not in stream.text and b"<auth" not in stream.text, (what, stream.text)
        error, _ = listener.play(connect(juliet, contact), part)
        assert error == "NotTrusted", (what, error)
        assert word is None or word in key_of(juliet, certificate.fp)["Warnings"], what
        # The contact takes one key; the next one tries its luck with a fresh one.
        juliet.call(contact, "Contact", "Forget", rig.GLib.Variant("(a{sv})", ({},)))
        juliet.call("", "Network", "RemoveStatic", rig.GLib.Variant("(s)", (listener.endpoint,)))
        contact = add_static(juliet, listener)
    assert not requests(juliet)


@rig.test
def good_detours(lan):
    """T-06: through an issuer below the root with its list, several names in a certificate, other kinds of keys: all let in"""
    site, juliet, romeo = setting(lan)
    branch = Certificate(site.dir, cn="Branch", issuer=site.root, ca=True)
    put(site.crl, crl(site.root) + crl(branch))
    os.kill(juliet.process.pid, signal.SIGHUP)
    juliet.wait_for(lambda: "asked to read the trust roots anew" in open(juliet.process.log).read(), 10, "the new list")
    names = [xmpp_addr("someone@else"), xmpp_addr(ROMEO), xmpp_addr("romeo@example.org")]
    for what, certificate in {"branch": site.issue(issuer=branch), "root sent along": site.issue(issuer=branch, chain=[branch, site.root]),
                              "any order": site.issue(issuer=branch, chain=[site.root, branch]), "names": site.issue(names=names),
                              "Ed25519": site.issue(kind="Ed25519"), "P-384": site.issue(kind="P-384"), "no purposes": site.issue(purposes=()),
                              "another spelling": site.issue("ROMEO@Forza")}.items():
        peer = Peer(romeo.host, ROMEO, juliet, certificate=certificate)
        stream = peer.dial()
        # With several names, or one written otherwise, the caller says which (RFC 6120 section 6.3.8).
        stream.open(authzid="cm9tZW9AZm9yemE=")
        stream.alive()
        assert key_of(juliet, peer.fp)["Trust"] == "ca", what
        stream.close()
    # Each is another key under one name: told, once each, and let in all the same.
    assert {one["Kind"] for one in requests(juliet).values()} == {"name-conflict"}


@rig.test
def blocked_and_revoked_win(lan):
    """T-06 S-14: a good chain lets in nobody who is blocked, revoked or rejected"""
    site, juliet, romeo = setting(lan)
    stream = romeo.dial().open()
    contact = with_key(juliet, romeo.fp)
    juliet.set_prop(contact, "Contact", "Blocked", rig.GLib.Variant("b", True))
    stream.error("reset")
    refused_inbound(romeo)
    nurse = Peer(romeo.host, "nurse@forza", juliet, certificate=site.issue("nurse@forza"))
    stream = nurse.dial().open()
    juliet.call("key/" + nurse.fp, "Key", "Revoke", rig.GLib.Variant("(ss)", (nurse.fp, "stolen")))
    stream.error("reset")
    refused_inbound(nurse)
    # A fresh certificate for the same key is the same key.
    nurse.certificate = site.issue("nurse@forza", key=nurse.certificate.key)
    refused_inbound(nurse)
    assert not requests(juliet)


@rig.test
def pinned_keys(lan):
    """T-05 T-06: in the mode ca a pinned key needs no chain, but one that expired or is on a list does not get in; nor does it become verified"""
    site, juliet, romeo = setting(lan)
    plain = Peer(romeo.host, "paris@forza", juliet)
    pin(juliet, plain)
    plain.dial().open().alive()
    old = Peer(romeo.host, "old@forza", juliet, start=-9 * DAY, end=-DAY)
    pin(juliet, old)
    refused_inbound(old, "credentials-expired")
    assert key_of(juliet, old.fp)["Trust"] == "pinned" and "cert-expired" in key_of(juliet, old.fp)["Warnings"]
    pin(juliet, romeo)
    stream = romeo.dial().open()
    stream.alive()
    # People's word is not overwritten by a chain.
    assert key_of(juliet, romeo.fp)["Trust"] == "pinned" and key_of(juliet, romeo.fp)["TrustSource"] == "fingerprint"
    put(site.crl, crl(site.root, [romeo.certificate]))
    stream.error("reset")
    refused_inbound(romeo)
    # Where no chain rules, they let each other in as ever.
    juliet.set_prop("", "Manager", "TrustMode", rig.GLib.Variant("s", "ask"))
    romeo.dial().open().alive()
    old.dial().open().alive()


@rig.test
def files_change(lan):
    """T-06 T-20: a new list ends the stream of whom it revokes, without being asked; a stale or missing list refuses everybody and warns"""
    site, juliet, romeo = setting(lan)
    nurse = Peer(romeo.host, "nurse@forza", juliet, certificate=site.issue("nurse@forza"))
    streams = [romeo.dial().open(), nurse.dial().open()]
    put(site.crl, crl(site.root, [romeo.certificate]))
    streams[0].error("reset")
    streams[1].alive()
    refused_inbound(romeo)
    assert "chain-revoked" in key_of(juliet, romeo.fp)["Warnings"]
    # Level `ca` stands on the chain in every mode.
    juliet.set_prop("", "Manager", "TrustMode", rig.GLib.Variant("s", "ask"))
    refused_inbound(romeo)
    juliet.set_prop("", "Manager", "TrustMode", rig.GLib.Variant("s", "ca"))
    for what, change in (("stale", lambda: put(site.crl, crl(site.root, start=-9 * DAY, end=-DAY))), ("missing", lambda: os.unlink(site.crl)),
                         ("garbage", lambda: put(site.crl, b"garbage"))):
        stream = nurse.dial().open()
        change()
        stream.error("reset")
        refused_inbound(nurse)
        assert "chain-no-crl" in key_of(juliet, nurse.fp)["Warnings"], what
        warnings = dict(juliet.get_prop("", "Manager", "Warnings"))
        assert site.crl in warnings["trust-crls"], warnings
        put(site.crl, crl(site.root))
        juliet.wait_for(lambda: "trust-crls" not in dict(juliet.get_prop("", "Manager", "Warnings")), 10, "the warning to go")
    stream = nurse.dial().open()
    # The root itself.
    os.unlink(site.crt)
    stream.error("reset")
    juliet.wait_for(lambda: juliet.get_prop("", "Manager", "TrustRoots") == [], 10, "the root to go")
    assert {"trust-roots", "trust-mode"} <= set(dict(juliet.get_prop("", "Manager", "Warnings")))
    refused_inbound(nurse)
    # A person's word frees a key of its chain.
    juliet.call("key/" + nurse.fp, "Key", "Accept", rig.GLib.Variant("(sa{sv})", (nurse.fp, {})))
    nurse.dial().open().alive()
    assert key_of(juliet, nurse.fp)["Trust"] == "pinned"


@rig.test
def new_key_of_a_known_name(lan):
    """T-06 T-11: a new key with a chain for a known name joins at ca as a contact of its own, with one question; nothing of the old one is its"""
    site, juliet, romeo = setting(lan)
    stream = romeo.dial().open()
    old = with_key(juliet, romeo.fp)
    stream.close()
    juliet.wait_for(lambda: not contacts(juliet)[old]["Connected"], 10, "the end of the stream")
    message = send(juliet, old, said("for the old laptop"))[0]
    laptop = Peer(romeo.host, ROMEO, juliet, certificate=site.issue())
    for n in range(2):
        stream = laptop.dial().open()
        stream.alive()
        key = key_of(juliet, laptop.fp)
        assert (key["Trust"], key["TrustSource"]) == ("ca", "ca") and key["Contact"] != old, key
        assert old in contacts(juliet)[key["Contact"]]["Contests"]
        (path, request), = requests(juliet).items()
        assert request["Kind"] == "name-conflict" and "replace" in request["Choices"], request
        if not n:
            stream.close()
    assert state_of(juliet, message)[0] == "queued"
    resolve(juliet, path, "replace", laptop.fp, release=True)
    stream.message(said("for the old laptop"))
    assert key_of(juliet, laptop.fp)["Trust"] == "ca" and key_of(juliet, laptop.fp)["Contact"] == old
    assert key_of(juliet, romeo.fp)["Trust"] == "revoked"
    refused_inbound(romeo)


@rig.test
def no_other_roots(lan):
    """T-06: the system's roots are never used, wherever they are named; without a root of our own the mode is refused, and closed when configured"""
    site, _, romeo = setting(lan)
    system = Certificate(site.dir, cn="Everybody's Root", ca=True)
    host = lan.host("verona", avahi="none")
    path = os.path.join(site.dir, "system.crt")
    put(path, system.crt)
    for known in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        if os.path.exists(known):
            host.run("mount", "--bind", path, known)
    empty = os.path.join(site.dir, "empty.conf")
    with open(empty, "w") as out:
        out.write("[earshot]\ntrust-mode=ca\n")
    nurse = host.start_daemon(name="nurse", port=5298, config=empty, env={"SSL_CERT_FILE": path, "SSL_CERT_DIR": site.dir})
    nurse.address_name = "nurse"
    await_address(nurse)
    assert nurse.get_prop("", "Manager", "TrustRoots") == [] and "trust-mode" in dict(nurse.get_prop("", "Manager", "Warnings"))
    for certificate in (site.issue(issuer=system), site.issue(issuer=system, chain=[system]), site.issue()):
        refused_inbound(Peer(romeo.host, ROMEO, nurse, certificate=certificate))
    nurse.set_prop("", "Manager", "TrustMode", rig.GLib.Variant("s", "ask"))
    assert error_of(nurse.set_prop, "", "Manager", "TrustMode", rig.GLib.Variant("s", "ca")) == "Unsupported"
    assert nurse.get_prop("", "Manager", "TrustMode") == "ask"


# --- the recipe --------------------------------------------------------------------------------------

def recipe():
    """The three commands and the three files of docs/private-roots.md."""
    with open(os.path.join(rig.TOP_SRC, "docs/private-roots.md")) as file:
        text = file.read()
    commands = re.findall(r"```sh\n(.*?)\n```", text, re.S)
    templates = {name: re.sub("(?m)^    ", "", body) for name, body in re.findall(r"`(\w+\.tmpl)`,[^\n]*\n\n((?:    .*\n)+)", text)}
    assert len(commands) == 3 and sorted(templates) == ["crl.tmpl", "person.tmpl", "site.tmpl"], (commands, templates)
    return commands, templates


class Authority:
    """Somebody with a directory, certtool and the documentation."""

    def __init__(self, folder):
        self.dir = folder
        os.mkdir(folder)
        (self.make, self.issue_command, self.revoke_command), templates = recipe()
        for name, body in templates.items():
            self.write(name, body)
        self.person = templates["person.tmpl"]
        self.run(self.make)
        self.run(self.revoke_command.split("&& ")[1].replace(" --load-certificate revoked.pem", ""))

    def write(self, name, body):
        with open(os.path.join(self.dir, name), "w") as out:
            out.write(body)

    def run(self, command):
        done = subprocess.run(["sh", "-euc", command], cwd=self.dir, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, (command, done.stdout, done.stderr)

    def path(self, name):
        return os.path.join(self.dir, name)

    def issue(self, user, addr, dates=None):
        """The way of a certificate, as the two people do it."""
        self.write("juliet.csr", user.ctl("id", "csr"))
        person = self.person.replace("juliet@pronto", addr)
        if dates:
            person = person.replace("expiration_days = 365", dates)
        self.write("person.tmpl", person)
        self.run(self.issue_command)
        return user.ctl("id", "certificate", self.path("juliet.crt"), check=not dates)

    def revoke(self):
        self.run(self.revoke_command)


@rig.test
def the_recipe(lan):
    """T-06 T-05: the commands of docs/private-roots.md: two people get certificates and talk, one expires, gets another, and is revoked"""
    if not shutil.which("certtool"):
        raise rig.Skip("needs certtool")
    site = Authority(os.path.join(lan.dir, "authority"))
    conf = os.path.join(lan.dir, "site.conf")
    with open(conf, "w") as out:
        out.write("[earshot]\ntrust-mode=ca\ntrust-roots=%s\ntrust-crls=%s\n" % (site.path("site.crt"), site.path("site.crl")))
    juliet, romeo = start(lan, "pronto", "juliet", config=conf), start(lan, "forza", "romeo", config=conf)
    fp = fingerprint(juliet)
    endpoint = "%s:%d" % (romeo.host.address, 5298)
    contact = add_static(juliet, endpoint)
    # Without certificates nobody is let in.
    assert connect(juliet, contact).wait() == "NotTrusted"
    site.issue(juliet, "juliet@pronto")
    site.issue(romeo, "romeo@forza")
    assert juliet.get_prop("", "Manager", "Certificate")["issuer"] == "CN=Our Site" and fingerprint(juliet) == fp
    assert "issued to" in juliet.ctl("id") and "juliet@pronto" in juliet.ctl("id")
    assert connect(juliet, contact).wait() is None
    contact = with_key(juliet, fingerprint(romeo))
    message = send(juliet, contact, said("signed and sealed"), require="ca")[0]
    wait_received(romeo, [said("signed and sealed")])
    wait_state(juliet, message, "delivered")
    assert not requests(juliet) and not requests(romeo)
    assert key_of(romeo, fp)["Trust"] == "ca"

    # Not installed: another key's, an issuer's, what has ended. What is there stays.
    for pem in (site.path("site.crt"), site.path("site.crl")):
        status, _, text = juliet.ctl("id", "certificate", pem, check=False)
        assert status == 2, (status, text)
    status, _, text = romeo.ctl("id", "certificate", os.path.join(juliet.data_dir, "identity.crt"), check=False)
    assert status == 2 and "another key" in text, text
    ended = 'activation_date = "2020-01-01 00:00:00"\nexpiration_date = "2020-12-31 00:00:00"'
    status, _, text = site.issue(juliet, "juliet@pronto", ended)
    assert status == 2 and "outside its dates" in text, text
    assert juliet.get_prop("", "Manager", "Certificate")["addresses"] == ["juliet@pronto"]

    # Time went by: the certificate on the disk has ended.
    juliet.call(contact, "Contact", "Disconnect")
    juliet.stop()
    shutil.copy(site.path("juliet.crt"), os.path.join(juliet.data_dir, "identity.crt"))
    os.chmod(os.path.join(juliet.data_dir, "identity.crt"), 0o600)
    juliet.restart()
    await_address(juliet)
    assert "out of date" in dict(juliet.get_prop("", "Manager", "Warnings"))["certificate"]
    assert connect(juliet, contact).wait() == "Refused"
    romeo.wait_for(lambda: set(key_of(romeo, fp)["Warnings"]) == {"cert-expired", "chain-expired"}, 10, "the expired key at romeo")

    # Another one, and for the wrong machine: she is told, and nobody lets her in.
    site.issue(juliet, "juliet@verona")
    assert "juliet@verona" in dict(juliet.get_prop("", "Manager", "Warnings"))["certificate"]
    assert connect(juliet, contact).wait() == "Refused"
    site.issue(juliet, "juliet@pronto")
    assert "certificate" not in dict(juliet.get_prop("", "Manager", "Warnings"))
    assert connect(juliet, contact).wait() is None

    # Revoked: the stream ends by itself, and there is no other.
    site.revoke()
    juliet.wait_for(lambda: not contacts(juliet)[contact]["Connected"], 15, "the end of the stream")
    assert connect(juliet, contact).wait() == "Refused"
    assert "chain-revoked" in key_of(romeo, fp)["Warnings"]
    send(juliet, contact, said("can you hear me"))
    rig.settle(1)
    assert received(romeo) == [said("signed and sealed")] and queued(juliet) == 1


rig.main(needs=["openssl"])
