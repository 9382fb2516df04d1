/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An XML element as a value: built by its maker, then shared and not changed. Holds
 * the only serializer and escaper in the program. Refcounted, one thread.
 * Threat: names, namespaces and text come from strangers: they are plain strings
 * freed with the stanza, never quarks or interned; serialising can not fail on them,
 * because the parser lets only XML-legal text in and the setters drop what XML 1.0 forbids.
 */
#pragma once

#include <glib.h>

typedef struct _Stanza Stanza;

/* `ns` must not be NULL. */
Stanza *stanza_new (const char *name, const char *ns);
Stanza *stanza_ref (Stanza *s);
void stanza_unref (Stanza *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stanza, stanza_unref)

/* Building: only by the maker, before the first stanza_ref(). */
/* An attribute set again is replaced; the value NULL removes it. */
void stanza_set_attr (Stanza *s, const char *name, const char *value);
void stanza_set_attr_ns (Stanza *s, const char *name, const char *ns, const char *value);
/* Appends text; illegal XML characters and invalid UTF-8 are replaced by U+FFFD. */
void stanza_add_text (Stanza *s, const char *text);
/* Takes the child; returns it borrowed, to go on building. A child that stands in another stanza
 * already is copied, since the links to its neighbours are its own. */
Stanza *stanza_add_child (Stanza *s, Stanza *child_take);
/* Shorthand: new child element in `ns`, with text if not NULL. Borrowed. */
Stanza *stanza_add_new (Stanza *s, const char *name, const char *ns, const char *text);

/* For the parser, whose names and texts are XML-legal already: one copy of a name serves every
 * stanza that uses it, so that a long namespace written once costs its length once. */
Stanza *stanza_new_shared (GRefString *name, GRefString *ns);
void stanza_set_attr_shared (Stanza *s, GRefString *name, GRefString *ns, const char *value);
void stanza_add_parsed_text (Stanza *s, const char *text, gsize len);

/* Reading: everything returned is borrowed and lives as long as the stanza, except _dup. */
const char *stanza_get_name (const Stanza *s);
const char *stanza_get_ns (const Stanza *s);
gboolean stanza_is (const Stanza *s, const char *name, const char *ns);
/* Attribute without namespace, or NULL. */
const char *stanza_get_attr (const Stanza *s, const char *name);
const char *stanza_get_attr_ns (const Stanza *s, const char *name, const char *ns);
guint stanza_n_attrs (const Stanza *s);
/* First child element of that name and namespace; either may be NULL = any. */
const Stanza *stanza_get_child (const Stanza *s, const char *name, const char *ns);
/* Iterates child elements: NULL starts, NULL ends. O(1) a step. */
const Stanza *stanza_next_child (const Stanza *s, const Stanza *previous);
guint stanza_n_children (const Stanza *s);
/* The element's own text nodes joined; never NULL. */
char *stanza_dup_text (const Stanza *s);

/* Appends the element as XML. `outer_ns` is the default namespace in force where it lands
 * (NULL = none declared); `stream:` names use the prefix, which the stream header declared. */
void stanza_serialize (const Stanza *s, const char *outer_ns, GString *out);
/* Length in bytes that stanza_serialize() would append. */
gsize stanza_serialized_length (const Stanza *s, const char *outer_ns);
/* Escapes text for element content and attribute values alike: line breaks and tabs too, which
 * a parser would otherwise turn into spaces in a value (XML 1.0 section 3.3.3). */
void stanza_escape (const char *text, GString *out);

/* Same name, namespace, attributes (in any order), text and children. For tests and dedup. */
gboolean stanza_equal (const Stanza *a, const Stanza *b);
