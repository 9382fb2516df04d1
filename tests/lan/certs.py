# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys and certificates for the tests, good and bad: the DER is written here and signed by openssl, so that a
certificate can say anything at all."""
import hashlib
import os
import subprocess
import time

XMPP_ADDR = "1.3.6.1.5.5.7.8.5"  # id-on-xmppAddr
DAY = 24 * 3600


# --- DER ---------------------------------------------------------------------------------

def tlv(tag, *content):
    content = b"".join(content)
    n = len(content)
    length = bytes([n]) if n < 0x80 else bytes([0x81, n]) if n < 0x100 else bytes([0x82, n >> 8, n & 0xff])
    return bytes([tag]) + length + content


def sequence(*parts):
    return tlv(0x30, *parts)


def oid(dotted):
    first, second, *rest = (int(part) for part in dotted.split("."))
    out = [first * 40 + second]
    for part in rest:
        digits = [part & 0x7f]
        while part > 0x7f:
            part >>= 7
            digits.insert(0, part & 0x7f | 0x80)
        out += digits
    return tlv(0x06, bytes(out))


def utf8(text):
    return tlv(0x0c, text if isinstance(text, bytes) else text.encode())


def xmpp_addr(text):
    """A GeneralName: otherName id-on-xmppAddr."""
    return tlv(0xa0, oid(XMPP_ADDR), tlv(0xa0, utf8(text)))


def _time(when):
    return tlv(0x18, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(when)).encode())


def _extension(dotted, value, critical=False):
    return sequence(oid(dotted), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, value))


# --- keys ------------------------------------------------------------------------------------

KINDS = {
    "P-256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "P-384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "P-521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "Ed25519": ["-algorithm", "ED25519"],
    "RSA-1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    "RSA-2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "RSA-3072": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
}
SIGNATURES = {
    ("EC", "sha256"): sequence(oid("1.2.840.10045.4.3.2")),
    ("EC", "sha384"): sequence(oid("1.2.840.10045.4.3.3")),
    ("EC", "sha1"): sequence(oid("1.2.840.10045.4.1")),
    ("RSA", "sha256"): sequence(oid("1.2.840.113549.1.1.11"), b"\x05\x00"),
    ("RSA", "sha1"): sequence(oid("1.2.840.113549.1.1.5"), b"\x05\x00"),
    ("ED25519", "sha256"): sequence(oid("1.3.101.112")),
}


def _openssl(*argv, input=None):
    return subprocess.run(["openssl", *argv], input=input, capture_output=True, check=True).stdout


class Key:
    """A private key in a file; `fp` is SHA-256 over its SubjectPublicKeyInfo, as 64 hex digits."""

    def __init__(self, folder, kind="P-256"):
        self.kind, self.algorithm = kind, KINDS[kind][1]
        self.path = os.path.join(folder, "key-%s.pem" % os.urandom(6).hex())
        _openssl("genpkey", *KINDS[kind], "-out", self.path)
        self.spki = _openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        self.fp = hashlib.sha256(self.spki).hexdigest()

    def sign(self, data, digest):
        if self.algorithm == "ED25519":
            raw = self.path + ".tbs"
            with open(raw, "wb") as out:
                out.write(data)
            return _openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", raw)
        return _openssl("dgst", "-" + digest, "-sign", self.path, input=data)


SERVER, CLIENT = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"


class Certificate:
    """Self-signed, by docs/protocol.md 3.2 unless told otherwise. `names`: the GeneralNames as DER; default one xmppAddr `addr`.
    `pem` is a file with certificate and key, as ssl.SSLContext.load_cert_chain() wants it. `issuer` is the Certificate that signs it, and
    `pem` then has what leads to the root, without the root (`chain`: those Certificates instead). `ca`: it may itself sign. `more`: further extensions."""

    def __init__(self, folder, addr="romeo@forza", kind="P-256", key=None, digest="sha256", names=None, cn=None,
                 start=-DAY, end=3650 * DAY, purposes=(SERVER, CLIENT), issuer=None, ca=False, chain=None, more=(), usage=None):
        self.addr, self.key, self.issuer = addr, key or Key(folder, kind), issuer
        self.fp = self.key.fp
        signer = issuer.key if issuer else self.key
        algorithm = SIGNATURES[(signer.algorithm, digest)]
        self.name = name = sequence(tlv(0x31, sequence(oid("2.5.4.3"), utf8((cn or addr)[:64]))))
        usage = usage or (b"\x03\x02\x01\x06" if ca else b"\x03\x02\x07\x80")
        extensions = [_extension("2.5.29.19", sequence(b"\x01\x01\xff") if ca else sequence(), True), _extension("2.5.29.15", usage, True)]
        if purposes and not ca:
            extensions.append(_extension("2.5.29.37", sequence(*(oid(one) for one in purposes))))
        names = ([] if ca else [xmpp_addr(addr)]) if names is None else names
        if names:
            extensions.append(_extension("2.5.29.17", sequence(*names)))
        extensions += more
        now = time.time()
        self.serial = b"\x40" + os.urandom(15)
        tbs = sequence(tlv(0xa0, b"\x02\x01\x02"), tlv(0x02, self.serial), algorithm, issuer.name if issuer else name,
                       sequence(_time(now + start), _time(now + end)), name, self.key.spki, tlv(0xa3, sequence(*extensions)))
        self.der = sequence(tbs, algorithm, tlv(0x03, b"\x00", signer.sign(tbs, digest)))
        self.crt = _openssl("x509", "-inform", "DER", input=self.der)
        if chain is None:
            chain, above = [], issuer
            while above and above.issuer:
                chain, above = chain + [above], above.issuer
        self.chain = b"".join(one.crt for one in [self] + list(chain))
        self.pem = os.path.join(folder, "cert-%s.pem" % os.urandom(6).hex())
        with open(self.pem, "wb") as out, open(self.key.path, "rb") as key_file:
            out.write(self.chain + key_file.read())


def crl(issuer, revoked=(), start=-3600, end=30 * DAY):
    """A revocation list of that issuer, in PEM."""
    now = time.time()
    entries = [sequence(tlv(0x02, one.serial), _time(now + start)) for one in revoked]
    algorithm = SIGNATURES[(issuer.key.algorithm, "sha256")]
    tbs = sequence(b"\x02\x01\x01", algorithm, issuer.name, _time(now + start), _time(now + end), sequence(*entries) if entries else b"")
    der = sequence(tbs, algorithm, tlv(0x03, b"\x00", issuer.key.sign(tbs, "sha256")))
    return _openssl("crl", "-inform", "DER", input=der)


def spki_of(der):
    """The SubjectPublicKeyInfo of a certificate in DER."""
    pem = _openssl("x509", "-inform", "DER", "-pubkey", "-noout", input=der)
    return _openssl("pkey", "-pubin", "-outform", "DER", input=pem)


def fp_of(der):
    return hashlib.sha256(spki_of(der)).hexdigest()
