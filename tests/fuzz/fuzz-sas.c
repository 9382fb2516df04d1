/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Verification by code towards a peer who says what it likes. The first character says whose key is lower (l: ours); each line after that is
 * what comes from the peer, or a deed of our own:
 *   !s we begin   =XML an iq set's payload   >XML what our <commit/> is answered by   !a our <reveal/> is accepted   !r what we set is refused
 *   #TEXT a person types
 * Whatever it says: there is a code only when both nonces were committed to and revealed, what is over stays over, our nonce is revealed
 * once and only for theirs, and nothing typed is right but the code.
 */
#include "earshot-config.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/sas.h"
#include "daemon/proto/xml-stream.h"
#include "tests/fuzz/fuzz.h"

#define HEADER "<stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'>"

typedef struct {
  Sas *sas;
  Fingerprint own, peer;
  char *commitment;   /* what the peer committed to, as it was taken */
  gboolean revealed, started;
} Talk;

static void
on_opened (gpointer user, const Stanza *header, const char *default_ns)
{
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  Stanza **payload = user;

  if (*payload == NULL)
    *payload = stanza_ref (stanza);
}

static void
on_closed (gpointer user)
{
}

static Stanza *
read_payload (const char *text, gsize len)
{
  static const XmlStreamHandlers handlers = { on_opened, on_stanza, on_closed };
  Stanza *payload = NULL;
  XmlStream *xs = xml_stream_new (&xml_stream_limits_after_auth, &handlers, &payload);

  if (xml_stream_feed (xs, HEADER, sizeof HEADER - 1, NULL, NULL))
    xml_stream_feed (xs, text, len, NULL, NULL);
  xml_stream_free (xs);
  return payload;
}

/* The nonce that was taken is the one that was committed to. */
static void
check_reveal (Talk *t, const Stanza *reveal)
{
  g_autofree char *text = stanza_dup_text (reveal);
  gsize len = 0;
  g_autofree guchar *na = g_base64_decode (text, &len);
  guint8 commitment[SAS_BYTES];
  g_autofree char *again = NULL;

  g_assert_cmpuint (len, ==, SAS_BYTES);
  sas_commitment (na, &t->peer, &t->own, commitment);
  again = g_base64_encode (commitment, SAS_BYTES);
  g_assert_cmpstr (again, ==, t->commitment);
}

static void
hear_set (Talk *t, const Stanza *payload)
{
  g_autoptr (Stanza) reply = NULL;
  SasState before = sas_get_state (t->sas);
  guint8 nonce[SAS_BYTES];
  SasVerdict verdict;

  memset (nonce, 0x5a, sizeof nonce);
  verdict = sas_on_set (t->sas, payload, nonce, &reply);
  if (before == SAS_ENDED)
    g_assert (verdict == SAS_DEVIATES && reply == NULL);
  if (verdict == SAS_DEVIATES || verdict == SAS_MISMATCHES || verdict == SAS_CANCELLED)
    g_assert (sas_get_state (t->sas) == SAS_ENDED && reply == NULL);
  if (verdict == SAS_OVERRULED)
    g_assert (t->started && sas_get_state (t->sas) == SAS_COMMITTED && fingerprint_compare (&t->own, &t->peer) < 0);
  if (verdict == SAS_GOOD && reply != NULL)
    {
      g_assert (stanza_is (reply, "nonce", NS_LL_SAS) && sas_get_state (t->sas) == SAS_ANSWERED && sas_get_role (t->sas) == 'B');
      g_assert_null (t->commitment); /* never two */
      t->commitment = stanza_dup_text (payload);
    }
  else if (verdict == SAS_GOOD)
    {
      g_assert (before == SAS_ANSWERED && sas_get_state (t->sas) == SAS_AGREED);
      check_reveal (t, payload);
    }
}

static void
hear_result (Talk *t, const Stanza *payload)
{
  SasState before = sas_get_state (t->sas);
  Stanza *reveal = NULL;
  SasVerdict verdict = sas_on_nonce (t->sas, payload, &reveal);

  g_assert ((verdict == SAS_GOOD) == (reveal != NULL));
  if (reveal != NULL)
    {
      g_assert (before == SAS_COMMITTED && sas_get_state (t->sas) == SAS_REVEALED && !t->revealed);
      t->revealed = TRUE;
      stanza_unref (reveal);
    }
  else
    g_assert_cmpint (sas_get_state (t->sas), ==, SAS_ENDED);
}

static void
typed (Talk *t, const char *text)
{
  SasCode said = sas_check_code (t->sas, text);
  const char *code = sas_get_code (t->sas);
  g_autoptr (GString) digits = g_string_new (NULL);

  if (said != SAS_CODE_RIGHT)
    return;
  g_assert_nonnull (code);
  for (const char *p = text; *p != '\0'; p++)
    if (g_ascii_isdigit (*p))
      g_string_append_c (digits, *p);
  g_string_insert_c (digits, 4, ' ');
  g_string_insert_c (digits, 9, ' ');
  g_assert_cmpstr (digits->str, ==, code);
}

static void
check_code (Talk *t)
{
  const char *code = sas_get_code (t->sas);
  guint n[3];

  g_assert ((code != NULL) == (sas_get_state (t->sas) == SAS_AGREED));
  if (code == NULL)
    return;
  g_assert (t->commitment != NULL || t->revealed);
  g_assert_cmpint (sscanf (code, "%u %u %u", &n[0], &n[1], &n[2]), ==, 3);
  for (guint i = 0; i < 3; i++)
    g_assert (n[i] >= 1000 && n[i] <= 9191);
  g_assert_cmpint (sas_check_code (t->sas, code), ==, SAS_CODE_RIGHT);
}

static void
line (Talk *t, const char *text, gsize len)
{
  g_autofree char *copy = g_strndup (text, len);
  g_autoptr (Stanza) payload = *copy == '=' || *copy == '>' ? read_payload (copy + 1, strlen (copy + 1)) : NULL;
  guint8 nonce[SAS_BYTES];

  memset (nonce, 0xa5, sizeof nonce);
  if (strcmp (copy, "!s") == 0 && sas_get_state (t->sas) == SAS_NEW)
    {
      stanza_unref (sas_start (t->sas, nonce));
      t->started = TRUE;
    }
  else if (strcmp (copy, "!a") == 0)
    g_assert ((sas_on_accepted (t->sas) == SAS_GOOD) == (sas_get_state (t->sas) == SAS_AGREED));
  else if (strcmp (copy, "!r") == 0)
    sas_on_refused (t->sas);
  else if (*copy == '#')
    typed (t, copy + 1);
  else if (*copy == '=' && payload != NULL)
    hear_set (t, payload);
  else if (*copy == '>')
    hear_result (t, payload);
  check_code (t);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *at = (const char *) data, *end = at + size;
  guint8 exporter[SAS_BYTES];
  Talk t = { 0 };

  memset (exporter, 7, sizeof exporter);
  memset (t.own.bytes, size > 0 && *at == 'l' ? 1 : 3, sizeof t.own.bytes);
  memset (t.peer.bytes, 2, sizeof t.peer.bytes);
  t.sas = sas_new (&t.own, &t.peer, exporter);
  if (size > 0)
    at++;
  while (at < end)
    {
      const char *stop = memchr (at, '\n', (gsize) (end - at));
      gsize len = (gsize) ((stop != NULL ? stop : end) - at);

      line (&t, at, len);
      at += len + 1;
    }
  sas_free (t.sas);
  g_free (t.commitment);
  return 0;
}
