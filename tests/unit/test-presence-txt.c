/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>
#include <string.h>

#include "daemon/proto/presence-txt.h"

static GPtrArray *
txt_of (const char *const *strings)
{
  GPtrArray *array = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  for (guint i = 0; strings[i] != NULL; i++)
    g_ptr_array_add (array, g_bytes_new (strings[i], strlen (strings[i])));
  return array;
}

static Presence *
parse (const char *const *strings)
{
  g_autoptr (GPtrArray) txt = txt_of (strings);
  return presence_from_txt (txt);
}

static void
add_bytes (GPtrArray *txt, const char *bytes, gsize len)
{
  g_ptr_array_add (txt, g_bytes_new (bytes, len));
}

/* The value of `key` among the strings to publish, NULL = absent. Checks the record's limits on the way. */
static char *
find (GPtrArray *txt, const char *key)
{
  char *found = NULL;
  gsize total = 0;

  for (guint i = 0; i < txt->len; i++)
    {
      gsize len;
      const char *bytes = g_bytes_get_data (txt->pdata[i], &len);
      g_assert_cmpuint (len, <=, 255);
      total += len + 1;
      if (len > strlen (key) && memcmp (bytes, key, strlen (key)) == 0 && bytes[strlen (key)] == '=')
        {
          g_assert_null (found);
          found = g_strndup (bytes + strlen (key) + 1, len - strlen (key) - 1);
          g_assert_true (g_utf8_validate (found, -1, NULL));
        }
    }
  g_assert_cmpuint (total, <=, PRESENCE_TXT_BUDGET);
  return found;
}

static void
test_nothing (void)
{
  g_autoptr (Presence) none = presence_from_txt (NULL);
  g_autoptr (Presence) zero = parse ((const char *const[]){ "", NULL });
  g_autoptr (Presence) fresh = presence_new ();
  g_autoptr (GPtrArray) txt = presence_to_txt (fresh);
  gsize len;

  g_assert_true (presence_equal (none, fresh));
  g_assert_true (presence_equal (zero, fresh));
  g_assert_cmpuint (txt->len, ==, 2);
  g_assert_cmpmem (g_bytes_get_data (txt->pdata[0], &len), g_bytes_get_size (txt->pdata[0]), "txtvers=1", 9);
  g_assert_cmpmem (g_bytes_get_data (txt->pdata[1], &len), g_bytes_get_size (txt->pdata[1]), "status=avail", 12);
}

static void
test_unknown_and_repeated (void)
{
  g_autoptr (Presence) p = parse ((const char *const[]){
      "txtvers=1", "=nick=evil", "=", "NICK=Juliet", "nick=Tybalt", "x-new=1", "msg", "msg=late", "STATUS=dnd",
      "status=away", "port.p2pj=99", "vc=!", "ext=x", NULL });

  g_assert_cmpstr (p->nick, ==, "Juliet");
  g_assert_null (p->msg); /* the key without a value was first */
  g_assert_cmpint (p->show, ==, SHOW_DND);
}

static void
test_status (void)
{
  static const struct {
    const char *string;
    Show show;
  } table[] = {
    { "status=avail", SHOW_AVAILABLE }, { "status=away", SHOW_AWAY },       { "status=xa", SHOW_AWAY },
    { "status=dnd", SHOW_DND },         { "status=chat", SHOW_AVAILABLE },  { "status=", SHOW_AVAILABLE },
    { "status", SHOW_AVAILABLE },       { "status=dndx", SHOW_AVAILABLE },  { "other=dnd", SHOW_AVAILABLE },
  };
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (Presence) p = parse ((const char *const[]){ table[i].string, NULL });
      g_assert_cmpint (p->show, ==, table[i].show);
    }
}

static void
test_caps (void)
{
  const char *ver = "ver=QgayPKawpkPSDYmwT/WM94uAlu0=";
  g_autoptr (Presence) good = parse ((const char *const[]){ "hash=sha-1", "node=http://psi-im.org", ver, NULL });
  g_autoptr (Presence) purple = parse ((const char *const[]){ "node=libpurple", "ver=2.14.12", NULL });
  g_autoptr (Presence) other = parse ((const char *const[]){ "hash=sha-256", "node=n", ver, NULL });
  g_autoptr (Presence) bent = parse ((const char *const[]){ "hash=sha-1", "node=n", "ver=2.14", NULL });
  g_autoptr (Presence) half = parse ((const char *const[]){ "hash=sha-1", ver, NULL });

  g_assert_cmpstr (good->node, ==, "http://psi-im.org");
  g_assert_cmpstr (good->ver, ==, "QgayPKawpkPSDYmwT/WM94uAlu0=");
  g_assert_true (purple->ver == NULL && purple->node == NULL);
  g_assert_true (other->ver == NULL && bent->ver == NULL && half->ver == NULL);
}

static void
test_spki (void)
{
  Fingerprint fp;
  for (guint i = 0; i < FINGERPRINT_BYTES; i++)
    fp.bytes[i] = 7 * i + 3;
  g_autofree char *text = fingerprint_to_base64url (&fp);
  g_autofree char *string = g_strconcat ("tls.spki=", text, NULL);
  g_autofree char *longer = g_strconcat (string, "A", NULL);
  g_autoptr (Presence) p = parse ((const char *const[]){ string, NULL });
  g_autoptr (Presence) q = parse ((const char *const[]){ longer, NULL });
  g_autoptr (Presence) r = parse ((const char *const[]){ "tls.spki=", NULL });
  g_autoptr (GPtrArray) txt = presence_to_txt (p);
  g_autofree char *out = find (txt, "tls.spki");

  g_assert_true (p->has_spki && fingerprint_equal (&p->spki, &fp));
  g_assert_false (q->has_spki || r->has_spki);
  g_assert_cmpstr (out, ==, text);
  g_assert_cmpuint (strlen (out), ==, 43);
}

static void
test_phsh (void)
{
  g_autoptr (Presence) p = parse ((const char *const[]){ "phsh=DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", NULL });
  g_autoptr (Presence) q = parse ((const char *const[]){ "phsh=../../../../../../etc/passwd.............", NULL });
  g_assert_cmpstr (p->phsh, ==, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  g_assert_null (q->phsh);
}

static void
test_hostile_bytes (void)
{
  g_autoptr (GPtrArray) txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autofree char *broken = g_malloc (250);

  memset (broken, 0xff, 250);
  memcpy (broken, "msg=", 4);
  add_bytes (txt, "nick=a\x1b[31m\0b\r\n\xc2\x9b" "c\x7f", 19);
  add_bytes (txt, broken, 250); /* each bad octet grows to three */
  add_bytes (txt, "last=\xe2\x80\xa8\xe2\x80\xa9", 11);
  add_bytes (txt, "1st=\xe2\x80\xaeowt", 10);
  add_bytes (txt, "\0\0\0=x", 5);
  g_autoptr (Presence) p = presence_from_txt (txt);

  g_assert_cmpstr (p->nick, ==, "a[31m\xef\xbf\xbd" "bc"); /* NUL is no text either */
  g_assert_nonnull (p->msg);
  g_assert_cmpuint (strlen (p->msg), <=, 255);
  g_assert_true (g_utf8_validate (p->msg, -1, NULL));
  g_assert_null (p->last);
  g_assert_cmpstr (p->first, ==, "\xe2\x80\xaeowt"); /* kept for the warning in contacts */
}

static void
test_oversize (void)
{
  g_autoptr (GPtrArray) txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autofree char *filler = g_strnfill (255, 'x');
  g_autofree char *giant = g_strnfill (70000, 'x');

  for (guint i = 0; i < 5; i++)
    add_bytes (txt, filler, 255);
  add_bytes (txt, "nick=in", 7); /* 1280 + 8 */
  add_bytes (txt, "msg=outside!", 12);
  g_autoptr (Presence) p = presence_from_txt (txt);
  g_assert_cmpstr (p->nick, ==, "in");
  g_assert_null (p->msg);

  g_ptr_array_set_size (txt, 0);
  memcpy (giant, "nick=", 5);
  add_bytes (txt, giant, 70000);
  g_autoptr (Presence) q = presence_from_txt (txt);
  g_assert_null (q->nick);
}

static void
test_round_trip (void)
{
  g_autoptr (Presence) p = parse ((const char *const[]){
      "txtvers=1", "status=away", "hash=sha-1", "node=http://psi-im.org", "ver=QgayPKawpkPSDYmwT/WM94uAlu0=",
      "nick=JuliC", "1st=Juliet", "last=Capulet", "email=juliet@capulet.lit", "jid=juliet@capulet.lit j@x",
      "msg=Hanging out downtown", "phsh=da39a3ee5e6b4b0d3255bfef95601890afd80709",
      "tls.spki=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL });
  g_autoptr (GPtrArray) txt = presence_to_txt (p);
  g_autoptr (Presence) again = presence_from_txt (txt);
  g_autoptr (Presence) copy = presence_copy (p);

  g_assert_true (p->has_spki);
  g_assert_cmpstr (p->jid, ==, "juliet@capulet.lit j@x");
  g_assert_true (presence_equal (p, again));
  g_assert_true (presence_equal (p, copy));
  copy->nick[0] = 'K';
  g_assert_false (presence_equal (p, copy));
}

static void
test_budget (void)
{
  g_autoptr (Presence) p = parse ((const char *const[]){
      "hash=sha-1", "node=https://earshot.im/caps", "ver=QgayPKawpkPSDYmwT/WM94uAlu0=", "nick=n",
      "tls.spki=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "jid=j@example.org", NULL });
  GString *msg = g_string_new (NULL);

  /* Whatever the offset, the cut never halves a character. */
  for (guint shift = 0; shift < 4; shift++)
    {
      g_string_assign (msg, "");
      for (guint i = 0; i < shift; i++)
        g_string_append_c (msg, 'a');
      for (guint i = 0; i < 200; i++)
        g_string_append (msg, "\xf0\x9f\x8c\x8a");
      g_free (p->msg);
      p->msg = g_strdup (msg->str);
      g_autoptr (GPtrArray) txt = presence_to_txt (p);
      g_autofree char *cut = find (txt, "msg");
      g_autofree char *jid = find (txt, "jid");
      g_assert_true (g_str_has_prefix (msg->str, cut));
      g_assert_cmpuint (strlen (cut), >, 100);
      g_assert_cmpstr (jid, ==, "j@example.org");
    }
  /* Half an address is another address: whole or absent. */
  g_free (p->jid);
  p->jid = g_strnfill (300, 'j');
  g_autoptr (GPtrArray) txt = presence_to_txt (p);
  g_assert_null (find (txt, "jid"));
  g_string_free (msg, TRUE);
}

static void
test_personal_is_absent (void)
{
  g_autoptr (Presence) p = presence_new ();
  p->nick = g_strdup ("J\x1b]0;x\x07");
  g_autoptr (GPtrArray) txt = presence_to_txt (p);
  g_autofree char *nick = find (txt, "nick");

  g_assert_cmpstr (nick, ==, "J]0;x");
  g_assert_null (find (txt, "1st"));
  g_assert_null (find (txt, "last"));
  g_assert_null (find (txt, "email"));
  g_assert_null (find (txt, "jid"));
  g_assert_null (find (txt, "port.p2pj"));
}

static void
test_random_garbage (void)
{
  for (guint round = 0; round < 2000; round++)
    {
      g_autoptr (GPtrArray) txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
      for (int n = g_test_rand_int_range (0, 20); n > 0; n--)
        {
          char bytes[300];
          gsize len = g_test_rand_int_range (0, sizeof bytes);
          for (gsize i = 0; i < len; i++)
            bytes[i] = (char) g_test_rand_int_range (0, 256);
          if (len > 6)
            memcpy (bytes, g_test_rand_bit () ? "msg=" : "nick=", 4);
          add_bytes (txt, bytes, len);
        }
      g_autoptr (Presence) p = presence_from_txt (txt);
      g_autoptr (GPtrArray) out = presence_to_txt (p);
      g_free (find (out, "msg"));
      g_free (find (out, "nick"));
    }
}

static void
test_show_words (void)
{
  Show show = SHOW_AWAY;
  g_assert_true (show_from_string ("dnd", &show) && show == SHOW_DND);
  g_assert_false (show_from_string ("avail", &show) || show_from_string (NULL, &show));
  g_assert_cmpstr (show_to_string (SHOW_AVAILABLE), ==, "available");
  g_assert_cmpstr (show_to_string (SHOW_AWAY), ==, "away");
  g_assert_cmpstr (show_to_string ((Show) 9), ==, "available");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/presence-txt/P-03-nothing-to-share", test_nothing);
  g_test_add_func ("/presence-txt/P-03-budget-and-boundaries", test_budget);
  g_test_add_func ("/presence-txt/P-04-unknown-and-repeated", test_unknown_and_repeated);
  g_test_add_func ("/presence-txt/P-05-status", test_status);
  g_test_add_func ("/presence-txt/P-07-personal-data-is-absent", test_personal_is_absent);
  g_test_add_func ("/presence-txt/P-08-spki", test_spki);
  g_test_add_func ("/presence-txt/P-19-hostile-bytes", test_hostile_bytes);
  g_test_add_func ("/presence-txt/P-19-oversize", test_oversize);
  g_test_add_func ("/presence-txt/X-01-random-garbage", test_random_garbage);
  g_test_add_func ("/presence-txt/caps-need-hash", test_caps);
  g_test_add_func ("/presence-txt/phsh", test_phsh);
  g_test_add_func ("/presence-txt/round-trip", test_round_trip);
  g_test_add_func ("/presence-txt/show-words", test_show_words);
  return g_test_run ();
}
