/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * TXT records as anybody may publish them (P-03, P-04, P-19). The input is the record as in DNS: a length octet and
 * that many bytes, again and again. What we understood of it we could publish ourselves, and would understand again.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/proto/presence-txt.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/input.h"

static GPtrArray *
split_record (Input *in)
{
  GPtrArray *strings = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  while (in->at < in->stop)
    {
      gsize len = input_byte (in);

      len = MIN (len, (gsize) (in->stop - in->at));
      g_ptr_array_add (strings, g_bytes_new (in->at, len));
      in->at += len;
    }
  return strings;
}

static void
check_text (const char *text)
{
  if (text == NULL)
    return;
  g_assert (*text != '\0' && strlen (text) <= 255 && g_utf8_validate (text, -1, NULL));
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    g_assert (!g_unichar_iscntrl (g_utf8_get_char (p)));
}

static void
check_presence (const Presence *p)
{
  check_text (p->msg);
  check_text (p->nick);
  check_text (p->node);
  check_text (p->ver);
  check_text (p->phsh);
  check_text (p->first);
  check_text (p->last);
  check_text (p->email);
  check_text (p->jid);
  g_assert ((p->node != NULL) == (p->ver != NULL));
  g_assert (p->phsh == NULL || strlen (p->phsh) == 40);
  g_assert (p->show <= SHOW_DND);
}

static void
check_record (const GPtrArray *strings)
{
  gsize total = 0, len;
  const char *first;

  g_assert_cmpuint (strings->len, >, 0);
  first = g_bytes_get_data (strings->pdata[0], &len);
  g_assert (len == 9 && memcmp (first, "txtvers=1", len) == 0);
  for (guint i = 0; i < strings->len; i++)
    {
      const char *bytes = g_bytes_get_data (strings->pdata[i], &len);
      const char *equals = memchr (bytes, '=', len);

      g_assert (len <= 255 && equals != NULL && equals > bytes && g_utf8_validate (bytes, (gssize) len, NULL));
      total += len + 1;
      for (guint j = 0; j < i; j++) /* no key twice */
        g_assert (memcmp (bytes, g_bytes_get_data (strings->pdata[j], NULL), (gsize) (equals - bytes) + 1) != 0);
    }
  g_assert_cmpuint (total, <=, PRESENCE_TXT_BUDGET);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Input in = { data, data + size };
  g_autoptr (GPtrArray) strings = split_record (&in), published = NULL, again = NULL;
  g_autoptr (Presence) read = presence_from_txt (strings);
  g_autoptr (Presence) copy = presence_copy (read), understood = NULL;
  Show show;

  check_presence (read);
  g_assert (presence_equal (read, copy));
  g_assert (show_from_string (show_to_string (read->show), &show) && show == read->show);

  published = presence_to_txt (read);
  check_record (published);
  understood = presence_from_txt (published);
  check_presence (understood);
  g_assert (understood->show == read->show && understood->has_spki == read->has_spki);
  again = presence_to_txt (understood);
  g_assert_cmpuint (published->len, ==, again->len);
  for (guint i = 0; i < again->len; i++)
    g_assert (g_bytes_equal (published->pdata[i], again->pdata[i]));
  return 0;
}
