/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Methods and properties of the window. A refusal is tested twice: the error's name, and that no room was asked.
 */
#include "earshot-config.h"

#include "tests/unit/bus-fixture.h"

#include <string.h>
#include <unistd.h>

typedef struct {
  const char *path, *interface, *method, *args;
  const char *expected;    /* error name, or the first line the rooms got */
} Case;

static void
run_case (Fixture *f, const Case *c, gboolean refusal)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) args = g_variant_parse (NULL, c->args, NULL, NULL, &error);
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *name = NULL;

  g_test_message ("%s %s %s", c->path, c->method, c->args);
  g_assert_no_error (error);
  g_string_truncate (fake.calls, 0);
  reply = call (f, c->path, c->interface, c->method, args, &name);
  if (refusal) {
    g_assert_cmpstr (name, ==, c->expected);
    g_assert_cmpstr (fake.calls->str, ==, "");
  } else {
    g_autofree char *line = g_strndup (fake.calls->str, strcspn (fake.calls->str, "\n"));

    g_assert_cmpstr (name, ==, NULL);
    g_assert_cmpstr (line, ==, c->expected);
  }
}

/* --- methods --------------------------------------------------------------------------------------------------- */

static const Case good[] = {
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'hi\\tthere', @a{sv} {})", "send 7 hi\tthere default -" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'hi', {'token': <'t'>, 'require': <'verified'>, 'receipt': <true>})",
    "send 7 hi verified t" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'hi', {'edit_of': <'m1'>, 'url': <'https://x.example/'>, 'unstyled': <true>})",
    "send 7 hi default - edit-of m1 url https://x.example/ unstyled" },
  { ROOT, I ("Messages"), "React", "(objectpath '" C7 "', 'm1', ['👍', '❤️'])", "react 7 m1 👍 ❤️" },
  { ROOT, I ("Messages"), "React", "(objectpath '" C7 "', 'm1', @as [])", "react 7 m1 " },
  { ROOT, I ("Messages"), "Retract", "('m1',)", "retract m1" },
  { ROOT, I ("Messages"), "List", "(objectpath '/', uint64 0, uint32 10, {'kinds': <['reaction']>})", "list 0 0 10 reaction" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, @a{sv} {})", "fetch cli 1000 0 -" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 5000, {'conversation': <objectpath '" C7 "'>, 'kinds': <['message']>})",
    "fetch cli 1000 7 message" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 5, {'conversation': <objectpath '/'>})", "fetch cli 5 0 -" },
  { ROOT, I ("Messages"), "List", "(objectpath '/', uint64 0, uint32 10, {'kinds': <['state']>})", "list 0 0 10 state" },
  { ROOT, I ("Messages"), "List", "(objectpath '" C7 "', uint64 9, uint32 10, @a{sv} {})", "list 7 9 10 -" },
  { ROOT, I ("Messages"), "List", "(objectpath '" C7 "', uint64 9, uint32 10, {'words': <'a \"b'>})", "search 7 9 10 a \"b" },
  { ROOT, I ("Messages"), "List", "(objectpath '/', uint64 0, uint32 0, {'kinds': <['message']>, 'words': <'w'>})",
    "search 0 0 1000 w" },
  { ROOT, I ("Messages"), "Import", "([(int64 5, objectpath '" C7 "', 'id', 'text', {'direction': <'out'>, 'trust': <'pinned'>})], @a{sv} {})",
    "import 1 id 1 text" },
  { ROOT, I ("Messages"), "Import", "(@a(xossa{sv}) [], @a{sv} {})", "import 0 - -1 -" },
  { ROOT, I ("Messages"), "Import", "([(int64 5, objectpath '" C7 "', 'id', '', {'direction': <'out'>, 'retracted': <int64 7>, 'change_state': <'failed'>})], @a{sv} {})",
    "import 1 id 1 (null)" },
  { ROOT, I ("Messages"), "Import", "([(int64 5, objectpath '" C7 "', 'id', '', {'direction': <'in'>, 'kind': <'reaction'>, 'about': <'m'>, 'emojis': <['👍', '🎉']>})], @a{sv} {})",
    "import 1 id 0 👍 🎉" },
  { ROOT, I ("Messages"), "Import", "([(int64 5, objectpath '" C7 "', 'id', 'new', {'direction': <'in'>, 'kind': <'edit'>, 'about': <'m'>, 'url': <'https://x.example/'>})], @a{sv} {})",
    "import 1 id 0 new" },
  { ROOT, I ("Messages"), "Ack", "('cli', uint64 100)", "ack cli 100" },
  { ROOT, I ("Messages"), "CreateConsumer", "('cli', {'from_start': <true>})", "create cli 1" },
  { ROOT, I ("Messages"), "DeleteConsumer", "('cli',)", "delete-consumer cli" },
  { ROOT, I ("Messages"), "ListConsumers", "()", "" },
  { ROOT, I ("Messages"), "Get", "('m1',)", "get m1" },
  { ROOT, I ("Messages"), "Cancel", "('m1',)", "cancel m1" },
  { ROOT, I ("Messages"), "Retry", "('m1',)", "retry m1" },
  { ROOT, I ("Messages"), "Delete", "(['m1'], @a{sv} {})", "delete m1" },
  { ROOT, I ("Manager"), "SetProfile", "({'first': <'Ann'>},)", "profile first Ann" },
  { ROOT, I ("Manager"), "FindContact", "('ann',)", "select ann" },
  { ROOT, I ("Manager"), "AddContact", "('ann', '" HEX2 "', ['[fe80::1%wlan0]:5298', 'host.local:1'], @a{sv} {})",
    "add-contact ann 02 fingerprint" },
  { ROOT, I ("Manager"), "AddContact", "('ann', '" HEX2 "', @as [], {'source': <'qr'>, 'in_person': <true>})",
    "add-contact ann 02 qr in-person" },
  { ROOT, I ("Manager"), "ParseLink", "('xmpp:ann@host?trust-message;encryption=im.earshot%3Atls%3A0;trust=" HEX2 "',)", "" },
  { ROOT, I ("Manager"), "CreateInvite", "(@a{sv} {},)", "create-invite me@pronto 192.0.2.7:5298,[fe80::7]:5298 600 1" },
  { ROOT, I ("Manager"), "CreateInvite",
    "({'ttl': <uint32 60>, 'uses': <uint32 3>, 'endpoints': <['[FE80::1%eth0]:5298', 'Host.local:1', 'host.LOCAL:1']>},)",
    "create-invite me@pronto [fe80::1]:5298,host.local:1 60 3" },
  { ROOT, I ("Manager"), "CreateInvite", "({'in_person': <true>, 'endpoints': <@as []>},)", "create-invite me@pronto  600 1 in-person" },
  { ROOT, I ("Manager"), "RevokeInvite", "('00112233445566aa',)", "revoke-invite 00112233445566aa" },
  { ROOT, I ("Manager"), "AcceptInvite",
    "('xmpp:ann@host?trust-message;encryption=im.earshot%3Atls%3A0;trust=" HEX2 ";s=AAECAwQFBgcICQoLDA0ODw;x=1800000000', "
    "{'petname': <'ann'>, 'in_person': <true>})", "accept-invite ann@host 02 ann in-person once" },
  { ROOT, I ("Manager"), "AcceptInvite", "('xmpp:ann@host?trust-message;encryption=im.earshot%3Atls%3A0;trust=" HEX2 "', @a{sv} {})",
    "accept-invite ann@host 02 " },
  { ROOT, I ("Manager"), "ListAudit", "(uint64 0, uint32 10, @a{sv} {})", "audit 0 10 0 - - - 0" },
  { ROOT, I ("Manager"), "ListAudit",
    "(uint64 9, uint32 0, {'contact': <objectpath '" C7 "'>, 'fingerprint': <'ABCDEF01'>, 'event': <'pin'>, 'since': <int64 5>})",
    "audit 9 0 7 01010101 abcdef01 pin 5" },
  { ROOT, I ("Manager"), "CheckAudit", "(@a{sv} {},)", "check-audit -" },
  { ROOT, I ("Manager"), "CheckAudit", "({'hash': <'" HEX2 "'>},)", "check-audit 0202" },
  { ROOT, I ("Manager"), "CreateCertificateRequest", "(['ann@pronto', 'ann@office'], @a{sv} {})", "request ann@pronto" },
  { ROOT, I ("Manager"), "SetCertificate", "('-----BEGIN', @a{sv} {})", "certificate -----BEGIN" },
  { ROOT, I ("Manager"), "RotateIdentity", "(@a{sv} {},)", "rotate me@pronto" },
  { ROOT, I ("Network"), "Rescan", "()", "rescan" },
  { ROOT, I ("Network"), "AddStatic", "('192.0.2.7:5298',)", "add-static 192.0.2.7:5298" },
  { ROOT, I ("Network"), "RemoveStatic", "('192.0.2.7:5298',)", "remove-static 192.0.2.7:5298" },
  { ROOT, I ("Network"), "ListStatic", "()", "" },
  { ROOT, I ("Network"), "Probe", "('host.local:5298', uint32 0)", "probe host.local:5298 10000" },
  { ROOT, I ("Network"), "Diagnose", "(@a{sv} {},)", "examine 0" },
  { ROOT, I ("Network"), "Diagnose", "({'contact': <objectpath '" C7 "'>},)", "examine 7" },
  { C7, I ("Contact"), "Connect", "(@a{sv} {},)", "connect 7" },
  { C7, I ("Contact"), "Disconnect", "()", "disconnect 7" },
  { C7, I ("Contact"), "Forget", "(@a{sv} {},)", "forget 7" },
  { C7, I ("Contact"), "Introduce", "(objectpath '" C7 "', 'the cook')", "introduce 7 to 7: the cook" },
  { V5, I ("Verification"), "EnterCode", "('4821-7305 1192',)", "enter 5 4821-7305 1192" },
  { V5, I ("Verification"), "Confirm", "(true,)", "confirm 5 1" },
  { V5, I ("Verification"), "Cancel", "('',)", "cancel-run 5" },
  { C7, I ("Conversation"), "MarkRead", "(uint64 100,)", "read 7 100" },
  { C7, I ("Conversation"), "SetTyping", "(true,)", "typing 7 1" },
  { K1, I ("Key"), "Accept", "('" HEX1 "', @a{sv} {})", "accept 01 user" },
  { K1, I ("Key"), "Accept", "('" HEX1 "', {'source': <'fingerprint'>})", "accept 01 fingerprint" },
  { K1, I ("Key"), "Accept", "('" HEX1 "', {'source': <'qr'>, 'in_person': <true>})", "accept 01 qr in-person" },
  { K1, I ("Key"), "Revoke", "('" HEX1 "', 'lost')", "revoke 01 lost" },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprint': <'" HEX1 "'>, 'petname': <'ann'>, 'release': <true>})",
    "resolve 3 accept fp ann 1" },
  { R3, I ("Request"), "Resolve", "('reject', @a{sv} {})", "resolve 3 reject - - 0" },
  { R3, I ("Request"), "Resolve", "('verify', {'fingerprint': <'" HEX1 "'>, 'petname': <'ann'>, 'in_person': <true>})",
    "resolve 3 verify fp ann 0 fingerprint" },
  { R3, I ("Request"), "Snooze", "(int64 0,)", "snooze 3" },
};

static void
test_methods (Fixture *f, gconstpointer data)
{
  g_ptr_array_add (fake.entries, fake_entry (5, 7, "m1", 10));
  fake_add_verification (5, fake.keys->pdata[0], FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    run_case (f, &good[i], FALSE);
}

#define V6 ROOT "/verification/6"

static const Case bad[] = {
  { C7, I ("Contact"), "Introduce", "(objectpath '" ROOT "/contact/8', '')", "NotFound" },
  { C7, I ("Contact"), "Introduce", "(objectpath '/', '')", "NotFound" },
  { C7, I ("Contact"), "Introduce", "(objectpath '" C7 "', 'a\\nb')", "InvalidArgument" },
  { ROOT "/contact/8", I ("Contact"), "Introduce", "(objectpath '" C7 "', '')", "NotFound" },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprint': <'" HEX1 "'>, 'in_person': <true>})", "InvalidArgument" },
  { C7, I ("Contact"), "Verify", "({'fingerprint': <'x'>},)", "InvalidArgument" },
  { ROOT "/contact/8", I ("Contact"), "Verify", "(@a{sv} {},)", "NotFound" },
  { V6, I ("Verification"), "EnterCode", "('4821 7305 1192\\u0007',)", "NotFound" },
  { V5, I ("Verification"), "EnterCode", "('4821 7305 1192\\u0007',)", "InvalidArgument" },
  { V5, I ("Verification"), "EnterCode", "('4821 7305 1192                                                                  ',)", "InvalidArgument" },
  { V5, I ("Verification"), "Cancel", "('a\\nb',)", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', '', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'a\\u0001b', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'a\\uffffb', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'requier': <'verified'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'require': <true>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'require': <'maximum'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'receipt': <false>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'expires': <int64 5>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'expires': <int64 -5>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'token': <''>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'thread': <'a\\nb'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'edit_of': <''>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'edit_of': <'a\\nb'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "React", "(objectpath '" C7 "', '', ['👍'])", "InvalidArgument" },
  { ROOT, I ("Messages"), "React", "(objectpath '" C7 "', 'm1', ['1', '2', '3', '4', '5', '6', '7', '8', '9'])", "InvalidArgument" },
  { ROOT, I ("Messages"), "React", "(objectpath '/', 'm1', ['👍'])", "NotFound" },
  { ROOT, I ("Messages"), "Retract", "('',)", "InvalidArgument" },
  { ROOT, I ("Messages"), "Retract", "('a\\u001bb',)", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '/', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Send", "(objectpath '/etc/passwd', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "7', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" ROOT "/contact/07', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" ROOT "/contact/4294967303', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" K1 "', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Fetch", "('', uint32 0, @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Fetch", "('a/b', uint32 0, @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, {'kinds': <['gossip']>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, {'kinds': <'message'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, {'conversation': <'" C7 "'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, {'conversation': <objectpath '" ROOT "/contact/9'>})", "NotFound" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, {'since': <int64 0>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "List", "(objectpath '" C7 "', uint64 0, uint32 0, {'conversation': <objectpath '/'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "List", "(objectpath '/', uint64 0, uint32 0, {'kinds': <['state']>, 'words': <'w'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "List", "(objectpath '/', uint64 0, uint32 0, {'words': <['w']>})", "InvalidArgument" },
  /* One that is wrong, and nothing is imported. */
#define GOOD "(int64 5, objectpath '" C7 "', 'id', 'text', {'direction': <'in'>})"
  { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 5, objectpath '" C7 "', 'id', 'text', {'direction': <'up'>})], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 5, objectpath '" C7 "', 'id', 'text', @a{sv} {})], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 -5, objectpath '" C7 "', 'id', 'text', {'direction': <'in'>})], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 5, objectpath '/', 'id', 'text', {'direction': <'in'>})], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 5, objectpath '/x', 'id', 'text', {'direction': <'in'>})], @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 5, objectpath '" C7 "', '', 'text', {'direction': <'in'>})], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 5, objectpath '" C7 "', 'id', 'bell \a', {'direction': <'in'>})], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 5, objectpath '" C7 "', 'id', 'text', {'direction': <'in'>, 'trust': <'divine'>})], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 5, objectpath '" C7 "', 'id', 'text', {'direction': <'in'>, 'key': <'ab'>})], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 5, objectpath '" C7 "', 'id', 'text', {'direction': <'in'>, 'seq': <uint64 1>})], @a{sv} {})", "InvalidArgument" },
#define BAD(body, data) { ROOT, I ("Messages"), "Import", "([" GOOD ", (int64 5, objectpath '" C7 "', 'id', '" body "', {'direction': <'in'>, " data "})], @a{sv} {})", "InvalidArgument" }
  BAD ("", "'insecure': <false>"), BAD ("words", "'retracted': <int64 5>"), BAD ("x", "'kind': <'state'>"), BAD ("x", "'kind': <'edit'>"),
  BAD ("x", "'kind': <'edit'>, 'about': <''>"), BAD ("x", "'about': <'m'>"), BAD ("x", "'kind': <'retract'>, 'about': <'m'>"),
  BAD ("x", "'kind': <'reaction'>, 'about': <'m'>, 'emojis': <['👍']>"), BAD ("", "'kind': <'reaction'>, 'about': <'m'>"),
  BAD ("", "'kind': <'reaction'>, 'about': <'m'>, 'emojis': <['buy']>"), BAD ("x", "'emojis': <['👍']>"), BAD ("x", "'reactions_in': <['buy']>"),
  BAD ("", "'kind': <'retract'>, 'about': <'m'>, 'retracted': <int64 5>"), BAD ("x", "'edited': <int64 -5>"),
  BAD ("x", "'url': <'file:///etc/passwd'>"), BAD ("x", "'change_state': <'a\\nb'>"),
#undef BAD
  { ROOT, I ("Messages"), "Export", "(handle 0, @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Export", "(handle 0, {'before': <int64 1>})", "InvalidArgument" },
#undef GOOD
  { ROOT, I ("Messages"), "List", "(objectpath '/x', uint64 0, uint32 0, @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Ack", "('cli', uint64 101)", "InvalidArgument" },
  { ROOT, I ("Messages"), "CreateConsumer", "('a b', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "CreateConsumer", "('cli', {'start': <true>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Get", "('',)", "InvalidArgument" },
  { ROOT, I ("Messages"), "Get", "('a\\nb',)", "InvalidArgument" },
  { ROOT, I ("Messages"), "Delete", "(@as [], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Delete", "(['m1', ''], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Delete", "(['m1'], {'force': <true>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "SetProfile", "({'shoe': <'44'>},)", "InvalidArgument" },
  { ROOT, I ("Manager"), "SetProfile", "({'first': <'a'>, 'last': <'b\\u0007'>},)", "InvalidArgument" },
  { ROOT, I ("Manager"), "FindContact", "('',)", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact", "('ann', 'abc', @as [], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact", "('a\\nb', '" HEX2 "', @as [], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact", "('ann', '" HEX2 "', ['nowhere'], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact", "('ann', '" HEX2 "', @as [], {'verified': <true>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact",
    "('me', 'ee00000000000000000000000000000000000000000000000000000000000000', @as [], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact", "('ann', '" HEX2 "', @as [], {'source': <'code'>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "ParseLink", "('',)", "InvalidArgument" },
  { ROOT, I ("Manager"), "ParseLink", "('xmpp:ann@host?trust-message;encryption=im.earshot%3Atls%3A0;trust=" HEX2 ";trust=" HEX1 "',)", "InvalidArgument" },
  { ROOT, I ("Manager"), "CreateInvite", "({'ttl': <60>},)", "InvalidArgument" },
  { ROOT, I ("Manager"), "CreateInvite", "({'in-person': <true>},)", "InvalidArgument" },
  { ROOT, I ("Manager"), "CreateInvite", "({'endpoints': <['127.0.0.1:5298']>},)", "InvalidArgument" },
  { ROOT, I ("Manager"), "CreateInvite",
    "({'endpoints': <['a:1', 'a:2', 'a:3', 'a:4', 'a:5', 'a:6', 'a:7', 'a:8', 'a:9']>},)", "InvalidArgument" },
  { ROOT, I ("Manager"), "RevokeInvite", "('00112233445566AA',)", "InvalidArgument" },
  { ROOT, I ("Manager"), "AcceptInvite", "('', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "AcceptInvite", "('xmpp:ann@host?trust-message;encryption=im.earshot%3Atls%3A0;trust=" HEX2 "', {'yes': <true>})",
    "InvalidArgument" },
  { ROOT, I ("Manager"), "AcceptInvite",
    "('xmpp:ann@host?trust-message;encryption=im.earshot%3Atls%3A0;trust=" HEX2 "', {'petname': <'a\\u0007'>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "ListAudit", "(uint64 0, uint32 0, {'contact': <objectpath '" ROOT "/contact/9'>})", "NotFound" },
  { ROOT, I ("Manager"), "ListAudit", "(uint64 0, uint32 0, {'contact': <'" C7 "'>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "ListAudit", "(uint64 0, uint32 0, {'fingerprint': <'0101'>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "ListAudit", "(uint64 0, uint32 0, {'fingerprint': <'" HEX1 "0'>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "ListAudit", "(uint64 0, uint32 0, {'fingerprint': <'%%%%%%%%'>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "ListAudit", "(uint64 0, uint32 0, {'event': <''>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "ListAudit", "(uint64 0, uint32 0, {'verdict': <'pinned'>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "CheckAudit", "({'hash': <'0202'>},)", "InvalidArgument" },
  { ROOT, I ("Manager"), "CheckAudit", "({'head': <'" HEX2 "'>},)", "InvalidArgument" },
  { ROOT, I ("Manager"), "CreateCertificateRequest", "(['a\\nb@pronto'], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "CreateCertificateRequest", "(@as [], {'ca': <true>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "SetCertificate", "('x', {'force': <true>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "RotateIdentity", "({'quietly': <true>},)", "InvalidArgument" },
  /* No descriptor came with these. */
  { ROOT, I ("Manager"), "ExportIdentity", "(handle 0, 'a long enough passphrase', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "ExportIdentity", "(handle 0, 'a long enough passphrase', {'plain': <true>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "ImportIdentity", "(handle 7, 'a long enough passphrase', {'replace': <true>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "ImportIdentity", "(handle 0, 'a long enough passphrase', {'replace': <'yes'>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "RegisterAgent", "(objectpath '/a', 'silent', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "RegisterAgent", "(objectpath '/a', 'interactive', {'x': <1>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "UnregisterAgent", "(objectpath '/a',)", "NotFound" },
  { ROOT, I ("Network"), "AddStatic", "('',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('host.local',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('host.local:0',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('host.local:65536',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('fe80::1:5298',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('[fe80::1%]:5298',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('[fe80::1%../x]:5298',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('[192.0.2.7]:5298',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('a b:5298',)", "InvalidArgument" },
  { ROOT, I ("Network"), "Probe", "('host.local:5298', uint32 60001)", "InvalidArgument" },
  { ROOT, I ("Network"), "Diagnose", "({'deep': <true>},)", "InvalidArgument" },
  { ROOT, I ("Network"), "Diagnose", "({'contact': <objectpath '/'>},)", "NotFound" },
  { C7, I ("Contact"), "Connect", "({'now': <true>},)", "InvalidArgument" },
  { C7, I ("Contact"), "Forget", "({'sure': <true>},)", "InvalidArgument" },
  { C7, I ("Contact"), "Ping", "(uint32 60001,)", "InvalidArgument" },
  { C7, I ("Contact"), "Ping", "(uint32 0,)", "NotReachable" },
  { C7, I ("Conversation"), "MarkRead", "(uint64 101,)", "InvalidArgument" },
  { K1, I ("Key"), "Accept", "('" HEX2 "', @a{sv} {})", "Mismatch" },
  { K1, I ("Key"), "Accept", "('', @a{sv} {})", "InvalidArgument" },
  { K1, I ("Key"), "Accept", "('" HEX1 "', {'level': <'verified'>})", "InvalidArgument" },
  { K1, I ("Key"), "Accept", "('" HEX1 "', {'source': <'first-use'>})", "InvalidArgument" },
  { K1, I ("Key"), "Accept", "('" HEX1 "', {'in_person': <'yes'>})", "InvalidArgument" },
  { K1, I ("Key"), "Accept", "('" HEX2 "', {'in_person': <true>})", "Mismatch" },
  { K1, I ("Key"), "Revoke", "('" HEX2 "', '')", "Mismatch" },
  { K1, I ("Key"), "Revoke", "('" HEX1 "', 'a\\u001bb')", "InvalidArgument" },
  { R3, I ("Request"), "Resolve", "('trust-me', @a{sv} {})", "InvalidArgument" },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprint': <'" HEX2 "'>})", "Mismatch" },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprint': <'zz'>})", "InvalidArgument" },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprint': <'" HEX1 "'>, 'in_person': <true>})", "InvalidArgument" },
  { R3, I ("Request"), "Resolve", "('verify', @a{sv} {})", "InvalidArgument" },
  { R3, I ("Request"), "Resolve", "('verify', {'fingerprint': <'" HEX2 "'>})", "Mismatch" },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprnt': <'" HEX1 "'>})", "InvalidArgument" },
  { R3, I ("Request"), "Snooze", "(int64 -1,)", "InvalidArgument" },
  { R3, I ("Request"), "Snooze", "(int64 9223372036854775807,)", "InvalidArgument" },
  { ROOT "/contact/8", I ("Contact"), "Disconnect", "()", "NotFound" },
  { ROOT "/contact/8", PROPS, "Get", "('" I ("Contact") "', 'Petname')", "NotFound" },
  { ROOT "/key/" HEX2, I ("Key"), "Revoke", "('" HEX2 "', '')", "NotFound" },
  { ROOT "/request/99", I ("Request"), "Snooze", "(int64 0,)", "NotFound" },
};

static void
test_refusals (Fixture *f, gconstpointer data)
{
  fake_add_verification (5, fake.keys->pdata[0], FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    run_case (f, &bad[i], TRUE);
}

static void
test_refusal_sizes (Fixture *f, gconstpointer data)
{
  g_autofree char *body = g_strnfill (DELIVERY_BODY_MAX + 1, 'x');
  g_autofree char *token = g_strnfill (129, 't');
  g_autofree char *name = NULL;
  g_autofree char *second = NULL;
  g_autofree char *third = NULL;
  GVariantBuilder options;

  g_assert_null (call (f, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, body, NULL), &name));
  g_assert_cmpstr (name, ==, "TooLarge");
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "token", g_variant_new_string (token));
  g_assert_null (call (f, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, "x", &options), &second));
  g_assert_cmpstr (second, ==, "InvalidArgument");
  /* The same key twice: neither value may win silently. */
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "require", g_variant_new_string ("verified"));
  g_variant_builder_add (&options, "{sv}", "require", g_variant_new_string ("encrypted"));
  g_assert_null (call (f, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, "x", &options), &third));
  g_assert_cmpstr (third, ==, "InvalidArgument");
  g_assert_cmpstr (fake.calls->str, ==, "");
}

static void
test_room_errors (Fixture *f, gconstpointer data)
{
  for (int code = 0; code < EARSHOT_ERROR_N; code++) {
    g_autofree char *name = NULL;
    g_autofree char *other = NULL;

    fake.error = code;
    g_assert_null (call (f, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, "x", NULL), &name));
    g_assert_cmpstr (name, ==, earshot_error_name (code));
    g_assert_null (call (f, K1, I ("Key"), "Accept", g_variant_new ("(sa{sv})", HEX1, NULL), &other));
    g_assert_cmpstr (other, ==, earshot_error_name (code));
  }
}

static void
test_ambiguous (Fixture *f, gconstpointer data)
{
  g_autofree char *name = NULL;
  g_autofree char *none = NULL;

  fake_add_contact (8, TRUE);
  fake.selector_matches = (char *) "2";
  g_assert_null (call (f, ROOT, I ("Manager"), "FindContact", g_variant_new ("(s)", "ann"), &name));
  g_assert_cmpstr (name, ==, "Ambiguous");
  fake.selector_matches = (char *) "0";
  g_assert_null (call (f, ROOT, I ("Manager"), "FindContact", g_variant_new ("(s)", "ann"), &none));
  g_assert_cmpstr (none, ==, "NotFound");
}

static void
test_default_require (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) reply = NULL;

  g_free (fake.require);
  fake.require = g_strdup ("verified");
  reply = call_ok (f, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, "x", NULL));
  g_assert_cmpstr (fake.calls->str, ==, "send 7 x verified -\n");
}

/* The stream is opened first; the run that is there is joined. */
static void
test_verify (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) first = NULL, second = NULL;
  g_autofree char *unreachable = NULL, *refused = NULL, *blocked = NULL;
  const char *path;

  fake.error = EARSHOT_ERROR_NOT_REACHABLE;
  g_assert_null (call (f, C7, I ("Contact"), "Verify", g_variant_new ("(a{sv})", NULL), &unreachable));
  g_assert_cmpstr (unreachable, ==, "NotReachable");
  g_assert_cmpstr (fake.calls->str, ==, "connect 7\n");
  fake.session_open = TRUE;
  fake.error = EARSHOT_ERROR_QUOTA_EXCEEDED;
  g_assert_null (call (f, C7, I ("Contact"), "Verify", g_variant_new ("(a{sv})", NULL), &refused));
  g_assert_cmpstr (refused, ==, "QuotaExceeded");
  fake.error = -1;
  first = call_ok (f, C7, I ("Contact"), "Verify", g_variant_new ("(a{sv})", NULL));
  g_variant_get (first, "(&o)", &path);
  g_assert_cmpstr (path, ==, V5);
  second = call_ok (f, C7, I ("Contact"), "Verify", g_variant_new ("(a{sv})", NULL));
  g_assert_true (g_variant_equal (first, second));
  fake_add_contact (9, TRUE)->blocked = TRUE;
  g_string_truncate (fake.calls, 0);
  g_assert_null (call (f, ROOT "/contact/9", I ("Contact"), "Verify", g_variant_new ("(a{sv})", NULL), &blocked));
  g_assert_cmpstr (blocked, ==, "Blocked");
  g_assert_cmpstr (fake.calls->str, ==, "");
}

static void
test_enter_code (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) wrong = NULL, right = NULL;
  g_autofree char *name = NULL;
  gboolean matches;

  fake_show_code (fake_add_verification (5, fake.keys->pdata[0], FALSE));
  wrong = call_ok (f, V5, I ("Verification"), "EnterCode", g_variant_new ("(s)", "4821 7305 1193"));
  g_variant_get (wrong, "(b)", &matches);
  g_assert_false (matches);
  right = call_ok (f, V5, I ("Verification"), "EnterCode", g_variant_new ("(s)", "4821 7305 1192"));
  g_variant_get (right, "(b)", &matches);
  g_assert_true (matches);
  fake.error = EARSHOT_ERROR_STORE_FULL;
  g_assert_null (call (f, V5, I ("Verification"), "EnterCode", g_variant_new ("(s)", "4821 7305 1192"), &name));
  g_assert_cmpstr (name, ==, "StoreFull");
}

static void
test_audit_names_caller (Fixture *f, gconstpointer data)
{
  /* Under valgrind we are valgrind; it hides that of "self", but not of "thread-self". */
  g_autofree char *program = g_file_read_link ("/proc/thread-self/exe", NULL);
  g_autofree char *expected = g_strdup_printf ("by name=%s pid=%d program=", g_dbus_connection_get_unique_name (f->theirs), getpid ());
  g_autoptr (GVariant) reply = call_ok (f, R3, I ("Request"), "Resolve", g_variant_new ("(sa{sv})", "reject", NULL));

  g_assert_nonnull (strstr (fake.calls->str, expected));
  g_assert_nonnull (program);
  g_assert_nonnull (strstr (fake.calls->str, strrchr (program, '/') + 1));
}

static void
test_audit_answers (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) page = call_ok (f, ROOT, I ("Manager"), "ListAudit", g_variant_new ("(tua{sv})", (guint64) 0, 0, NULL));
  g_autoptr (GVariant) check = call_ok (f, ROOT, I ("Manager"), "CheckAudit", g_variant_new ("(a{sv})", NULL));
  g_autofree char *text = g_variant_print (page, FALSE);
  g_autofree char *result = g_variant_print (check, FALSE);

  g_assert_nonnull (strstr (text, "([(9, 1000, 'accept', '01', 'pinned', {"));
  g_assert_nonnull (strstr (text, "'contact': <objectpath '" C7 "'>"));
  g_assert_nonnull (strstr (text, "'caller': <'name=:1.7'>"));
  g_assert_true (g_str_has_suffix (text, "})], true)"));
  g_assert_nonnull (strstr (result, "'sound': <false>"));
  g_assert_nonnull (strstr (result, "'reason': <'missing'>"));
  g_assert_nonnull (strstr (result, "'broken': <uint64 7>"));
  g_assert_nonnull (strstr (result, "'noted': <uint64 5>"));
}

/* Reading a link tells what it says, and nothing else happens. */
static void
test_link_answer (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) reply = call_ok (f, ROOT, I ("Manager"), "ParseLink",
                                        g_variant_new ("(s)", "xmpp:ann%5C20b@host?trust-message;encryption=im.earshot%3Atls%3A0;"
                                                              "trust=" HEX2));
  g_autofree char *text = g_variant_print (reply, FALSE);

  g_assert_cmpstr (text, ==, "('ann\\\\20b@host', '" HEX2 "', {})");
  g_assert_cmpstr (fake.calls->str, ==, "");
}

/* Of an invite it tells all but the secret; the link made here is in the reply, and nowhere else. */
static void
test_invites (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) parsed = call_ok (f, ROOT, I ("Manager"), "ParseLink",
                                         g_variant_new ("(s)", "xmpp:ann@host?trust-message;encryption=im.earshot%3Atls%3A0;trust=" HEX2
                                                               ";e=192.0.2.7%3A1;s=AAECAwQFBgcICQoLDA0ODw;x=1800000000"));
  g_autoptr (GVariant) made = call_ok (f, ROOT, I ("Manager"), "CreateInvite",
                                       g_variant_new ("(@a{sv})", g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0)));
  g_autofree char *parsed_text = g_variant_print (parsed, FALSE), *made_text = g_variant_print (made, FALSE);
  g_autoptr (GVariant) listed = NULL;
  g_autofree char *listed_text = NULL;

  g_assert_cmpstr (parsed_text, ==, "('ann@host', '" HEX2 "', {'endpoints': <['192.0.2.7:1']>, 'invite': <'cdbf6839d14320c5'>, "
                                    "'expires': <int64 1800000000000000>})");
  g_assert_cmpstr (made_text, ==, "('xmpp:me@pronto?the-link', '00112233445566aa', 99)");
  fake.has_invites = TRUE;
  fake.invites_watch->changed (fake.user);
  listed = call_ok (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "Invites"));
  listed_text = g_variant_print (listed, FALSE);
  g_assert_cmpstr (listed_text, ==,
                   "(<[('00112233445566aa', 'used-up', int64 99, {'uses': <uint32 1>, 'left': <uint32 0>, 'in_person': <false>, "
                   "'used': <['0100000000000000000000000000000000000000000000000000000000000000']>}), "
                   "('ff112233445566aa', 'waiting', 100, {'contact': <objectpath '/'>, "
                   "'fingerprint': <'0100000000000000000000000000000000000000000000000000000000000000'>})]>,)");
}

static void
test_own_link (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) none = call_ok (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "TrustLink"));
  g_autoptr (GVariant) some = NULL;
  g_autofree char *text = g_variant_print (none, FALSE);
  g_autofree char *link = NULL;

  g_assert_true (g_str_has_prefix (text, "(<'xmpp:me@pronto?trust-message;"));
  front_set_address (f->front, "");
  g_clear_pointer (&none, g_variant_unref);
  g_clear_pointer (&text, g_free);
  none = call_ok (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "TrustLink"));
  text = g_variant_print (none, FALSE);
  g_assert_cmpstr (text, ==, "(<''>,)");
  front_set_address (f->front, "m\xc3\xa9@host");
  some = call_ok (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "TrustLink"));
  link = g_variant_print (some, FALSE);
  g_assert_cmpstr (link, ==, "(<'xmpp:m%C3%A9@host?trust-message;encryption=im.earshot%3Atls%3A0;"
                             "trust=ee00000000000000000000000000000000000000000000000000000000000000'>,)");
}

static void
test_reply_limit (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) entries = NULL;
  g_autofree char *id = NULL;
  guint64 last;
  gboolean more;
  gsize n;

  for (guint i = 1; i <= 40; i++)
    g_ptr_array_add (fake.entries, fake_entry (i, 7, "m", 60000));
  reply = call_ok (f, ROOT, I ("Messages"), "Fetch", g_variant_new ("(sua{sv})", "cli", 0, NULL));
  g_variant_get (reply, "(@a(txsosa{sv})tb)", &entries, &last, &more);
  n = g_variant_n_children (entries);
  g_assert_cmpuint (n, >, 10);
  g_assert_cmpuint (g_variant_get_size (reply), <=, 1024 * 1024);
  g_assert_true (more);
  g_assert_cmpuint (last, ==, n);
}

/* --- properties ------------------------------------------------------------------------------------------------ */

static const Case bad_sets[] = {
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Nick', <'a\\u001bb'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Nick', <true>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Show', <'asleep'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Visibility', <'ghost'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'EagerConnect', <'often'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'MaxStrangers', <uint32 0>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'MaxStrangers', <uint32 1025>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'MaxStrangers', <'many'>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'TrustMode', <'everybody'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'TrustMode', <'ca'>)", "Unsupported" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'LegacyPolicy', <'yes'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'LegacyPolicy', <true>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'LegacyAllowed', <'yes'>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { C7, PROPS, "Set", "('" I ("Conversation") "', 'DefaultRequire', <'default'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'ShareName', <'yes'>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Petname', <'a\\nb'>)", "InvalidArgument" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Blocked', <'no'>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { C7, PROPS, "Set", "('" I ("Conversation") "', 'DefaultRequire', <'most'>)", "InvalidArgument" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Trust', <'verified'>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { ROOT "/contact/8", PROPS, "Set", "('" I ("Contact") "', 'Blocked', <true>)", "NotFound" },
};

static const Case good_sets[] = {
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Nick', <'ann'>)", "nick ann" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Show', <'dnd'>)", "show dnd" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'StatusText', <'out'>)", "status out" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Visibility', <'everyone'>)", "visibility" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'EagerConnect', <'always'>)", "set eager-connect always" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'MaxStrangers', <uint32 9>)", "set max-strangers 9" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'TrustMode', <'strict'>)", "set trust-mode strict" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'LegacyPolicy', <'ask'>)", "set legacy-policy ask" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'LegacyAllowed', <true>)", "legacy-choice 7 allowed" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'LegacyAllowed', <false>)", "legacy-choice 7 refused" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'ShareEmail', <true>)", "share email 1" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Petname', <'ann'>)", "petname 7 ann" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Blocked', <true>)", "blocked 7 1" },
  { C7, PROPS, "Set", "('" I ("Conversation") "', 'Muted', <true>)", "conversation 7 1 " },
  { C7, PROPS, "Set", "('" I ("Conversation") "', 'DefaultRequire', <'ca'>)", "conversation 7 0 ca" },
  { C7, PROPS, "Set", "('" I ("Conversation") "', 'DefaultRequire', <''>)", "conversation 7 0 " },
};

static const Case ca_set = { ROOT, PROPS, "Set", "('" I ("Manager") "', 'TrustMode', <'ca'>)", "set trust-mode ca" };

static void
test_set (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_sets); i++)
    run_case (f, &bad_sets[i], TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (good_sets); i++)
    run_case (f, &good_sets[i], FALSE);
  g_assert_cmpint (fake.mode, ==, TRUST_MODE_STRICT);
  g_assert_cmpint (fake.legacy, ==, LEGACY_ASK);
  fake.has_roots = TRUE;
  run_case (f, &ca_set, FALSE);
  g_assert_cmpint (fake.mode, ==, TRUST_MODE_CA);
  g_assert_cmpuint (fake.max_strangers, ==, 9);
  fake.error = EARSHOT_ERROR_STORE_FULL;
  for (guint i = 0; i < G_N_ELEMENTS (good_sets); i++) {
    g_autoptr (GVariant) args = g_variant_parse (NULL, good_sets[i].args, NULL, NULL, NULL);
    g_autofree char *name = NULL;

    g_assert_null (call (f, good_sets[i].path, PROPS, "Set", args, &name));
    g_assert_cmpstr (name, ==, "StoreFull");
  }
}

/* An endpoint that the disk does not take is not called kept. */
static void
test_statics_not_kept (Fixture *f, gconstpointer data)
{
  g_autofree char *added = NULL, *removed = NULL, *contact = NULL;

  fake.statics_error = EARSHOT_ERROR_STORE_FULL;
  g_assert_null (call (f, ROOT, I ("Network"), "AddStatic", g_variant_new ("(s)", "192.0.2.7:5298"), &added));
  g_assert_cmpstr (added, ==, "StoreFull");
  g_assert_null (call (f, ROOT, I ("Network"), "RemoveStatic", g_variant_new ("(s)", "192.0.2.7:5298"), &removed));
  g_assert_cmpstr (removed, ==, "StoreFull");
  g_assert_null (call (f, ROOT, I ("Manager"), "AddContact", g_variant_new_parsed ("('', '" HEX1 "', ['192.0.2.7:5298'], @a{sv} {})"),
                       &contact));
  g_assert_cmpstr (contact, ==, "StoreFull");
}

/* A peer without a key: what is read, what a choice takes, and that nothing is in force before the disk has it. */
static void
test_legacy (Fixture *f, gconstpointer data)
{
  g_autofree char *printed = NULL, *mismatch = NULL, *accept = NULL, *mode = NULL, *ping = NULL;
  g_autoptr (GVariant) kind = NULL, trust = NULL, key = NULL, details = NULL, done = NULL;
  g_autoptr (GVariant) value = NULL;
  static const char r9[] = ROOT "/request/9";
  Contact *contact = fake_add_contact (9, FALSE);
  const char *text;

  contact->legacy = TRUE;
  fake_add_legacy_request (9, contact);
  kind = call_ok (f, ROOT "/contact/9", PROPS, "Get", g_variant_new ("(ss)", I ("Contact"), "Kind"));
  trust = call_ok (f, ROOT "/contact/9", PROPS, "Get", g_variant_new ("(ss)", I ("Contact"), "Trust"));
  key = call_ok (f, r9, PROPS, "Get", g_variant_new ("(ss)", I ("Request"), "Key"));
  details = call_ok (f, r9, PROPS, "Get", g_variant_new ("(ss)", I ("Request"), "Details"));
  printed = g_variant_print (kind, FALSE);
  g_assert_cmpstr (printed, ==, "(<'legacy'>,)");
  g_free (printed);
  printed = g_variant_print (trust, FALSE);
  g_assert_cmpstr (printed, ==, "(<'none'>,)");
  g_free (printed);
  printed = g_variant_print (key, FALSE);
  g_assert_cmpstr (printed, ==, "(<objectpath '/'>,)");
  g_variant_get (details, "(v)", &value);
  g_assert_false (g_variant_lookup (value, "fingerprint", "&s", &text) || g_variant_lookup (value, "forgotten", "b", NULL));
  g_assert_true (g_variant_lookup (value, "name", "&s", &text));
  g_assert_cmpstr (text, ==, "mallory@pronto");
  g_assert_true (g_variant_lookup (value, "link", "&s", &text));
  g_assert_true (g_variant_lookup (value, "address", "&s", &text));
  g_assert_null (call (f, r9, I ("Request"), "Resolve", g_variant_new_parsed ("('accept', @a{sv} {})"), &accept));
  g_assert_cmpstr (accept, ==, "InvalidArgument");
  g_assert_null (call (f, r9, I ("Request"), "Resolve",
                       g_variant_new_parsed ("('allow', {'fingerprint': <'" HEX1 "'>})"), &mismatch));
  g_assert_cmpstr (mismatch, ==, "Mismatch");
  g_assert_cmpstr (fake.calls->str, ==, "");
  done = call_ok (f, r9, I ("Request"), "Resolve", g_variant_new_parsed ("('allow', {'petname': <'bob'>})"));
  g_assert_nonnull (strstr (fake.calls->str, "resolve 9 allow - bob 0\n"));
  /* Nobody there would answer. */
  fake.session_open = fake.session_clear = TRUE;
  g_assert_null (call (f, ROOT "/contact/9", I ("Contact"), "Ping", g_variant_new ("(u)", 100), &ping));
  g_assert_cmpstr (ping, ==, "Unsupported");
  /* What could not be stored is not in force. */
  fake.error = EARSHOT_ERROR_STORE_FULL;
  g_assert_null (call (f, ROOT, PROPS, "Set", g_variant_new_parsed ("(%s, 'LegacyPolicy', <'allow'>)", I ("Manager")), &mode));
  g_assert_cmpstr (mode, ==, "StoreFull");
  g_assert_cmpint (fake.legacy, ==, LEGACY_REFUSE);
}

/* A friend says whose key it is: the key has no object, the question has all that a person needs. */
static void
test_introduction (Fixture *f, gconstpointer data)
{
  static const char r9[] = ROOT "/request/9";
  Contact *friend = fake_add_contact (9, TRUE);
  Key *key = fake_add_key (friend, 5);
  g_autoptr (GVariant) properties = NULL, props = NULL, details = NULL, done = NULL, vouched = NULL;
  g_autofree char *word = NULL, *mismatch = NULL, *alone = NULL;
  const char *text;

  fake_add_introduction (9, friend, 2);
  properties = call_ok (f, r9, PROPS, "GetAll", g_variant_new ("(s)", I ("Request")));
  g_variant_get (properties, "(@a{sv})", &props);
  g_assert_true (g_variant_lookup (props, "Kind", "&s", &text));
  g_assert_cmpstr (text, ==, "introduction");
  g_assert_true (g_variant_lookup (props, "Contact", "&o", &text));
  g_assert_cmpstr (text, ==, "/");
  g_assert_true (g_variant_lookup (props, "Key", "&o", &text));
  g_assert_cmpstr (text, ==, "/");
  details = g_variant_lookup_value (props, "Details", G_VARIANT_TYPE_VARDICT);
  g_assert_true (g_variant_lookup (details, "fingerprint", "&s", &text));
  g_assert_cmpstr (text, ==, HEX2);
  g_assert_true (g_variant_lookup (details, "introducer", "&o", &text));
  g_assert_cmpstr (text, ==, ROOT "/contact/9");
  g_assert_true (g_variant_lookup (details, "note", "&s", &text) && g_variant_lookup (details, "introducer_name", "&s", &text)
                 && g_variant_lookup (details, "introducer_fingerprint", "&s", &text));
  g_assert_true (g_variant_lookup (details, "forgotten", "b", NULL));
  /* Face to face is said twice, or not at all; and about this key. */
  g_assert_null (call (f, r9, I ("Request"), "Resolve", g_variant_new_parsed ("('verify', {'fingerprint': <'" HEX2 "'>})"), &alone));
  g_assert_cmpstr (alone, ==, "InvalidArgument");
  g_assert_null (call (f, r9, I ("Request"), "Resolve",
                       g_variant_new_parsed ("('verify', {'fingerprint': <'" HEX1 "'>, 'in_person': <true>})"), &mismatch));
  g_assert_cmpstr (mismatch, ==, "Mismatch");
  g_assert_cmpstr (fake.calls->str, ==, "");
  done = call_ok (f, r9, I ("Request"), "Resolve",
                  g_variant_new_parsed ("('verify', {'fingerprint': <'" HEX2 "'>, 'in_person': <true>})"));
  g_assert_nonnull (strstr (fake.calls->str, "resolve 9 verify fp - 0\n"));
  key->introduced_by = friend;
  vouched = call_ok (f, ROOT "/key/0505050505050505050505050505050505050505050505050505050505050505", PROPS, "GetAll",
                     g_variant_new ("(s)", I ("Key")));
  word = g_variant_print (vouched, FALSE);
  g_assert_nonnull (strstr (word, "'IntroducedBy': <objectpath '" ROOT "/contact/9'>"));
  g_assert_nonnull (strstr (word, "['distrusted', 'introducer-untrusted']"));
}

static void
test_failed_mode_stays (Fixture *f, gconstpointer data)
{
  g_autofree char *name = NULL;

  fake.error = EARSHOT_ERROR_STORE_FULL;
  g_assert_null (call (f, ROOT, PROPS, "Set", g_variant_new_parsed ("(%s, 'TrustMode', <'tofu'>)", I ("Manager")), &name));
  g_assert_cmpstr (name, ==, "StoreFull");
  g_assert_cmpint (fake.mode, ==, TRUST_MODE_ASK);
  g_assert_null (strstr (fake.calls->str, "mode tofu\nmode"));
}

/* Set must not report success before the disk has it. */
static void
test_set_waits_for_disk (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) value = NULL;
  Reply reply;

  fake.mute = TRUE;
  start (f, f->theirs, ROOT, PROPS, "Set", g_variant_new_parsed ("(%s, 'Nick', <'ann'>)", I ("Manager")), &reply);
  /* A second call answered on the same connection: the first had its turn. */
  value = call_ok (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "Show"));
  g_assert_cmpstr (fake.calls->str, ==, "nick ann\n");
  g_assert_false (reply.done);
  fake_release ();
  wait_for (&reply.done);
  g_assert_no_error (reply.error);
  g_variant_unref (reply.reply);
}

static void
test_get (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) nick = NULL;
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GVariant) dict = NULL;
  g_autofree char *name = NULL;
  g_autofree char *text = NULL;
  guint64 head;

  nick = call_ok (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "Address"));
  text = g_variant_print (nick, FALSE);
  g_assert_cmpstr (text, ==, "(<'me@pronto'>,)");
  fake.head = 1234; /* no callback: reading is current all the same */
  all = call_ok (f, ROOT, PROPS, "GetAll", g_variant_new ("(s)", I ("Messages")));
  dict = g_variant_get_child_value (all, 0);
  g_assert_true (g_variant_lookup (dict, "HeadSeq", "t", &head));
  g_assert_cmpuint (head, ==, 1234);
  g_assert_null (call (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "Password"), &name));
  g_assert_cmpstr (name, ==, "org.freedesktop.DBus.Error.InvalidArgs");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/bus/methods", test_methods);
  ADD ("/bus/refusals", test_refusals);
  ADD ("/bus/refusal-sizes", test_refusal_sizes);
  ADD ("/bus/room-errors", test_room_errors);
  ADD ("/bus/ambiguous", test_ambiguous);
  ADD ("/bus/default-require", test_default_require);
  ADD ("/bus/verify", test_verify);
  ADD ("/bus/enter-code", test_enter_code);
  ADD ("/bus/audit-names-caller", test_audit_names_caller);
  ADD ("/bus/audit-answers", test_audit_answers);
  ADD ("/bus/T-17-link-is-only-read", test_link_answer);
  ADD ("/bus/invites", test_invites);
  ADD ("/bus/own-link", test_own_link);
  ADD ("/bus/reply-limit", test_reply_limit);
  ADD ("/bus/set", test_set);
  ADD ("/bus/statics-not-kept", test_statics_not_kept);
  ADD ("/bus/legacy", test_legacy);
  ADD ("/bus/introduction", test_introduction);
  ADD ("/bus/failed-mode-stays", test_failed_mode_stays);
  ADD ("/bus/set-waits-for-disk", test_set_waits_for_disk);
  ADD ("/bus/get", test_get);
  return g_test_run ();
}
