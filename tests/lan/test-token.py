#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The identity on a PKCS #11 token (SoftHSM stands for one): a real earshotd that never has its private key, and everything that can be wrong
with a token."""
import hashlib
import os
import ssl
import subprocess

import rig
from certs import Certificate
from people import befriend, contacts, fingerprint, hang_up, send, wait_received, wait_state, with_key
from peer import PORT, Closed, Peer, await_address, connect, said, start

PIN, SO_PIN = "4711-earshot", "0815-earshot"
URL = "pkcs11:token=earshot;object=juliet;type=private"
rig.TROUBLE += (PIN,)  # no log of any program may hold it


class Token:
    """A token in a directory, with one key pair that can not be taken out."""

    def __init__(self, lan, kind=("ecdsa", "--curve", "secp256r1"), pin=True):
        self.dir = os.path.join(lan.dir, "token")
        self.store = os.path.join(self.dir, "tokens")
        os.makedirs(self.store)
        conf, self.pin_file = os.path.join(self.dir, "softhsm2.conf"), os.path.join(self.dir, "pin")
        with open(conf, "w") as out:
            out.write("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n" % self.store)
        self.env = {"SOFTHSM2_CONF": conf}
        self.run("softhsm2-util", "--init-token", "--free", "--label", "earshot", "--pin", PIN, "--so-pin", SO_PIN)
        self.run("p11tool", "--login", "--generate-privkey", *kind, "--label", "juliet", "--outfile", os.path.join(self.dir, "public.pem"),
                 "pkcs11:token=earshot")
        spki = subprocess.run(["openssl", "pkey", "-pubin", "-in", os.path.join(self.dir, "public.pem"), "-outform", "DER"], check=True, capture_output=True).stdout
        self.fp = hashlib.sha256(spki).hexdigest()
        self.write_pin(PIN)
        self.conf = os.path.join(self.dir, "earshotd.conf")
        self.configure()

    def run(self, *argv):
        done = subprocess.run(argv, env=dict(os.environ, GNUTLS_PIN=PIN, **self.env), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0 or "No modules" in done.stderr or "not loaded" in done.stderr:
            raise rig.Skip("no PKCS #11 module for a software token: %s" % (done.stderr or done.stdout).strip()[-200:])
        return done.stdout

    def write_pin(self, pin, mode=0o600):
        with open(self.pin_file + ".new", "w", opener=lambda path, flags: os.open(path, flags, mode)) as out:
            out.write(pin + "\n")
        os.chmod(self.pin_file + ".new", mode)
        os.rename(self.pin_file + ".new", self.pin_file)

    def configure(self, url=URL, pin_file=True):
        with open(self.conf, "w") as out:
            out.write("[earshot]\nidentity=%s\n%s" % (url, "pin-file=%s\n" % self.pin_file if pin_file else ""))


def holder(lan, token, host="pronto"):
    return start(lan, host, "juliet", config=token.conf, env=token.env)


def fails(user, status):
    """Starts it again; it must end by itself with that status. What it says."""
    user._start(wait=False)
    user.wait_for(lambda: not user.running(), 20, "the end of earshotd")
    with open(user.process.log) as log:
        said = log.read()
    assert user.process.popen.returncode == status, (status, user.process.popen.returncode, said)
    return said


def files_of(user):
    for folder, _, names in os.walk(user.home):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                yield os.path.join(folder, name), file.read()


@rig.test
def key_stays_on_the_token(lan):
    """T-01 T-03: the certificate is self-signed by the token's key, streams work both ways, a restart is the same person, and no private key is on the disk"""
    token = Token(lan)
    juliet = holder(lan, token)
    romeo = start(lan, "forza", "romeo")
    assert fingerprint(juliet) == token.fp
    there, here = befriend(juliet, romeo)
    for who, whom in ((juliet, romeo), (romeo, juliet)):
        contact = with_key(who, fingerprint(whom))
        static = who.call("", "Network", "AddStatic", rig.GLib.Variant("(s)", ("%s:%d" % (whom.host.address, PORT),)))[0]
        assert connect(who, static).wait() is None
        assert contacts(who)[contact]["Connected"]
        for one, other in ((who, whom), (whom, who)):
            hang_up(one, with_key(one, fingerprint(other)))
    crt = os.path.join(juliet.data_dir, "identity.crt")
    subprocess.run(["openssl", "verify", "-check_ss_sig", "-CAfile", crt, crt], check=True, capture_output=True)
    assert not os.path.exists(os.path.join(juliet.data_dir, "identity.key"))
    for path, data in files_of(juliet):
        assert b"PRIVATE KEY" not in data and PIN.encode() not in data, path
    with open("/proc/%d/cmdline" % juliet.process.pid, "rb") as cmdline:
        assert PIN.encode() not in cmdline.read()
    assert "NEVER_EXTRACTABLE" in token.run("p11tool", "--login", "--list-keys", "pkcs11:token=earshot")
    juliet.restart()
    await_address(juliet)
    assert fingerprint(juliet) == token.fp
    call = connect(juliet, there)
    assert call.wait() in (None, "NotReachable")
    message = send(romeo, here, said("still you"))[0]
    static = romeo.call("", "Network", "AddStatic", rig.GLib.Variant("(s)", ("%s:%d" % (juliet.host.address, PORT),)))[0]
    connect(romeo, static).wait()
    wait_received(juliet, [said("still you")])
    wait_state(romeo, message, "delivered")


@rig.test
def other_keys(lan):
    """T-02: RSA on a token signs as TLS 1.3 wants it; one that others would refuse is refused at once"""
    token = Token(lan, ("rsa", "--bits", "3072"))
    juliet = holder(lan, token)
    # What earshotd can not write to it neither replaces nor carries away; nothing is left lying about.
    secret = os.path.join(lan.dir, "secret")
    with open(secret, "w") as out:
        out.write("four random words here\n")
    for words in (("rotate", "--yes"), ("export", os.path.join(lan.dir, "out.p12"), "--passphrase-file", secret),
                  ("import", secret, "--yes", "--passphrase-file", secret)):
        status, _, err = juliet.ctl("id", *words, check=False)
        assert status == 1 and "token" in err, (words, status, err)
    assert not os.path.exists(os.path.join(lan.dir, "out.p12")) and not any("identity-next" in name for name in os.listdir(juliet.data_dir))
    romeo = Peer(lan.host("forza", avahi="none"), "romeo@forza", juliet)
    assert fingerprint(juliet) == token.fp
    stream = romeo.dial().open()
    stream.alive()
    stream.close()
    juliet.stop()
    token.run("p11tool", "--login", "--generate-privkey", "rsa", "--bits", "2048", "--label", "small", "--outfile", os.path.join(token.dir, "small.pem"), "pkcs11:token=earshot")
    token.configure(URL.replace("juliet", "small"))
    os.unlink(os.path.join(juliet.data_dir, "identity.crt"))
    text = fails(juliet, 1)
    assert "2048 bits" in text, text


@rig.test
def certificate_for_it(lan):
    """T-06: the token signs the request for a certificate, and shows it"""
    token = Token(lan)
    juliet = holder(lan, token)
    request = juliet.ctl("id", "csr")
    done = subprocess.run(["openssl", "req", "-verify", "-noout"], input=request, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    site = Certificate(lan.dir, cn="Our Site", ca=True)
    for what, key, status in (("another key's", None, 2), ("its own", token, 0)):
        certificate = issued_for(lan, site, key) if key else Certificate(lan.dir, "juliet@pronto", issuer=site)
        path = os.path.join(lan.dir, "crt-%d.pem" % status)
        with open(path, "wb") as out:
            out.write(certificate.crt)
        assert juliet.ctl("id", "certificate", path, check=False)[0] == status, what
    assert juliet.get_prop("", "Manager", "Certificate")["issuer"] == "CN=Our Site" and fingerprint(juliet) == token.fp
    Peer(lan.host("forza", avahi="none"), "romeo@forza", juliet).dial().open().alive()


def issued_for(lan, site, token):
    class Public:
        """The public half of the token's key, as certs.py wants a key."""
        fp, algorithm = token.fp, "EC"
        path = os.path.join(token.dir, "public.pem")
        spki = subprocess.run(["openssl", "pkey", "-pubin", "-in", path, "-outform", "DER"], check=True, capture_output=True).stdout
    return Certificate(lan.dir, "juliet@pronto", key=Public(), issuer=site)


@rig.test
def what_can_be_wrong(lan):
    """X-03: a missing token, key, PIN or file: it says what happened, why, and what to do, and ends; it becomes nobody else"""
    token = Token(lan)
    juliet = holder(lan, token)
    juliet.stop()
    before = sorted(os.listdir(juliet.data_dir))
    token.configure(URL.replace("juliet", "nobody"))
    text = fails(juliet, 2)
    assert "has no private key" in text and "p11tool" in text, text
    token.configure(URL.replace("earshot", "elsewhere"))
    text = fails(juliet, 1)
    assert "there is no token" in text and "put it in" in text, text
    token.configure(pin_file=False)
    text = fails(juliet, 2)
    assert "asks for a PIN" in text and "pin-file" in text, text
    token.configure()
    token.write_pin(PIN, 0o644)
    text = fails(juliet, 2)
    assert "chmod 600" in text and token.pin_file in text, text
    os.unlink(token.pin_file)
    text = fails(juliet, 2)
    assert "no PIN could be read" in text, text
    token.write_pin("")
    assert "no PIN could be read" in fails(juliet, 2)
    # None of it was tried, kept or replaced.
    assert sorted(os.listdir(juliet.data_dir)) == before
    token.write_pin(PIN)
    juliet.restart()
    assert fingerprint(juliet) == token.fp


@rig.test
def wrong_pin_once(lan):
    """a PIN that the token refused is never tried again before its file changes, however often the daemon is started"""
    token = Token(lan)
    juliet = holder(lan, token)
    juliet.stop()
    token.write_pin("0000-wrong")
    text = fails(juliet, 2)
    assert "the token refused the PIN in %s" % token.pin_file in text and "not tried again" in text, text
    # The proof that the token is not even asked: there is none any more, and that is not what it says.
    os.rename(token.store, token.store + ".away")
    for _ in range(3):
        text = fails(juliet, 2)
        assert "the token refused the PIN" in text and "there is no token" not in text, text
    os.rename(token.store + ".away", token.store)
    token.write_pin(PIN)
    juliet.restart()
    assert fingerprint(juliet) == token.fp
    assert not os.path.exists(os.path.join(juliet.data_dir, "pin-refused"))


@rig.test
def token_taken_out(lan):
    """the token is gone while the daemon runs: new streams fail, on either side, the daemon lives and says so; open ones go on"""
    token = Token(lan)
    juliet = holder(lan, token)
    romeo = Peer(lan.host("forza", avahi="none"), "romeo@forza", juliet)
    stream = romeo.dial().open()
    # SoftHSM keeps what it has read: what goes away is the key's file, and then the PIN's.
    for folder, _, names in os.walk(token.store):
        for name in names:
            os.unlink(os.path.join(folder, name))
    stream.alive()
    for _ in range(2):
        try:
            romeo.dial().open()
        except (Closed, ssl.SSLError) as error:
            rig.note("a new stream: %r" % error)
        else:
            raise AssertionError("who signed that?")
    stream.alive()
    assert "does not sign" in dict(juliet.get_prop("", "Manager", "Warnings"))["token"]


rig.main(needs=["softhsm2-util", "p11tool", "openssl"])
