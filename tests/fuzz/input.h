/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Takes an input apart into small decisions. Behind the end there are only zeros, so that every input means something.
 */
#pragma once

#include <glib.h>

typedef struct {
  const guint8 *at, *stop;
} Input;

static inline guint8
input_byte (Input *in)
{
  return in->at < in->stop ? *in->at++ : 0;
}

/* A number below `n`; digits and letters count from '0', so that a corpus can be written by hand. */
static inline guint
input_below (Input *in, guint n)
{
  return (guint) (guint8) (input_byte (in) - '0') % n;
}

/* What stands before `end` (which is skipped), at most `max` bytes of it; borrowed. */
static inline const guint8 *
input_span (Input *in, guint8 end, gsize max, gsize *len)
{
  const guint8 *from = in->at;

  while (in->at < in->stop && *in->at != end)
    in->at++;
  *len = MIN ((gsize) (in->at - from), max);
  if (in->at < in->stop)
    in->at++;
  return from;
}
