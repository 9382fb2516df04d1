/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/caps.h"

#include <string.h>

#include "daemon/base/names.h"

#define NS_DATA_FORMS "jabber:x:data"
#define FORM_TYPE "FORM_TYPE"

/* Exactly what is answered and done (M-13); a feature is added here in the commit that builds it. */
static const char *const own_features[] = {
  NS_CAPS, NS_CHATSTATES, NS_CORRECT, NS_DELAY, NS_DISCO_INFO, NS_FALLBACK, NS_LL_INTRO, NS_LL_INVITE, NS_LL_OUTBOX, NS_LL_SAS, NS_LL_TRUST, NS_MARKERS,
  NS_LAST, NS_NICK, NS_OOB, NS_PING, NS_REACTIONS, NS_RECEIPTS, NS_REPLY, NS_RETRACT, NS_SID, NS_STYLING, NS_TIME, NS_TRUST_MESSAGE,
  NS_VERSION,
};

Stanza *
caps_own_disco_info (void)
{
  g_autofree char *node = g_strdup_printf ("%s#%s", EARSHOT_CAPS_NODE, caps_own_ver ());
  Stanza *query = stanza_new ("query", NS_DISCO_INFO);
  Stanza *identity;

  stanza_set_attr (query, "node", node);
  identity = stanza_add_new (query, "identity", NS_DISCO_INFO, NULL);
  stanza_set_attr (identity, "category", "client");
  stanza_set_attr (identity, "type", "pc");
  stanza_set_attr (identity, "name", "Earshot");
  for (guint i = 0; i < G_N_ELEMENTS (own_features); i++)
    {
      Stanza *feature = stanza_add_new (query, "feature", NS_DISCO_INFO, NULL);
      stanza_set_attr (feature, "var", own_features[i]);
    }
  return query;
}

/* One factor of the verification string S. Section 5.1: `&lt;` in a factor is literal and never becomes "<", which
 * would let a name carry features ("Some-Client<http://jabber.org/protocol/muc"). The parser has
 * resolved it, so it is put back; no factor can hold the separator. */
static void
append_escaped (GString *s, const char *factor)
{
  for (; factor != NULL && *factor != '\0'; factor++)
    if (*factor == '<')
      g_string_append (s, "&lt;");
    else
      g_string_append_c (s, *factor);
}

static void
append_factor (GString *s, const char *factor)
{
  append_escaped (s, factor);
  g_string_append_c (s, '<');
}

static int
compare_octets (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Sorts and appends all; FALSE when two are the same and that is ill-formed. */
static gboolean
append_sorted (GString *s, GPtrArray *factors, gboolean unique)
{
  g_ptr_array_sort (factors, compare_octets);
  for (guint i = 0; i < factors->len; i++)
    {
      if (unique && i > 0 && strcmp (factors->pdata[i - 1], factors->pdata[i]) == 0)
        return FALSE;
      g_string_append (s, factors->pdata[i]);
    }
  return TRUE;
}

static GPtrArray *
string_list (void)
{
  return g_ptr_array_new_with_free_func (g_free);
}

/* Steps 2 and 3: category/type/lang/name. Section 5.4, 3.3: a repeated identity makes it ill-formed. */
static gboolean
append_identities (GString *s, const Stanza *query)
{
  g_autoptr (GPtrArray) list = string_list ();

  for (const Stanza *c = NULL; (c = stanza_next_child (query, c)) != NULL;)
    {
      static const char *const parts[] = { "category", "type", NULL, "name" };
      GString *one;

      if (!stanza_is (c, "identity", NS_DISCO_INFO))
        continue;
      one = g_string_new (NULL);
      for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
        {
          if (i > 0)
            g_string_append_c (one, '/');
          append_escaped (one, parts[i] != NULL ? stanza_get_attr (c, parts[i]) : stanza_get_attr_ns (c, "lang", NS_XML));
        }
      g_string_append_c (one, '<');
      g_ptr_array_add (list, g_string_free (one, FALSE));
    }
  return append_sorted (s, list, TRUE);
}

/* Steps 4 and 5. Section 5.4, 3.4: a repeated feature makes it ill-formed. */
static gboolean
append_features (GString *s, const Stanza *query)
{
  g_autoptr (GPtrArray) list = string_list ();

  for (const Stanza *c = NULL; (c = stanza_next_child (query, c)) != NULL;)
    if (stanza_is (c, "feature", NS_DISCO_INFO))
      {
        GString *one = g_string_new (NULL);
        append_factor (one, stanza_get_attr (c, "var"));
        g_ptr_array_add (list, g_string_free (one, FALSE));
      }
  return append_sorted (s, list, TRUE);
}

/* The values of a form's field, each as a factor. */
static GPtrArray *
field_values (const Stanza *field)
{
  GPtrArray *values = string_list ();

  for (const Stanza *c = NULL; (c = stanza_next_child (field, c)) != NULL;)
    if (stanza_is (c, "value", NS_DATA_FORMS))
      {
        g_autofree char *text = stanza_dup_text (c);
        GString *one = g_string_new (NULL);
        append_factor (one, text);
        g_ptr_array_add (values, g_string_free (one, FALSE));
      }
  return values;
}

/* Steps 6 and 7 for one form: its text begins with FORM_TYPE's value. `*out` NULL = to be ignored (5.4, 3.6: no
 * FORM_TYPE, or one that is not hidden). FALSE = ill-formed (3.5: several different values). */
static gboolean
form_to_string (const Stanza *form, char **out)
{
  g_autoptr (GPtrArray) fields = string_list ();
  g_autofree char *type = NULL;
  GString *s;

  *out = NULL;
  for (const Stanza *c = NULL; (c = stanza_next_child (form, c)) != NULL;)
    {
      const char *var = stanza_get_attr (c, "var");
      g_autoptr (GPtrArray) values = NULL;
      GString *one;

      if (!stanza_is (c, "field", NS_DATA_FORMS) || var == NULL)
        continue;
      values = field_values (c);
      if (strcmp (var, FORM_TYPE) == 0)
        {
          for (guint i = 0; i < values->len; i++)
            if ((i > 0 || type != NULL) && g_strcmp0 (type != NULL ? type : values->pdata[0], values->pdata[i]) != 0)
              return FALSE;
          if (type == NULL && values->len > 0 && g_strcmp0 (stanza_get_attr (c, "type"), "hidden") == 0)
            type = g_strdup (values->pdata[0]);
          continue;
        }
      one = g_string_new (NULL);
      append_factor (one, var);
      append_sorted (one, values, FALSE);
      g_ptr_array_add (fields, g_string_free (one, FALSE));
    }
  if (type == NULL)
    return TRUE;
  s = g_string_new (type);
  append_sorted (s, fields, FALSE);
  *out = g_string_free (s, FALSE);
  return TRUE;
}

/* Section 5.4, 3.5: two forms with the same FORM_TYPE make it ill-formed. */
static gboolean
append_forms (GString *s, const Stanza *query)
{
  g_autoptr (GPtrArray) forms = string_list ();

  for (const Stanza *c = NULL; (c = stanza_next_child (query, c)) != NULL;)
    {
      char *text;
      if (!stanza_is (c, "x", NS_DATA_FORMS))
        continue;
      if (!form_to_string (c, &text))
        return FALSE;
      if (text != NULL)
        g_ptr_array_add (forms, text);
    }
  g_ptr_array_sort (forms, compare_octets);
  for (guint i = 1; i < forms->len; i++)
    {
      const char *a = forms->pdata[i - 1], *b = forms->pdata[i];
      gsize len = strcspn (a, "<");
      if (len == strcspn (b, "<") && memcmp (a, b, len) == 0)
        return FALSE;
    }
  return append_sorted (s, forms, FALSE);
}

char *
caps_ver_of (const Stanza *query)
{
  g_autoptr (GString) s = g_string_new (NULL);
  g_autoptr (GChecksum) sha1 = NULL;
  guint8 digest[20];
  gsize len = sizeof digest;

  if (query == NULL || !stanza_is (query, "query", NS_DISCO_INFO))
    return NULL;
  if (!append_identities (s, query) || !append_features (s, query) || !append_forms (s, query))
    return NULL;
  sha1 = g_checksum_new (G_CHECKSUM_SHA1);
  g_checksum_update (sha1, (const guchar *) s->str, s->len);
  g_checksum_get_digest (sha1, digest, &len);
  return g_base64_encode (digest, len);
}

const char *
caps_own_ver (void)
{
  static char ver[32];

  if (ver[0] == '\0')
    {
      g_autoptr (Stanza) query = NULL;
      g_autofree char *computed = NULL;

      /* `node` is no part of the string, so the not yet known ver in it does not matter; the mark below ends the
       * circle between the two functions. */
      ver[0] = '-';
      query = caps_own_disco_info ();
      computed = caps_ver_of (query);
      g_strlcpy (ver, computed, sizeof ver);
    }
  return ver;
}

gboolean
caps_has_feature (const Stanza *query, const char *feature)
{
  for (const Stanza *c = NULL; query != NULL && (c = stanza_next_child (query, c)) != NULL;)
    if (stanza_is (c, "feature", NS_DISCO_INFO) && g_strcmp0 (stanza_get_attr (c, "var"), feature) == 0)
      return TRUE;
  return FALSE;
}
