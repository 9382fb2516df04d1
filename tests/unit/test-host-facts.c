/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/io/host-facts.h"

static const char udp[] =
  "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
  "  137: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000   108        0 21436 2 ffff8881 0\n"
  "  138: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 21437 2 ffff8881 0\n"
  "  139: FB0000E0:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 99999999 2 ffff8881 0\n"
  "  140: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 ffff8881 0\n";

static void
test_udp (void)
{
  g_autoptr (GArray) inodes = g_array_new (FALSE, FALSE, sizeof (guint64)), uids = g_array_new (FALSE, FALSE, sizeof (guint));
  static const char *const broken[] = { "", "\n", "x", "sl\n", "sl\n  1: zz:14E9", "sl\n 137: 00000000:14E9 a b c d", "\n\n\n" };

  host_facts_parse_udp (udp, 5353, inodes, uids, 8);
  g_assert_cmpuint (inodes->len, ==, 2);
  g_assert_cmpuint (g_array_index (inodes, guint64, 0), ==, 21436);
  g_assert_cmpuint (g_array_index (uids, guint, 0), ==, 108);
  g_assert_cmpuint (g_array_index (inodes, guint64, 1), ==, 99999999);
  g_assert_cmpuint (g_array_index (uids, guint, 1), ==, 1000);
  for (guint i = 0; i < G_N_ELEMENTS (broken); i++)
    host_facts_parse_udp (broken[i], 5353, inodes, uids, 8);
  g_assert_cmpuint (inodes->len, ==, 2);
  /* As long a list as somebody makes it, and no longer than we take. */
  for (guint i = 0; i < 100; i++)
    host_facts_parse_udp (udp, 5353, inodes, uids, 8);
  g_assert_cmpuint (inodes->len, ==, 8);
  g_assert_cmpuint (uids->len, ==, 8);
  /* IPv6: longer addresses. */
  g_array_set_size (inodes, 0);
  host_facts_parse_udp ("sl\n  1: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 77 2 f 0\n", 5353,
                        inodes, uids, 8);
  g_assert_cmpuint (inodes->len, ==, 1);
  g_assert_cmpuint (g_array_index (inodes, guint64, 0), ==, 77);
}

static void
test_route (void)
{
  static const char head[] = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
  static const struct {
    const char *rows, *link;
  } cases[] = {
    { "", NULL },
    { "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", "eth0" },
    /* The least metric wins; what is down, or not the default, does not count. */
    { "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\ntun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0\n", "tun0" },
    { "eth0\t00000000\t0100A8C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n", NULL },
    { "tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000080\t0\t0\t0\n", NULL },
    { "eth0\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", NULL },
    { "averyveryverylongname\t00000000\t0100A8C0\t0003\t0\t0\t1\t00000000\n", NULL },
    { "eth0\tzz\n\n", NULL },
  };

  g_assert_null (host_facts_parse_route (""));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strconcat (head, cases[i].rows, NULL);
      g_autofree char *link = host_facts_parse_route (text);

      g_assert_cmpstr (link, ==, cases[i].link);
    }
}

static void
on_facts (gpointer user, const HostFacts *facts)
{
  gboolean *done = user;

  *done = TRUE;
  g_assert_nonnull (facts->links);
  g_assert_nonnull (facts->holders);
  g_assert_cmpint (facts->free_bytes, >=, 0);
  g_assert_true (facts->writable);
  for (guint i = 0; i < facts->links->len; i++)
    g_assert_cmpstr (((const HostLink *) facts->links->pdata[i])->name, !=, "lo");
}

static void
test_gather (void)
{
  gboolean done = FALSE;

  host_facts_gather (g_get_tmp_dir (), on_facts, &done);
  g_assert_false (done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host-facts/holders-of-a-port", test_udp);
  g_test_add_func ("/host-facts/default-route", test_route);
  g_test_add_func ("/host-facts/of-this-machine-and-never-before-it-returned", test_gather);
  return g_test_run ();
}
