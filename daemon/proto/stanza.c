/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/stanza.h"

#include <string.h>

#include "daemon/base/names.h"

typedef struct {
  GRefString *name;
  GRefString *ns; /* NULL: no namespace */
  char *value;
} Attr;

/* Content in document order; two texts never stand side by side. */
typedef struct _Node Node;
struct _Node {
  Node *next;
  Stanza *child; /* or */
  GString *text;
};

struct _Stanza {
  guint ref_count;
  GRefString *name;
  GRefString *ns;
  GArray *attrs; /* of Attr, NULL while there are none */
  Node *first, *last;
  guint n_children;
  Stanza *first_child, *last_child;
  Stanza *next_sibling;
  gboolean has_parent;
};

static void
attr_clear (gpointer data)
{
  Attr *attr = data;

  g_ref_string_release (attr->name);
  g_clear_pointer (&attr->ns, g_ref_string_release);
  g_free (attr->value);
}

Stanza *
stanza_new_shared (GRefString *name, GRefString *ns)
{
  Stanza *s = g_new0 (Stanza, 1);

  s->ref_count = 1;
  s->name = g_ref_string_acquire (name);
  s->ns = g_ref_string_acquire (ns);
  return s;
}

Stanza *
stanza_new (const char *name, const char *ns)
{
  Stanza *s = g_new0 (Stanza, 1);

  s->ref_count = 1;
  s->name = g_ref_string_new (name);
  s->ns = g_ref_string_new (ns);
  return s;
}

Stanza *
stanza_ref (Stanza *s)
{
  s->ref_count++;
  return s;
}

/* Recursion is as deep as the tree, and the parser bounds that. */
void
stanza_unref (Stanza *s)
{
  if (s == NULL || --s->ref_count > 0)
    return;
  for (Node *node = s->first, *next; node != NULL; node = next)
    {
      next = node->next;
      if (node->child != NULL)
        stanza_unref (node->child);
      else
        g_string_free (node->text, TRUE);
      g_free (node);
    }
  g_clear_pointer (&s->attrs, g_array_unref);
  g_ref_string_release (s->name);
  g_ref_string_release (s->ns);
  g_free (s);
}

/* --- building --------------------------------------------------------------- */

/* XML 1.0 section 2.2, production Char. */
static gboolean
is_xml_char (gunichar c)
{
  return c == 0x9 || c == 0xa || c == 0xd || (c >= 0x20 && c <= 0xd7ff) || (c >= 0xe000 && c <= 0xfffd)
         || (c >= 0x10000 && c <= 0x10ffff);
}

static char *
dup_mended (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_sized_new (strlen (valid));

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (out, is_xml_char (c) ? c : 0xfffd);
    }
  return g_string_free (out, FALSE);
}

/* What nearly all text is: legal as it stands. Surrogates cannot occur in valid UTF-8. */
static gboolean
is_legal (const char *text)
{
  if (!g_utf8_validate (text, -1, NULL))
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    {
      guchar c = *p;

      /* U+FFFE and U+FFFF are EF BF BE and EF BF BF. */
      if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r')
          || (c == 0xef && (guchar) p[1] == 0xbf && (guchar) p[2] >= 0xbe))
        return FALSE;
    }
  return TRUE;
}

static char *
dup_legal (const char *text)
{
  return is_legal (text) ? g_strdup (text) : dup_mended (text);
}

static Attr *
find_attr (const Stanza *s, const char *name, const char *ns)
{
  for (guint i = 0; s->attrs != NULL && i < s->attrs->len; i++)
    {
      Attr *attr = &g_array_index (s->attrs, Attr, i);

      if (strcmp (attr->name, name) == 0 && g_strcmp0 (attr->ns, ns) == 0)
        return attr;
    }
  return NULL;
}

static void
append_attr (Stanza *s, GRefString *name_take, GRefString *ns_take, char *value_take)
{
  Attr attr = { name_take, ns_take, value_take };

  if (s->attrs == NULL)
    {
      s->attrs = g_array_new (FALSE, FALSE, sizeof (Attr));
      g_array_set_clear_func (s->attrs, attr_clear);
    }
  g_array_append_val (s->attrs, attr);
}

void
stanza_set_attr_ns (Stanza *s, const char *name, const char *ns, const char *value)
{
  Attr *attr;

  if (ns != NULL && *ns == '\0')
    ns = NULL;
  attr = find_attr (s, name, ns);
  if (value == NULL)
    {
      if (attr != NULL)
        g_array_remove_index (s->attrs, (guint) (attr - &g_array_index (s->attrs, Attr, 0)));
    }
  else if (attr != NULL)
    {
      char *old = attr->value; /* `value` may be it */

      attr->value = dup_legal (value);
      g_free (old);
    }
  else
    append_attr (s, g_ref_string_new (name), ns != NULL ? g_ref_string_new (ns) : NULL, dup_legal (value));
}

void
stanza_set_attr (Stanza *s, const char *name, const char *value)
{
  stanza_set_attr_ns (s, name, NULL, value);
}

void
stanza_set_attr_shared (Stanza *s, GRefString *name, GRefString *ns, const char *value)
{
  append_attr (s, g_ref_string_acquire (name), ns != NULL ? g_ref_string_acquire (ns) : NULL, g_strdup (value));
}

static Node *
append_node (Stanza *s)
{
  Node *node = g_new0 (Node, 1);

  if (s->last != NULL)
    s->last->next = node;
  else
    s->first = node;
  s->last = node;
  return node;
}

void
stanza_add_parsed_text (Stanza *s, const char *text, gsize len)
{
  if (len == 0)
    return;
  if (s->last == NULL || s->last->text == NULL)
    append_node (s)->text = g_string_sized_new (len);
  g_string_append_len (s->last->text, text, (gssize) len);
}

void
stanza_add_text (Stanza *s, const char *text)
{
  g_autofree char *legal = dup_legal (text);

  stanza_add_parsed_text (s, legal, strlen (legal));
}

static Stanza *
stanza_copy (const Stanza *s)
{
  Stanza *copy = stanza_new_shared (s->name, s->ns);

  for (guint i = 0; s->attrs != NULL && i < s->attrs->len; i++)
    {
      Attr *attr = &g_array_index (s->attrs, Attr, i);

      stanza_set_attr_shared (copy, attr->name, attr->ns, attr->value);
    }
  for (const Node *node = s->first; node != NULL; node = node->next)
    {
      if (node->child != NULL)
        stanza_add_child (copy, stanza_copy (node->child));
      else
        stanza_add_parsed_text (copy, node->text->str, node->text->len);
    }
  return copy;
}

Stanza *
stanza_add_child (Stanza *s, Stanza *child_take)
{
  Stanza *child = child_take;

  if (child->has_parent)
    {
      child = stanza_copy (child_take);
      stanza_unref (child_take);
    }
  child->has_parent = TRUE;
  append_node (s)->child = child;
  if (s->last_child != NULL)
    s->last_child->next_sibling = child;
  else
    s->first_child = child;
  s->last_child = child;
  s->n_children++;
  return child;
}

Stanza *
stanza_add_new (Stanza *s, const char *name, const char *ns, const char *text)
{
  Stanza *child = stanza_new (name, ns);

  if (text != NULL)
    stanza_add_text (child, text);
  return stanza_add_child (s, child);
}

/* --- reading ---------------------------------------------------------------- */

const char *
stanza_get_name (const Stanza *s)
{
  return s->name;
}

const char *
stanza_get_ns (const Stanza *s)
{
  return s->ns;
}

gboolean
stanza_is (const Stanza *s, const char *name, const char *ns)
{
  return strcmp (s->name, name) == 0 && strcmp (s->ns, ns) == 0;
}

const char *
stanza_get_attr_ns (const Stanza *s, const char *name, const char *ns)
{
  const Attr *attr = find_attr (s, name, ns != NULL && *ns == '\0' ? NULL : ns);

  return attr != NULL ? attr->value : NULL;
}

const char *
stanza_get_attr (const Stanza *s, const char *name)
{
  return stanza_get_attr_ns (s, name, NULL);
}

guint
stanza_n_attrs (const Stanza *s)
{
  return s->attrs != NULL ? s->attrs->len : 0;
}

const Stanza *
stanza_next_child (const Stanza *s, const Stanza *previous)
{
  return previous == NULL ? s->first_child : previous->next_sibling;
}

const Stanza *
stanza_get_child (const Stanza *s, const char *name, const char *ns)
{
  for (const Stanza *child = s->first_child; child != NULL; child = child->next_sibling)
    if ((name == NULL || strcmp (child->name, name) == 0) && (ns == NULL || strcmp (child->ns, ns) == 0))
      return child;
  return NULL;
}

guint
stanza_n_children (const Stanza *s)
{
  return s->n_children;
}

char *
stanza_dup_text (const Stanza *s)
{
  GString *out = g_string_new (NULL);

  for (const Node *node = s->first; node != NULL; node = node->next)
    if (node->text != NULL)
      g_string_append_len (out, node->text->str, (gssize) node->text->len);
  return g_string_free (out, FALSE);
}

/* --- writing ---------------------------------------------------------------- */

static const char *
entity_of (char c, gboolean in_value)
{
  switch (c)
    {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>': /* "]]>" may not stand in content */
      return "&gt;";
    case '\'':
      return in_value ? "&apos;" : NULL;
    case '"':
      return in_value ? "&quot;" : NULL;
    case '\r': /* XML 1.0 section 2.11: a bare one would arrive as a line feed */
      return "&#13;";
    case '\n':
      return in_value ? "&#10;" : NULL;
    case '\t':
      return in_value ? "&#9;" : NULL;
    }
  return NULL;
}

static void
escape (const char *text, gboolean in_value, GString *out)
{
  const char *run = text, *p;

  for (p = text; *p != '\0'; p++)
    {
      const char *entity = entity_of (*p, in_value);

      if (entity != NULL)
        {
          g_string_append_len (out, run, p - run);
          g_string_append (out, entity);
          run = p + 1;
        }
    }
  g_string_append_len (out, run, p - run);
}

void
stanza_escape (const char *text, GString *out)
{
  g_autofree char *legal = dup_legal (text);

  escape (legal, TRUE, out);
}

static void
append_quoted (GString *out, const char *name, const char *value)
{
  g_string_append_printf (out, " %s='", name);
  escape (value, TRUE, out);
  g_string_append_c (out, '\'');
}

/* The prefix an attribute of that namespace goes by: those in force everywhere, else one
 * declared on this element, numbered by the first attribute that needs it. */
static void
append_attr_xml (const Stanza *s, guint index, GString *out)
{
  const Attr *attr = &g_array_index (s->attrs, Attr, index);
  g_autofree char *name = NULL;
  guint first;

  if (attr->ns == NULL)
    {
      append_quoted (out, attr->name, attr->value);
      return;
    }
  if (strcmp (attr->ns, NS_XML) == 0)
    name = g_strconcat ("xml:", attr->name, NULL);
  else if (strcmp (attr->ns, NS_STREAM) == 0)
    name = g_strconcat ("stream:", attr->name, NULL);
  else
    {
      for (first = 0; first < index; first++)
        if (g_strcmp0 (g_array_index (s->attrs, Attr, first).ns, attr->ns) == 0)
          break;
      if (first == index)
        {
          g_autofree char *declaration = g_strdup_printf ("xmlns:a%u", first);

          append_quoted (out, declaration, attr->ns);
        }
      name = g_strdup_printf ("a%u:%s", first, attr->name);
    }
  append_quoted (out, name, attr->value);
}

void
stanza_serialize (const Stanza *s, const char *outer_ns, GString *out)
{
  const char *prefix = "", *inner_ns = outer_ns;

  if (strcmp (s->ns, NS_STREAM) == 0)
    prefix = "stream:";
  else if (strcmp (s->ns, NS_XML) == 0) /* may not be made a default (Namespaces in XML section 3) */
    prefix = "xml:";
  else
    inner_ns = s->ns;
  g_string_append_c (out, '<');
  g_string_append (out, prefix);
  g_string_append (out, s->name);
  if (g_strcmp0 (inner_ns != NULL ? inner_ns : "", outer_ns != NULL ? outer_ns : "") != 0)
    append_quoted (out, "xmlns", inner_ns);
  for (guint i = 0; i < stanza_n_attrs (s); i++)
    append_attr_xml (s, i, out);
  if (s->first == NULL)
    {
      g_string_append (out, "/>");
      return;
    }
  g_string_append_c (out, '>');
  for (const Node *node = s->first; node != NULL; node = node->next)
    {
      if (node->child != NULL)
        stanza_serialize (node->child, inner_ns, out);
      else
        escape (node->text->str, FALSE, out);
    }
  g_string_append (out, "</");
  g_string_append (out, prefix);
  g_string_append (out, s->name);
  g_string_append_c (out, '>');
}

gsize
stanza_serialized_length (const Stanza *s, const char *outer_ns)
{
  g_autoptr (GString) out = g_string_new (NULL);

  stanza_serialize (s, outer_ns, out);
  return out->len;
}

gboolean
stanza_equal (const Stanza *a, const Stanza *b)
{
  const Node *m = a->first, *n = b->first;

  if (!stanza_is (a, b->name, b->ns) || stanza_n_attrs (a) != stanza_n_attrs (b))
    return FALSE;
  for (guint i = 0; i < stanza_n_attrs (a); i++)
    {
      const Attr *attr = &g_array_index (a->attrs, Attr, i);
      const Attr *other = find_attr (b, attr->name, attr->ns);

      if (other == NULL || strcmp (attr->value, other->value) != 0)
        return FALSE;
    }
  for (; m != NULL && n != NULL; m = m->next, n = n->next)
    {
      if ((m->child == NULL) != (n->child == NULL))
        return FALSE;
      if (m->child != NULL ? !stanza_equal (m->child, n->child) : !g_string_equal (m->text, n->text))
        return FALSE;
    }
  return m == NULL && n == NULL;
}
