/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names that look like other names (XEP-0165; Unicode Technical Standard 39). ICU's uspoof is behind this door and nowhere
 * else; a build without it (--without-icu) knows letter case, width and what does not show, and nothing of look-alikes.
 *
 * Threat: every name may be a stranger's. Nothing asserts on content; of each only the first CONFUSABLE_MAX bytes count, before
 * and after normalization. What comes out is for comparing, never for showing. Main thread only; results are the caller's.
 */
#pragma once

#include <glib.h>

#define CONFUSABLE_MAX 320 /* 80 characters of any kind */
#define CONFUSABLE_LOOKS 3

/* Built with ICU? */
gboolean confusable_has_icu (void);

/* Two names with the same one are one name to a reader: NFKC, case-folded, blanks of any kind as one and none at the ends,
 * nothing that does not show (joiners and fillers, too). "" when nothing is left. */
char *confusable_fold (const char *name);

/* Two names that share one of these can be taken for each other: skeletons of the name as written, in small and in capital letters,
 * because people read "JUIiET" in the case that they expect. At most CONFUSABLE_LOOKS, none twice, NULL-terminated; none for a
 * name of which nothing shows. Without ICU: confusable_fold() alone. */
char **confusable_looks (const char *name);

/* Letters of scripts that no one writing system mixes: more than the "moderately restrictive" level of UTS 39 allows, which is any
 * one script, with Latin (unless it is Cyrillic or Greek), and those that Japanese, Chinese and Korean use together. Without ICU
 * FALSE. */
gboolean confusable_is_mixed_script (const char *name);
