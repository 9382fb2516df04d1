#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our own key changes, and people keep us: two real daemons, and one who would like to be somebody's heir."""
import base64
import configparser
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

from gi.repository import GLib
import foe
import rig
from people import befriend, contacts, fingerprint, named, received, requests, resolve, send, wait_received, wait_request, wait_sight, wait_state, with_key

IN_PERSON = {"in_person": GLib.Variant("b", True)}


def key_of(user, fp):
    return user.get_all("key/" + fp, "Key")


def warned(user, key):
    return [text for name, text in user.get_prop("", "Manager", "Warnings") if name == key]


def audit(user, event):
    return [line for line in user.ctl("audit", "--json", "-n", "100") if line["event"] == event]


def pair(lan):
    """Juliet and Romeo, verified both ways, each by petname; the two contact paths."""
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    paths = []
    for a, b, name in ((juliet, romeo, "Romeo"), (romeo, juliet, "Juliet")):
        paths.append(a.manager("AddContact", GLib.Variant("(ssasa{sv})", (name, fingerprint(b), [], IN_PERSON)))[0])
    wait_sight(juliet, "romeo")
    wait_sight(romeo, "juliet")
    return juliet, romeo, paths[0], paths[1]


def assert_moved(user, path, old, new, level="verified"):
    user.wait_for(lambda: with_key(user, new) == path and key_of(user, new)["Trust"] == level, 40, "%s to take the new key" % user)
    assert key_of(user, new)["TrustSource"] == "succession", key_of(user, new)
    assert key_of(user, old)["Trust"] == "revoked" and key_of(user, old)["ReplacedBy"].endswith(new), key_of(user, old)
    user.wait_for(lambda: not any(one["Key"].endswith(new) for one in requests(user).values()), 20, "the question about the new key to go")


@rig.test
def rotation_keeps_friends(lan):
    """T-13: xmppctl id rotate on one host; the other keeps path, level and petname; what was said meanwhile arrives once, in order"""
    juliet, romeo, at_juliet, at_romeo = pair(lan)
    old = fingerprint(juliet)
    wait_state(romeo, send(romeo, at_romeo, "one")[0], "delivered", 30)
    assert juliet.ctl("id", "rotate", check=False)[0] == 2, "without a terminal it wants --yes"
    assert fingerprint(juliet) == old
    new = juliet.ctl("id", "rotate", "--yes", "--json")["fingerprint"]
    assert new == fingerprint(juliet) != old
    assert new in juliet.get_prop("", "Manager", "TrustLink")
    said = [send(romeo, at_romeo, text)[0] for text in ("two", "three")] + [send(juliet, at_juliet, text)[0] for text in ("a", "b")]
    assert_moved(romeo, at_romeo, old, new)
    for user, ids in ((romeo, said[:2]), (juliet, said[2:])):
        for one in ids:
            wait_state(user, one, "delivered", 40)
    wait_received(juliet, ["one", "two", "three"])
    wait_received(romeo, ["a", "b"])
    assert contacts(romeo)[at_romeo]["Petname"] == "Juliet" and contacts(romeo)[at_romeo]["Trust"] == "verified"
    juliet.wait_for(lambda: not warned(juliet, "succession"), 20, "everybody to be told")
    assert not requests(romeo) and not requests(juliet)
    record, = audit(romeo, "succession")
    assert record["fingerprint"] == new and old in record["verdict"] and "verified" in record["verdict"], record
    record, = audit(juliet, "rotate")
    assert record["fingerprint"] == new and old in record["inputs"] and "xmppctl" in record["caller"], record
    # The files: one key, ours alone, and nothing half done.
    files = set(os.listdir(juliet.data_dir))
    assert "identity-next.key" not in files and os.stat(juliet.data_dir + "/identity.key").st_mode & 0o777 == 0o600, files
    # Once more, from the other side; and after a restart it is still so.
    newer = juliet.ctl("id", "rotate", "--yes", "--json")["fingerprint"]
    assert_moved(romeo, at_romeo, new, newer)
    romeo.restart()
    juliet.restart()
    assert fingerprint(juliet) == newer and contacts(romeo)[at_romeo]["Trust"] == "verified"
    wait_state(juliet, send(juliet, at_juliet, "c")[0], "delivered", 40)
    wait_received(romeo, ["a", "b", "c"])


@rig.test
def told_when_they_come(lan):
    """T-13: who was away is told when it comes, across kill -9; who missed a step decides by hand, and nothing moves by itself"""
    juliet, romeo, at_juliet, at_romeo = pair(lan)
    first = fingerprint(juliet)
    wait_state(romeo, send(romeo, at_romeo, "one")[0], "delivered", 30)
    romeo.stop()
    second = juliet.ctl("id", "rotate", "--yes", "--json")["fingerprint"]
    assert "1 of your contacts" in warned(juliet, "succession")[0]
    queued = send(juliet, at_juliet, "for you")[0]
    juliet.kill9()
    juliet.restart()
    assert fingerprint(juliet) == second and warned(juliet, "succession")
    romeo.restart()
    assert_moved(romeo, at_romeo, first, second)
    wait_state(juliet, queued, "delivered", 40)
    wait_received(romeo, ["for you"])
    juliet.wait_for(lambda: not warned(juliet, "succession"), 20, "Romeo to be told")
    # Two changes while he is away: the key in between never authenticates a stream again.
    romeo.stop()
    juliet.ctl("id", "rotate", "--yes")
    fourth = juliet.ctl("id", "rotate", "--yes", "--json")["fingerprint"]
    romeo.restart()
    romeo.wait_for(lambda: requests(romeo, "name-conflict"), 40, "a question at Romeo's")
    juliet.wait_for(lambda: not warned(juliet, "succession"), 40, "Romeo to say no")
    assert contacts(romeo)[at_romeo]["Trust"] == "verified" and with_key(romeo, fourth) != at_romeo
    assert key_of(romeo, second)["Trust"] == "verified" and key_of(romeo, fourth)["Trust"] == "unknown"
    romeo.ctl("trust", "replace", "Juliet", "--fingerprint", fourth)
    romeo.wait_for(lambda: with_key(romeo, fourth) == at_romeo, 20, "the new key to move")
    assert key_of(romeo, fourth)["Trust"] == "pinned", "by hand nothing is inherited"


@rig.test
def strict_asks(lan):
    """T-13: where unknown keys get no stream, the old key says it beforehand; a person is asked, and `replace` keeps the level"""
    juliet, romeo, at_juliet, at_romeo = pair(lan)
    romeo.set_prop("", "Manager", "TrustMode", GLib.Variant("s", "strict"))
    old = fingerprint(juliet)
    wait_state(juliet, send(juliet, at_juliet, "one")[0], "delivered", 30)
    new = juliet.ctl("id", "rotate", "--yes", "--json")["fingerprint"]
    queued = send(juliet, at_juliet, "two")[0]
    path, question = wait_request(romeo, "name-conflict", 20)
    romeo.wait_for(lambda: requests(romeo)[path]["Details"].get("succession"), 20, "the question to say so")
    assert question["Details"]["fingerprint"] == new and question["Details"]["old_fingerprint"] == old, question
    assert contacts(romeo)[at_romeo]["Trust"] == "verified" and with_key(romeo, new) != at_romeo
    # The question outlives a restart, with what it rests on.
    romeo.restart()
    assert requests(romeo)[path]["Details"]["succession"] is True
    romeo.ctl("trust", "replace", "Juliet", "--fingerprint", new)
    assert_moved(romeo, at_romeo, old, new)
    wait_state(juliet, queued, "delivered", 60)
    wait_received(romeo, ["one", "two"])


@rig.test
def moves_to_another_machine(lan):
    """T-13, T-01: an exported identity on a machine installed anew: three commands and the conversation goes on; the file is what it says"""
    juliet, romeo, at_juliet, at_romeo = pair(lan)
    own = fingerprint(juliet)
    wait_state(romeo, send(romeo, at_romeo, "one")[0], "delivered", 30)
    secret, short, out = (os.path.join(lan.dir, name) for name in ("secret", "short", "me.p12"))
    for path, text in ((secret, "four random words here\n"), (short, "too short\n")):
        with open(path, "w") as file:
            file.write(text)
    # No terminal, no passphrase; a short one; a file that is there already is not touched, one that failed does not stay.
    assert juliet.ctl("id", "export", out, check=False)[0] == 2
    assert juliet.ctl("id", "export", out, "--passphrase-file", short, check=False)[0] == 2 and not os.path.exists(out)
    assert juliet.ctl("id", "export", secret, "--passphrase-file", secret, check=False)[0] == 2 and open(secret).read().startswith("four")
    juliet.ctl("id", "export", out, "--passphrase-file", secret)
    assert os.stat(out).st_mode & 0o777 == 0o600
    # Others read it: the very key, and the certificate that goes with it.
    opened = subprocess.run(["openssl", "pkcs12", "-in", out, "-nodes", "-passin", "file:" + secret], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubout", "-outform", "DER"], input=opened, check=True, capture_output=True).stdout
    assert hashlib.sha256(der).hexdigest() == own and b"BEGIN CERTIFICATE" in opened
    told = subprocess.run(["openssl", "pkcs12", "-in", out, "-info", "-noout", "-passin", "file:" + secret], check=True, capture_output=True).stderr
    assert b"AES-256-CBC" in told and b"PBKDF2" in told and b"sha256" in told.lower(), told
    rig.note(told.decode())
    # That machine is gone. On a new one: who we are, whom we know, what we say.
    juliet.stop()
    fresh = lan.host("segundo", avahi="embedded").start_daemon(name="juliet")
    stranger = fingerprint(fresh)
    assert stranger != own
    status, _, err = fresh.ctl("id", "import", out, "--yes", "--passphrase-file", short, check=False)
    assert status == 7 and fingerprint(fresh) == stranger, (status, err)
    with open(out, "rb") as file:
        data = file.read()
    fresh.ctl("id", "import", "-", "--yes", "--passphrase-file", secret, input=data, text=False)
    assert fingerprint(fresh) == own
    assert any(name.startswith("identity.key.before-import-") for name in os.listdir(fresh.data_dir))
    wait_sight(fresh, "romeo", 30)
    fresh.ctl("trust", "accept", "--yes", "--link", romeo.get_prop("", "Manager", "TrustLink"))
    fresh.ctl("send", "romeo", "it is me")
    wait_received(romeo, ["it is me"], 40, at_romeo)
    assert contacts(romeo)[at_romeo]["Trust"] == "verified" and not requests(romeo)
    wait_state(romeo, send(romeo, at_romeo, "welcome back")[0], "delivered", 40)
    assert [line["event"] for line in fresh.ctl("audit", "--json")][:1] == ["import-identity"]
    # A restart is the same person.
    fresh.restart()
    assert fingerprint(fresh) == own


RELAY = """
import socket, sys, threading
door = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
while True:
    one, _ = door.accept()
    two = socket.create_connection((sys.argv[2], int(sys.argv[3])))
    for pair in ((one, two), (two, one)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


@rig.test
def one_key_on_two_hosts(lan):
    """T-13, P-16: our own key live elsewhere is found and asked about once; a new key ends it"""
    juliet, romeo, at_juliet, at_romeo = pair(lan)
    wait_state(romeo, send(romeo, at_romeo, "one")[0], "delivered", 30)
    copy = lan.host("segundo", avahi="embedded")
    own = fingerprint(juliet)
    # Who passes our own bytes back to us has nobody's key: that is ourselves.
    relay = copy.spawn([sys.executable, "-c", RELAY, "7000", juliet.host.address, str(juliet.get_prop("", "Network", "Port"))], "relay", lines=True)
    relay.wait_line("ready", 10)
    assert own in juliet.ctl("net", "probe", copy.address + ":7000")
    relay.stop()
    assert not requests(juliet, "duplicate-identity") and not warned(juliet, "duplicate-identity")
    os.makedirs(copy.data_dir, 0o700)
    for name in ("identity.key", "identity.crt"):
        shutil.copy(os.path.join(juliet.data_dir, name), copy.data_dir)
    copy.start_daemon(name="juliet")
    assert fingerprint(copy) == own
    for user in (juliet, copy):
        path, question = wait_request(user, "duplicate-identity", 40)
        assert question["Choices"] == ["rotate", "ignore"] and question["Contact"] == question["Key"] == "/", question
        assert question["Details"]["fingerprint"] == own and warned(user, "duplicate-identity"), question
    assert any(line["verdict"] == "duplicate-identity" for line in audit(juliet, "refused"))
    assert "id rotate" in juliet.ctl("trust", "pending") and "duplicate" in juliet.ctl("trust", "pending", "--json")["kind"]
    status, out, _err = juliet.ctl("doctor", check=False)
    assert status == 1 and out.startswith("fail  our own key is live on another machine") and "-> Make a new key here: xmppctl id rotate" in out, out
    # The question outlives a restart, and so does its answer's effect: a new key, and friends follow.
    juliet.restart()
    path, question = wait_request(juliet, "duplicate-identity", 10)
    assert warned(juliet, "duplicate-identity")
    copy.ctl("id", "ignore")
    assert not requests(copy, "duplicate-identity") and not warned(copy, "duplicate-identity")
    # It is not asked again about what it was told to leave alone.
    seen = len(audit(copy, "refused"))
    copy.restart()
    copy.wait_for(lambda: len(audit(copy, "refused")) > seen, 60, "the copy to find the other one again")
    assert not requests(copy, "duplicate-identity") and not warned(copy, "duplicate-identity")
    copy.stop()
    resolve(juliet, path, "rotate")
    new = fingerprint(juliet)
    assert new != own and not requests(juliet, "duplicate-identity") and not warned(juliet, "duplicate-identity")
    assert_moved(romeo, at_romeo, own, new)


# --- one who would like to be somebody's heir -----------------------------------------------------


def public(key):
    return subprocess.run(["openssl", "pkey", "-in", key.path, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout


def sign(key, old, new):
    with tempfile.NamedTemporaryFile() as text:
        text.write(b"LL succession v1\0" + bytes.fromhex(old) + bytes.fromhex(new))
        text.flush()
        return subprocess.run(["openssl", "dgst", "-sha256", "-sign", key.path, text.name], check=True, capture_output=True).stdout


def element(old, new, spki, sig, alg="ecdsa-p256-sha256"):
    return ("<succession xmlns='im.earshot:trust:0' old='%s' new='%s' alg='%s' spki='%s' sig='%s'/>"
            % (old, new, alg, base64.b64encode(spki).decode(), base64.b64encode(sig).decode()))


def statement(old, new):
    return element(old.fingerprint, new.fingerprint, public(old), sign(old, old.fingerprint, new.fingerprint))


def answer(stream, xml):
    """How it was answered: "result", or the condition of the error."""
    stream.tries = getattr(stream, "tries", 0) + 1
    stream.send("<iq type='set' id='s%d'>%s</iq>" % (stream.tries, xml))
    said = stream.until(b"id='s%d'" % stream.tries) + stream.until(b">")
    if b"type='result'" in said.rsplit(b"<iq", 1)[1]:
        return "result"
    said = stream.until(b"</iq>")
    for condition in (b"not-acceptable", b"bad-request", b"policy-violation", b"resource-constraint", b"not-authorized"):
        if b"<" + condition in said:
            return condition.decode()
    raise AssertionError(said)


@rig.test
def no_heir_by_forgery(lan):
    """T-13: a forged statement, one of somebody else, a replayed one and a chained one change nothing, and say nothing about why"""
    juliet, romeo, at_juliet, at_romeo = pair(lan)
    her = fingerprint(juliet)
    pronto, forza = lan.hosts["pronto"], lan.hosts["forza"]
    wait_state(romeo, send(romeo, at_romeo, "one")[0], "delivered", 30)
    to = (forza.address, romeo.get_prop("", "Network", "Port"))
    keys = [foe.Key(lan.dir, "heir%d" % i) for i in range(5)]
    her_public = subprocess.run(["openssl", "pkey", "-in", juliet.data_dir + "/identity.key", "-pubout", "-outform", "DER"], check=True,
                                capture_output=True).stdout
    me = keys[0]
    stream = foe.Stream(pronto, me, "juliet@pronto", to).open()
    # Her key, my signature; my key under her name; somebody else's heir; not signed the way her key signs.
    assert answer(stream, element(her, me.fingerprint, her_public, sign(me, her, me.fingerprint))) == "not-acceptable"
    assert answer(stream, element(her, me.fingerprint, public(me), sign(me, her, me.fingerprint))) == "bad-request"
    assert answer(stream, statement(keys[1], keys[2])) == "not-acceptable"
    assert answer(stream, element(her, me.fingerprint, her_public, sign(me, her, me.fingerprint), "ed25519")) == "not-acceptable"
    # And no more tries on this stream.
    assert answer(stream, statement(keys[1], me)) == "policy-violation"
    stream.close()
    # Nobody's heir are we, whoever says so.
    stream = foe.Stream(pronto, keys[3], "peter@pronto", to).open()
    own = fingerprint(romeo)
    assert answer(stream, element(keys[3].fingerprint, own, public(keys[3]), sign(keys[3], keys[3].fingerprint, own))) == "not-acceptable"
    stream.close()
    # A stranger's heir is a stranger; the answer is the same as for a forgery.
    stream = foe.Stream(pronto, keys[2], "nurse@pronto", to).open()
    assert answer(stream, statement(keys[1], keys[2])) == "not-acceptable"
    stream.close()
    assert contacts(romeo)[at_romeo]["Keys"] == [rig.ROOT + "/key/" + her] and contacts(romeo)[at_romeo]["Trust"] == "verified"
    assert all(key_of(romeo, key.fingerprint)["Trust"] == "unknown" for key in (me, keys[2]))
    # Her own statement, caught on its way: it is good for her heir's stream only.
    juliet.stop()
    caught = foe_statement_of(juliet, romeo)
    stream = foe.Stream(pronto, me, "juliet@pronto", to).open()
    assert answer(stream, caught) == "not-acceptable"
    stream.close()
    refused = [line["verdict"] for line in audit(romeo, "refused") if line["verdict"].startswith("succession: ")]
    assert any("forged" in verdict and her in verdict for verdict in refused) and any("not-the-heir" in verdict for verdict in refused), refused
    assert any("our-key" in verdict for verdict in refused), refused


def foe_statement_of(user, other):
    """The statement that `user` keeps after a change of key; the daemon stands still afterwards."""
    user.restart()
    user.ctl("id", "rotate", "--yes")
    user.stop()
    words = configparser.ConfigParser()
    words.read(user.data_dir + "/identity.succession")
    words = words["Succession"]
    return element(words["old"], words["new"], base64.b64decode(words["spki"]), base64.b64decode(words["sig"]), words["alg"])


@rig.test
def one_step_at_a_time(lan):
    """T-13: each key has one heir, for ever; what people decided about a key stands, whoever names it"""
    romeo = lan.host("forza", avahi="embedded").start_daemon(name="romeo")
    pronto = lan.host("pronto", avahi="embedded")
    to = (lan.hosts["forza"].address, romeo.get_prop("", "Network", "Port"))
    one, two, three, four, five = (foe.Key(lan.dir, "step%d" % i) for i in range(5))

    def try_as(key, xml, name="nurse@pronto"):
        stream = foe.Stream(pronto, key, name, to).open()
        result = answer(stream, xml)
        stream.ping()
        stream.close()
        return result

    path = romeo.manager("AddContact", GLib.Variant("(ssasa{sv})", ("Nurse", one.fingerprint, [], IN_PERSON)))[0]
    # Said on the old key's own stream it is heard, and nothing yet.
    assert try_as(one, statement(one, two)) == "result"
    assert with_key(romeo, two.fingerprint) is None and key_of(romeo, one.fingerprint)["Trust"] == "verified"
    assert try_as(two, statement(one, two)) == "result"
    assert_moved(romeo, path, one.fingerprint, two.fingerprint)
    # Said again: the answer may have got lost. It changes nothing, also no second record.
    assert try_as(two, statement(one, two)) == "result"
    # The old key is spent: another heir of it, and it as the heir of its heir.
    assert try_as(three, statement(one, three)) == "not-acceptable"
    assert error_of_stream(lambda: try_as(one, statement(two, one)))
    # Not even in two steps at once.
    assert try_as(three, statement(two, four)) == "not-acceptable"
    assert with_key(romeo, three.fingerprint) != path
    # One step after another is right.
    assert try_as(four, statement(two, four)) == "result"
    assert_moved(romeo, path, two.fingerprint, four.fingerprint)
    # A key that people said no to, and one that they forgot.
    assert try_as(five, statement(one, five)) == "not-acceptable"
    romeo.wait_for(lambda: with_key(romeo, five.fingerprint), 10, "the fifth key")
    romeo.call(with_key(romeo, five.fingerprint), "Contact", "Forget", GLib.Variant("(a{sv})", ({},)))
    assert try_as(five, statement(four, five)) == "not-acceptable"
    # Blocked stays blocked.
    romeo.set_prop(path, "Contact", "Blocked", GLib.Variant("b", True))
    assert try_as(three, statement(four, three)) == "not-acceptable"
    romeo.set_prop(path, "Contact", "Blocked", GLib.Variant("b", False))
    assert key_of(romeo, four.fingerprint)["Trust"] == "verified" and with_key(romeo, three.fingerprint) != path
    assert len(audit(romeo, "succession")) == 2


def error_of_stream(call):
    """A revoked key is not let in at all."""
    try:
        call()
    except (foe.Ended, OSError):
        return True
    return False


if __name__ == "__main__":
    rig.main(needs=["openssl"])
