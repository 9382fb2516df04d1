/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "daemon/proto/sm.h"

static void
send_n (Sm *sm, guint n)
{
  for (guint i = 0; i < n; i++)
    sm_sent (sm, "<iq/>", 5, NULL, 0);
}

static guint
ack (Sm *sm, guint32 h)
{
  g_autoptr (GPtrArray) tags = g_ptr_array_new_with_free_func (g_free);

  g_assert_true (sm_acked (sm, h, tags));
  return tags->len;
}

static void
test_counts (void)
{
  g_autoptr (Sm) sm = sm_new ();
  g_autoptr (GPtrArray) tags = g_ptr_array_new_with_free_func (g_free);
  const SmItem *first;

  g_assert_cmpuint (sm_get_sent (sm) + sm_get_h (sm) + sm_get_unacked (sm), ==, 0);
  sm_sent (sm, "<message/>tail", 10, "one", 7);
  sm_sent (sm, "<iq/>", 5, NULL, 8);
  sm_sent (sm, "<message/>", 10, "three", 9);
  g_assert_cmpuint (sm_get_unacked (sm), ==, 3);
  first = sm_get_items (sm)->head->data;
  g_assert_cmpstr (first->text, ==, "<message/>");
  g_assert_cmpstr (first->tag, ==, "one");
  g_assert_cmpint (first->when, ==, 7);
  g_assert_true (sm_acked (sm, 2, tags));
  g_assert_cmpuint (tags->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (tags, 0), ==, "one");
  /* Again: nothing new. */
  g_assert_true (sm_acked (sm, 2, tags));
  g_assert_cmpuint (tags->len, ==, 1);
  g_assert_true (sm_acked (sm, 3, tags));
  g_assert_cmpstr (g_ptr_array_index (tags, 1), ==, "three");
  g_assert_cmpuint (sm_get_items (sm)->length + sm_get_unacked (sm), ==, 0);
}

static void
test_too_high (void)
{
  g_autoptr (Sm) sm = sm_new ();

  g_assert_false (sm_acked (sm, 1, NULL));
  send_n (sm, 5);
  g_assert_false (sm_acked (sm, 6, NULL));
  g_assert_false (sm_acked (sm, G_MAXUINT32, NULL));
  g_assert_cmpuint (sm_get_unacked (sm), ==, 5);
  ack (sm, 4);
  /* Less than confirmed before is no less impossible. */
  g_assert_false (sm_acked (sm, 3, NULL));
  g_assert_cmpuint (sm_get_unacked (sm), ==, 1);
}

/* XEP-0198 section 4: the count goes from 2^32 - 1 to zero, on either side. */
static void
test_wrap (void)
{
  g_autoptr (Sm) sm = sm_new_at ((guint32) -3);
  guint64 t[5];

  g_assert_cmpuint (sm_get_sent (sm), ==, (guint32) -3);
  send_n (sm, 5);
  g_assert_cmpuint (sm_get_sent (sm), ==, 2);
  g_assert_false (sm_acked (sm, 3, NULL));
  g_assert_false (sm_acked (sm, (guint32) -4, NULL));
  ack (sm, (guint32) -1);
  g_assert_cmpuint (sm_get_unacked (sm), ==, 3);
  g_assert_cmpuint (sm_get_items (sm)->length, ==, 3);
  ack (sm, 1);
  g_assert_false (sm_acked (sm, (guint32) -1, NULL));
  ack (sm, 2);
  g_assert_cmpuint (sm_get_items (sm)->length, ==, 0);
  for (guint i = 0; i < 5; i++)
    t[i] = sm_received (sm);
  g_assert_cmpuint (sm_get_h (sm), ==, (guint32) -3);
  for (guint i = 0; i < 5; i++)
    sm_handled (sm, t[i]);
  g_assert_cmpuint (sm_get_h (sm), ==, 2);
}

static void
test_bounds (void)
{
  g_autoptr (Sm) sm = sm_new ();
  g_autofree char *large = g_strnfill (SM_BYTES_MAX / 2, 'x');

  g_assert_false (sm_is_resumable (sm)); /* no name */
  sm_set_id (sm, "abc");
  g_assert_true (sm_is_resumable (sm));
  send_n (sm, SM_STANZAS_MAX);
  g_assert_true (sm_is_resumable (sm));
  send_n (sm, 1);
  g_assert_false (sm_is_resumable (sm));
  g_assert_cmpuint (sm_get_items (sm)->length, ==, 0);
  g_assert_cmpuint (sm_get_sent (sm), ==, SM_STANZAS_MAX + 1);
  ack (sm, SM_STANZAS_MAX);
  send_n (sm, 1);
  g_assert_false (sm_is_resumable (sm));
  g_assert_cmpuint (sm_get_items (sm)->length, ==, 0);
  /* Everything is confirmed: from here on everything is known again. */
  ack (sm, SM_STANZAS_MAX + 2);
  g_assert_true (sm_is_resumable (sm));
  sm_sent (sm, large, strlen (large), "a", 0);
  sm_sent (sm, large, strlen (large), "b", 0);
  g_assert_true (sm_is_resumable (sm));
  send_n (sm, 1);
  g_assert_false (sm_is_resumable (sm));
  g_assert_cmpuint (ack (sm, SM_STANZAS_MAX + 5), ==, 0);
  g_assert_true (sm_is_resumable (sm));
}

static void
test_handled (void)
{
  g_autoptr (Sm) sm = sm_new ();
  guint64 t[6];

  for (guint i = 0; i < 6; i++)
    t[i] = sm_received (sm);
  g_assert_cmpuint (sm_get_h (sm), ==, 0);
  g_assert_cmpuint (sm_get_last_ticket (sm), ==, t[5]);
  sm_handled (sm, t[5]);
  sm_handled (sm, t[2]);
  sm_handled (sm, 0);
  sm_handled (sm, 99);
  g_assert_cmpuint (sm_get_h (sm), ==, 0);
  sm_handled (sm, t[0]);
  g_assert_cmpuint (sm_get_h (sm), ==, 1);
  g_assert_true (sm_is_handled_up_to (sm, t[0]));
  g_assert_false (sm_is_handled_up_to (sm, t[1]));
  sm_handled (sm, t[1]);
  sm_handled (sm, t[1]);
  g_assert_cmpuint (sm_get_h (sm), ==, 3);
  sm_handled (sm, t[4]);
  sm_handled (sm, t[3]);
  g_assert_cmpuint (sm_get_h (sm), ==, 6);
  g_assert_true (sm_is_handled_up_to (sm, t[5]));
}

/* In any order of twelve, `h` is the length of the handled prefix. */
static void
test_any_order (void)
{
  for (guint run = 0; run < 2000; run++)
    {
      g_autoptr (Sm) sm = sm_new ();
      guint64 tickets[12];
      gboolean done[12] = { FALSE };
      guint n = 12, prefix = 0;

      for (guint i = 0; i < n; i++)
        tickets[i] = sm_received (sm);
      for (guint left = n; left > 0; left--)
        {
          guint pick = (guint) g_test_rand_int_range (0, (gint32) left), at = 0;

          for (;; at++)
            if (!done[at] && pick-- == 0)
              break;
          done[at] = TRUE;
          sm_handled (sm, tickets[at]);
          for (prefix = 0; prefix < n && done[prefix]; prefix++)
            ;
          g_assert_cmpuint (sm_get_h (sm), ==, prefix);
        }
    }
}

static void
test_rewind (void)
{
  g_autoptr (Sm) sm = sm_new ();
  guint64 a = sm_received (sm), b = sm_received (sm), c = sm_received (sm), again;

  sm_handled (sm, a);
  sm_handled (sm, c);
  sm_rewind (sm);
  g_assert_cmpuint (sm_get_h (sm), ==, 1);
  again = sm_received (sm);
  /* What the old stream's disk job reports late is not what came again. */
  sm_handled (sm, b);
  g_assert_cmpuint (sm_get_h (sm), ==, 1);
  sm_handled (sm, again);
  g_assert_cmpuint (sm_get_h (sm), ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sm/counts", test_counts);
  g_test_add_func ("/sm/S-30-too-high", test_too_high);
  g_test_add_func ("/sm/wrap", test_wrap);
  g_test_add_func ("/sm/bounds", test_bounds);
  g_test_add_func ("/sm/M-03-handled", test_handled);
  g_test_add_func ("/sm/M-03-any-order", test_any_order);
  g_test_add_func ("/sm/rewind", test_rewind);
  return g_test_run ();
}
