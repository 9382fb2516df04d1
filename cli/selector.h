/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who is meant: petname, then full address, then fingerprint prefix; the first rule that matches anybody decides, and
 * several matches are never a guess. Pure.
 */
#pragma once

#include <glib.h>

#define SELECTOR_PREFIX_MIN 8         /* digits that name a key */
#define SELECTOR_PREFIX_MIN_TRUST 16  /* digits that name a key in a trust decision */
#define SELECTOR_HEX_DIGITS 64

/* Everything borrowed. */
typedef struct {
  const char *path;
  const char *petname;               /* "" = none */
  const char *address;               /* what it claims; "" = none */
  const char *const *fingerprints;   /* 64 lower-case hex digits each, NULL-terminated */
} SelectorCandidate;

typedef enum {
  SELECTOR_ANY,    /* reading and writing: an address will do */
  SELECTOR_TRUST   /* changing trust: a claimed name is no answer to "who" */
} SelectorUse;

/* The hex digits of `text`, lower case, without spaces, dashes and colons, when there are `min` to 64 of them and
 * nothing else; else NULL. Caller frees. */
char *selector_dup_prefix (const char *text, guint min);

/* Of `candidates` whose claimed address is `text` at some machine: whom somebody may have meant who selected nobody. Only to be shown. */
GArray *selector_suggest (GArray *candidates, const char *text);

/* Indices into `candidates` (array of SelectorCandidate); empty = nobody. Caller unrefs. */
GArray *selector_match (GArray *candidates, const char *text, SelectorUse use);
