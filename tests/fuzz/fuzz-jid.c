/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Addresses and their escapes (P-02, P-19). The first byte is the collision number; the rest is a name, an instance
 * and an address at once, and in two parts at the first line break a name and a machine, or two addresses.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/base/log.h"
#include "tests/fuzz/fuzz.h"

static void
check_escapes (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autofree char *escaped = jid_escape_local (text), *back = jid_unescape_local (escaped);
  g_autofree char *unescaped = jid_unescape_local (text);

  g_assert_cmpstr (back, ==, valid);
  g_assert (strpbrk (escaped, " \"&'/:<>@") == NULL);
  g_assert (g_utf8_validate (escaped, -1, NULL));
  g_assert_cmpuint (strlen (unescaped), <=, strlen (text));
}

static void
check_shown (const char *text)
{
  g_autofree char *shown = jid_display_user (text), *logged = log_safe (text);

  g_assert (g_utf8_validate (shown, -1, NULL) && g_utf8_strlen (shown, -1) <= 80);
  for (const char *p = shown; *p != '\0'; p = g_utf8_next_char (p))
    g_assert (!g_unichar_iscntrl (g_utf8_get_char (p)));
  g_assert (g_utf8_validate (logged, -1, NULL));
  for (const char *p = logged; *p != '\0'; p = g_utf8_next_char (p))
    g_assert (!g_unichar_iscntrl (g_utf8_get_char (p)));
}

static void
check_address (const char *addr)
{
  g_autofree char *user = NULL, *machine = NULL, *prepared = NULL, *joined = NULL, *again = NULL;

  prepared = jid_prepare (addr);
  if (!jid_split_instance (addr, &user, &machine))
    {
      g_assert (user == NULL && machine == NULL && prepared == NULL && !jid_same (addr, addr));
      return;
    }
  joined = g_strconcat (user, "@", machine, NULL);
  g_assert_cmpstr (joined, ==, addr);
  g_assert_cmpuint (strlen (addr), <=, JID_INSTANCE_MAX);
  g_assert (strpbrk (user, "/@") == NULL && strpbrk (machine, "/@") == NULL);
  if (prepared == NULL)
    return;
  g_assert (jid_same (addr, addr));
  g_assert (g_utf8_validate (prepared, -1, NULL) && strpbrk (strchr (prepared, '@') + 1, "/@") == NULL);
  /* To compare by a key that changes when it is made again would part what belongs together. */
  again = jid_prepare (prepared);
  g_assert (again == NULL || strcmp (again, prepared) == 0);
  g_assert (again != NULL || strlen (prepared) > JID_INSTANCE_MAX);
}

static void
check_built (const char *user, const char *machine, guint collision)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *instance = jid_build_instance (user, machine, collision, &error);
  g_autofree char *prepared = NULL, *suffix = NULL, *local = NULL;

  g_assert ((instance == NULL) == (error != NULL));
  if (instance == NULL)
    return;
  g_assert_cmpuint (strlen (instance), <=, JID_INSTANCE_MAX);
  prepared = jid_prepare (instance);
  g_assert (prepared != NULL && jid_split_instance (instance, &local, NULL));
  g_assert (strpbrk (local, " \"&'/:<>@") == NULL);
  suffix = g_strdup_printf ("-%u", collision);
  g_assert (collision == 0 || g_str_has_suffix (local, suffix));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) parts = NULL;

  if (size < 1)
    return 0;
  text = g_strndup ((const char *) data + 1, size - 1);
  check_escapes (text);
  check_shown (text);
  check_address (text);
  check_built (text, "pronto", (data[0] & 0x80) != 0 ? G_MAXUINT - data[0] : data[0]);
  parts = g_strsplit (text, "\n", 2);
  if (parts[0] == NULL || parts[1] == NULL)
    return 0;
  check_built (parts[0], parts[1], data[0]);
  check_address (parts[1]);
  g_assert (jid_same (parts[0], parts[1]) == jid_same (parts[1], parts[0]));
  return 0;
}
