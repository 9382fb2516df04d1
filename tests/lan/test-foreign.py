#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Software that is not ours against the real daemon: OpenSSL, GnuTLS's client, libstrophe."""
import os
import shutil
import subprocess

import rig
from people import fingerprint, received, requests, resolve, send, state_of, wait_received, wait_request, wait_state, with_key

PORT = 5298


def certificate(host, addr, name="foreign"):
    """P-256, self-signed, one xmppAddr: what docs/protocol.md 3.2 asks of a stranger. Made by OpenSSL alone."""
    base = os.path.join(host.dir, name)
    config = base + ".cnf"
    with open(config, "w") as out:
        out.write("[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=%s\n[ext]\nbasicConstraints=critical,CA:FALSE\n"
                  "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
                  "subjectAltName=otherName:1.3.6.1.5.5.7.8.5;UTF8:%s\n" % (addr, addr))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-config", config,
                    "-keyout", base + ".key", "-out", base + ".crt"], check=True, capture_output=True)
    return base + ".crt", base + ".key"


def key_of(crt):
    spki = subprocess.run("openssl x509 -in '%s' -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -hex" % crt, shell=True,
                          capture_output=True, text=True, check=True).stdout
    return spki.split()[-1]


def s_client(host, *args):
    done = subprocess.run(host.enter(["openssl", "s_client", "-connect", "127.0.0.1:%d" % PORT, *args]), input="", capture_output=True, text=True,
                          timeout=60 * rig.PATIENCE)
    return done.returncode, done.stdout + done.stderr


@rig.test
def openssl_handshakes(lan):
    """S-05 S-06 S-07 S-08: openssl s_client: TLS 1.3 with a certificate and ALPN, by STARTTLS and directly; nothing less"""
    host = lan.host("pronto", avahi="none")
    host.start_daemon(name="juliet", port=PORT)
    crt, key = certificate(host, "romeo@forza")
    mine = ["-cert", crt, "-key", key]
    for way in (["-starttls", "xmpp", "-xmpphost", "juliet@pronto"], []):
        status, said = s_client(host, *way, *mine, "-alpn", "xmpp-client", "-tls1_3")
        assert "TLSv1.3" in said and "ALPN protocol: xmpp-client" in said, said
        assert "New Session Ticket" not in said, said
        assert "Acceptable client certificate CA names" not in said or "No client certificate CA names sent" in said, said
        assert "Compression: NONE" in said, said
        status, said = s_client(host, *way, *mine, "-tls1_3")          # S-08: ALPN is not required
        assert "TLSv1.3" in said and "No ALPN negotiated" in said, said
        status, said = s_client(host, *way, *mine, "-alpn", "h2,http/1.1", "-tls1_3")
        assert "no application protocol" in said, said
        status, said = s_client(host, *way, *mine, "-tls1_2")          # S-05
        assert "alert protocol version" in said or "handshake failure" in said, said
    status, said = s_client(host, "-alpn", "xmpp-client", "-tls1_3", "-ign_eof")    # S-06: TLS 1.3 refuses after the client's Finished
    assert "certificate required" in said, said
    assert host.running()


@rig.test
def gnutls_cli_handshakes(lan):
    """S-05 S-06 S-07: gnutls-cli: TLS 1.3 with a certificate; TLS 1.2 is refused"""
    if not shutil.which("gnutls-cli"):
        raise rig.Skip("needs gnutls-cli (gnutls-bin)")
    host = lan.host("pronto", avahi="none")
    host.start_daemon(name="juliet", port=PORT)
    crt, key = certificate(host, "romeo@forza")
    base = ["gnutls-cli", "--insecure", "--x509certfile=" + crt, "--x509keyfile=" + key, "--alpn=xmpp-client", "-p", str(PORT), "127.0.0.1"]
    done = subprocess.run(host.enter(base), input="", capture_output=True, text=True, timeout=60 * rig.PATIENCE)
    said = done.stdout + done.stderr
    assert "TLS1.3" in said and "Handshake was completed" in said and "xmpp-client" in said, said
    done = subprocess.run(host.enter(base + ["--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2"]), input="", capture_output=True, text=True,
                          timeout=60 * rig.PATIENCE)
    assert "Handshake was completed" not in done.stdout + done.stderr and done.returncode != 0, done.stdout
    assert host.running()


def strophe(host, log, *args):
    """A connected libstrophe peer. libstrophe 0.12 takes its connect timeout from the wall clock, unsigned: a clock that steps back
    by a millisecond while it connects (as virtual machines' do) is a timeout to it. That is nothing we test, so it calls again."""
    for attempt in range(5):
        peer = host.spawn([*args], "%s-%d" % (log, attempt), lines=True)
        if peer.wait_line(lambda line: line.startswith(("connected", "ended")), 20) == "connected":
            return peer
    raise AssertionError("libstrophe could not connect: %s" % peer.lines)


@rig.test
def libstrophe_talks(lan):
    """T-07 M-09: libstrophe completes STARTTLS and EXTERNAL; a stranger's message is held, accepted, confirmed; we answer and are confirmed"""
    program = os.path.join(rig.TOP_BUILD, "tests/peers/strophe-peer")
    if not os.path.exists(program):
        raise rig.Skip("built without libstrophe")
    host, other = lan.host("pronto", avahi="none"), lan.host("forza", avahi="none")
    juliet = host.start_daemon(name="juliet", port=PORT)
    crt, key = certificate(other, "romeo@forza")
    call = [program, host.address, str(PORT), "romeo@forza", "juliet@pronto", crt, key, "hello from libstrophe"]
    peer = strophe(other, "strophe", *call)
    peer.wait_line("open", 20)
    path, props = wait_request(juliet, "new-key")
    assert props["Details"]["fingerprint"] == key_of(crt)
    juliet.wait_for(lambda: requests(juliet)[path]["Details"].get("preview"), 15, "the message request")
    assert received(juliet) == []
    resolve(juliet, path, "accept", key_of(crt))
    wait_received(juliet, ["hello from libstrophe"])
    peer.wait_line("confirmed strophe-1", 20)
    answer = send(juliet, with_key(juliet, key_of(crt)), "hello libstrophe <&>")[0]
    peer.wait_line("received hello libstrophe <&>", 20)
    wait_state(juliet, answer, "delivered")
    # A second time, as somebody known: no question, nothing held, the same id is no second message.
    peer = strophe(other, "strophe-again", *call)
    peer.wait_line("confirmed strophe-1", 20)
    answer = send(juliet, with_key(juliet, key_of(crt)), "again")[0]
    peer.wait_line("received again", 20)
    wait_state(juliet, answer, "delivered")
    assert received(juliet) == ["hello from libstrophe"] and not requests(juliet)


rig.main(needs=("openssl",))
