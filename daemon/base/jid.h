/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Addresses on the link: `user@machine`, one DNS label of at most 63 octets
 * (XEP-0174 section 3), the user part escaped per XEP-0106 and compared in its
 * prepared, case-folded form (RFC 7622). Threat: every input here may be a
 * stranger's; nothing asserts on content. All returned strings are the caller's.
 */
#pragma once

#include <glib.h>

#define JID_INSTANCE_MAX 63

/* XEP-0106: escapes what a localpart forbids (space " & ' / : < > @ \). */
char *jid_escape_local (const char *text);
char *jid_unescape_local (const char *local);

/* Builds the instance name from a person's chosen name (free UTF-8, unescaped), the
 * ASCII host label and a collision number (0 = none, n = "-n" appended to the
 * user part). The user part is cut at a character boundary, never inside an
 * escape, so that all fits 63 octets. INVALID_ARGUMENT: empty user after
 * cleaning, or a machine that is not an ASCII host label. */
char *jid_build_instance (const char *user, const char *machine, guint collision, GError **error);

/* Splits at the only '@'. FALSE: not of the form `user@machine`, over 63 octets, not
 * UTF-8, control characters, empty half, machine not ASCII (P-02, P-19). Outputs may be NULL. */
gboolean jid_split_instance (const char *instance, char **user, char **machine);

/* The form to compare and to key tables by: NFC, width- and case-folded. NULL if the
 * text is no address. A trailing "/resource" makes it no address here. */
char *jid_prepare (const char *addr);
gboolean jid_same (const char *a, const char *b);

/* For people: the user part unescaped, with control and bidi-control
 * characters removed; at most 80 characters. */
char *jid_display_user (const char *addr);
