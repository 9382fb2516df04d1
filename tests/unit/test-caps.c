/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>
#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/caps.h"

#define NS_FORM "jabber:x:data"

static Stanza *
query_new (void)
{
  return stanza_new ("query", NS_DISCO_INFO);
}

static void
add_identity (Stanza *query, const char *category, const char *type, const char *lang, const char *name)
{
  Stanza *identity = stanza_add_new (query, "identity", NS_DISCO_INFO, NULL);
  stanza_set_attr (identity, "category", category);
  stanza_set_attr (identity, "type", type);
  if (lang != NULL)
    stanza_set_attr_ns (identity, "lang", NS_XML, lang);
  if (name != NULL)
    stanza_set_attr (identity, "name", name);
}

static void
add_features (Stanza *query, const char *const *vars)
{
  for (; *vars != NULL; vars++)
    stanza_set_attr (stanza_add_new (query, "feature", NS_DISCO_INFO, NULL), "var", *vars);
}

static Stanza *
add_form (Stanza *query, const char *form_type, gboolean hidden)
{
  Stanza *form = stanza_add_new (query, "x", NS_FORM, NULL), *field;
  stanza_set_attr (form, "type", "result");
  if (form_type != NULL)
    {
      field = stanza_add_new (form, "field", NS_FORM, NULL);
      stanza_set_attr (field, "var", "FORM_TYPE");
      if (hidden)
        stanza_set_attr (field, "type", "hidden");
      stanza_add_new (field, "value", NS_FORM, form_type);
    }
  return form;
}

static void
add_field (Stanza *form, const char *var, const char *const *values)
{
  Stanza *field = stanza_add_new (form, "field", NS_FORM, NULL);
  stanza_set_attr (field, "var", var);
  for (; *values != NULL; values++)
    stanza_add_new (field, "value", NS_FORM, *values);
}

static void
assert_ver (const Stanza *query, const char *expected)
{
  g_autofree char *ver = caps_ver_of (query);
  g_assert_cmpstr (ver, ==, expected);
}

#define STRV(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define MUC "http://jabber.org/protocol/muc"

/* XEP-0115 section 5.2. */
static void
test_simple_example (void)
{
  g_autoptr (Stanza) query = query_new ();
  add_features (query, STRV (NS_CAPS, MUC, "http://jabber.org/protocol/disco#items", NS_DISCO_INFO));
  add_identity (query, "client", "pc", NULL, "Exodus 0.9.1");
  assert_ver (query, "QgayPKawpkPSDYmwT/WM94uAlu0=");
}

/* XEP-0115 section 5.3: two languages and a form. */
static void
test_complex_example (void)
{
  g_autoptr (Stanza) query = query_new ();
  Stanza *form;
  add_identity (query, "client", "pc", "en", "Psi 0.11");
  add_identity (query, "client", "pc", "el", "\xce\xa8 0.11");
  add_features (query, STRV (NS_CAPS, NS_DISCO_INFO, "http://jabber.org/protocol/disco#items", MUC));
  form = add_form (query, "urn:xmpp:dataforms:softwareinfo", TRUE);
  add_field (form, "ip_version", STRV ("ipv6", "ipv4"));
  add_field (form, "os", STRV ("Mac"));
  add_field (form, "os_version", STRV ("10.5.1"));
  add_field (form, "software", STRV ("Psi"));
  add_field (form, "software_version", STRV ("0.11"));
  assert_ver (query, "q07IKJEyjvHSyhy//CH0CxmKi8w=");
  /* A form whose FORM_TYPE is missing or not hidden is ignored. */
  add_field (add_form (query, NULL, FALSE), "x", STRV ("y"));
  add_field (add_form (query, "urn:other", FALSE), "x", STRV ("y"));
  assert_ver (query, "q07IKJEyjvHSyhy//CH0CxmKi8w=");
}

static void
test_ill_formed (void)
{
  g_autoptr (Stanza) twice = query_new (), same = query_new (), forms = query_new (), types = query_new ();
  g_autoptr (Stanza) other = stanza_new ("query", "jabber:iq:version");
  Stanza *field, *form;

  add_features (twice, STRV (MUC, NS_CAPS, MUC));
  assert_ver (twice, NULL);
  add_identity (same, "client", "pc", NULL, "x");
  add_identity (same, "client", "pc", NULL, "x");
  assert_ver (same, NULL);
  add_field (add_form (forms, "urn:a", TRUE), "x", STRV ("1"));
  add_field (add_form (forms, "urn:a", TRUE), "x", STRV ("2"));
  assert_ver (forms, NULL);
  form = add_form (types, "urn:a", TRUE);
  field = stanza_add_new (form, "field", NS_FORM, NULL);
  stanza_set_attr (field, "var", "FORM_TYPE");
  stanza_add_new (field, "value", NS_FORM, "urn:b");
  assert_ver (types, NULL);
  assert_ver (other, NULL);
  assert_ver (NULL, NULL);
}

/* A name that carries the separator must not pass for a name and features. */
static void
test_preimage (void)
{
  g_autoptr (Stanza) honest = query_new (), forged = query_new ();
  g_autofree char *a = NULL, *b = NULL;

  add_identity (honest, "client", "pc", NULL, "A");
  add_features (honest, STRV (MUC));
  add_identity (forged, "client", "pc", NULL, "A<" MUC);
  a = caps_ver_of (honest);
  b = caps_ver_of (forged);
  g_assert_nonnull (a);
  g_assert_nonnull (b);
  g_assert_cmpstr (a, !=, b);
}

static void
test_missing_attributes (void)
{
  g_autoptr (Stanza) query = query_new ();
  stanza_add_new (query, "identity", NS_DISCO_INFO, NULL);
  stanza_add_new (query, "feature", NS_DISCO_INFO, NULL);
  stanza_add_new (stanza_add_new (query, "x", NS_FORM, NULL), "field", NS_FORM, NULL);
  g_autofree char *ver = caps_ver_of (query);
  g_assert_nonnull (ver);
  g_assert_false (caps_has_feature (query, MUC));
}

static void
test_own (void)
{
  static const char *const features[] = {
    "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/caps", "urn:xmpp:ping", "urn:xmpp:receipts",
    "urn:xmpp:sid:0", "urn:xmpp:delay", "http://jabber.org/protocol/chatstates", "im.earshot:trust:0", "im.earshot:outbox:0",
    "im.earshot:sas:0", "im.earshot:intro:0", "urn:xmpp:tm:1", "im.earshot:invite:0", "urn:xmpp:message-correct:0", "urn:xmpp:message-retract:1", "urn:xmpp:reactions:0", "urn:xmpp:reply:0",
    "urn:xmpp:fallback:0", "urn:xmpp:chat-markers:0", "urn:xmpp:styling:0", "http://jabber.org/protocol/nick", "jabber:x:oob", "urn:xmpp:time",
    "jabber:iq:version", "jabber:iq:last",
  };
  g_autoptr (Stanza) query = caps_own_disco_info ();
  g_autofree char *ver = caps_ver_of (query);
  g_autofree char *node = g_strconcat ("https://earshot.im/caps#", ver, NULL);
  guint n = 0;

  g_assert_cmpstr (caps_own_ver (), ==, ver);
  g_assert_cmpuint (strlen (ver), ==, 28);
  g_assert_cmpstr (stanza_get_attr (query, "node"), ==, node);
  for (const Stanza *c = NULL; (c = stanza_next_child (query, c)) != NULL;)
    n += stanza_is (c, "feature", NS_DISCO_INFO);
  g_assert_cmpuint (n, ==, G_N_ELEMENTS (features));
  for (guint i = 0; i < G_N_ELEMENTS (features); i++)
    g_assert_true (caps_has_feature (query, features[i]));
  g_assert_false (caps_has_feature (query, "urn:xmpp:sm:3"));
  g_assert_false (caps_has_feature (NULL, "urn:xmpp:ping"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* First, so that it meets an empty cache. */
  g_test_add_func ("/caps/P-18-M-13-own", test_own);
  g_test_add_func ("/caps/example-simple", test_simple_example);
  g_test_add_func ("/caps/example-complex", test_complex_example);
  g_test_add_func ("/caps/ill-formed", test_ill_formed);
  g_test_add_func ("/caps/name-that-carries-features", test_preimage);
  g_test_add_func ("/caps/missing-attributes", test_missing_attributes);
  return g_test_run ();
}
