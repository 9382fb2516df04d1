/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>

#include "cli/selector.h"

#define KEY_A "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
#define KEY_A2 "a1a1a1a1ffffffffa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
#define KEY_B "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"

static const char *const keys_juliet[] = { KEY_A, NULL };
static const char *const keys_other[] = { KEY_A2, NULL };
static const char *const keys_romeo[] = { "", KEY_B, NULL };

static const SelectorCandidate people[] = {
  { "/1", "juliet", "juliet@pronto", keys_juliet },
  { "/2", "", "juliet@pronto2", keys_other },
  { "/3", "", "romeo@forza", keys_romeo },
  /* A stranger that claims a petname's spelling as address, and one whose petname looks like a key. */
  { "/4", "", "juliet", NULL },
  { "/5", "b2b2b2b2b2b2b2b2", "", NULL },
  { "/6", "J\303\274rgen", "", NULL },
  { "/7", "", "romeo@forza", NULL },
};

/* The paths that match, as "/1 /3". */
static char *
match (const char *text, SelectorUse use)
{
  g_autoptr (GArray) candidates = g_array_new (FALSE, FALSE, sizeof (SelectorCandidate));
  g_autoptr (GArray) found = NULL;
  GString *paths = g_string_new (NULL);

  g_array_append_vals (candidates, people, G_N_ELEMENTS (people));
  found = selector_match (candidates, text, use);
  for (guint i = 0; i < found->len; i++)
    g_string_append_printf (paths, "%s%s", i > 0 ? " " : "", people[g_array_index (found, guint, i)].path);
  return g_string_free (paths, FALSE);
}

static void
assert_match (const char *text, SelectorUse use, const char *wanted)
{
  g_autofree char *got = match (text, use);

  g_assert_cmpstr (got, ==, wanted);
}

static void
test_order (void)
{
  assert_match ("juliet", SELECTOR_ANY, "/1");
  assert_match ("Juliet", SELECTOR_ANY, "/4");
  assert_match ("juliet@pronto2", SELECTOR_ANY, "/2");
  assert_match ("JULIET@PRONTO2", SELECTOR_ANY, "/2");
  assert_match ("b2b2b2b2b2b2b2b2", SELECTOR_ANY, "/5");
  assert_match ("b2b2b2b2b2b2b2b2b", SELECTOR_ANY, "/3");
  assert_match ("nobody", SELECTOR_ANY, "");
  assert_match ("", SELECTOR_ANY, "");
  /* Composed or not, it is the same name. */
  assert_match ("Ju\314\210rgen", SELECTOR_ANY, "/6");
}

static void
test_several (void)
{
  assert_match ("a1a1a1a1", SELECTOR_ANY, "/1 /2");
  assert_match ("a1a1a1a1f", SELECTOR_ANY, "/2");
  assert_match ("romeo@forza", SELECTOR_ANY, "/3 /7");
}

static void
test_trust_takes_no_claim (void)
{
  assert_match ("juliet", SELECTOR_TRUST, "/1");
  assert_match ("romeo@forza", SELECTOR_TRUST, "");
  assert_match ("Juliet", SELECTOR_TRUST, "");
  assert_match ("a1a1a1a1", SELECTOR_TRUST, "");
  assert_match ("a1a1a1a1a1a1a1a", SELECTOR_TRUST, "");
  assert_match ("a1a1a1a1a1a1a1a1", SELECTOR_TRUST, "/1");
  assert_match (KEY_B, SELECTOR_TRUST, "/3");
}

static void
test_prefix (void)
{
  static const char *const bad[] = { "", "1234567", "12345678x", " 12345678", "0x123456", "a1-b2", KEY_A "0" };
  g_autofree char *display = selector_dup_prefix ("A1A1A1A1 a1a1a1a1", 16);
  g_autofree char *colons = selector_dup_prefix ("a1:a1:a1:a1", 8);
  g_autofree char *whole = selector_dup_prefix (KEY_A, 8);

  g_assert_cmpstr (display, ==, "a1a1a1a1a1a1a1a1");
  g_assert_cmpstr (colons, ==, "a1a1a1a1");
  g_assert_cmpstr (whole, ==, KEY_A);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (selector_dup_prefix (bad[i], 8));
}

/* Whoever types half an address is told whose it may be; nobody is selected by it. */
static void
test_suggest (void)
{
  static const struct {
    const char *text;
    guint found;
  } cases[] = { { "romeo", 2 }, { "ROMEO", 2 }, { "rom", 0 }, { "juliet", 2 }, { "", 0 }, { "romeo@forza", 0 }, { "@forza", 0 } };
  g_autoptr (GArray) candidates = g_array_new (FALSE, FALSE, sizeof (SelectorCandidate));

  g_array_append_vals (candidates, people, G_N_ELEMENTS (people));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GArray) found = selector_suggest (candidates, cases[i].text);

      g_assert_cmpuint (found->len, ==, cases[i].found);
    }
  g_autoptr (GArray) selected = selector_match (candidates, "romeo", SELECTOR_ANY);

  g_assert_cmpuint (selected->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/selector/petname-address-prefix", test_order);
  g_test_add_func ("/cli/selector/several-are-all-reported", test_several);
  g_test_add_func ("/cli/selector/trust-takes-no-claimed-name", test_trust_takes_no_claim);
  g_test_add_func ("/cli/selector/prefix", test_prefix);
  g_test_add_func ("/cli/selector/half-an-address-selects-nobody-and-is-understood", test_suggest);
  return g_test_run ();
}
