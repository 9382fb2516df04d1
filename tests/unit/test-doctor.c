/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>
#include <string.h>

#include "daemon/model/doctor.h"

#define MINUTE G_TIME_SPAN_MINUTE
#define NOW (G_GINT64_CONSTANT (1790000000) * G_USEC_PER_SEC)

static GPtrArray *checks;

static void
begin (void)
{
  g_clear_pointer (&checks, g_ptr_array_unref);
  checks = g_ptr_array_new_with_free_func ((GDestroyNotify) check_free);
}

/* The one that was added: of this status, with these words in title or fix; what is not well says what to do. */
static void
expect_one (const char *id, CheckStatus status, const char *words)
{
  const Check *check;

  g_assert_cmpuint (checks->len, ==, 1);
  check = checks->pdata[0];
  g_assert_cmpstr (check->id, ==, id);
  g_assert_cmpint (check->status, ==, status);
  g_assert_true (status == CHECK_OK ? *check->fix == '\0' : *check->fix != '\0');
  if (strstr (check->title, words) == NULL && strstr (check->fix, words) == NULL)
    g_error ("no \"%s\" in \"%s\", \"%s\"", words, check->title, check->fix);
  begin ();
}

static void
test_mdns (void)
{
  static const struct {
    DoctorMdns mdns;
    CheckStatus status;
    const char *words;
  } cases[] = {
    { { "avahi", "running", NULL, DISCOVERY_AUTO }, CHECK_OK, "avahi-daemon announces us" },
    { { "embedded", "running", NULL, DISCOVERY_AUTO }, CHECK_OK, "no avahi-daemon" },
    { { "embedded", "running", NULL, DISCOVERY_EMBEDDED }, CHECK_OK, "configured" },
    { { "avahi", "waiting", "Daemon not running", DISCOVERY_AVAHI }, CHECK_FAIL, "Daemon not running" },
    { { "embedded", "failed", NULL, DISCOVERY_AUTO }, CHECK_FAIL, "no reason is known" },
    { { "none", "running", NULL, DISCOVERY_NONE }, CHECK_WARN, "switched off" },
    { { NULL, NULL, NULL, DISCOVERY_AUTO }, CHECK_FAIL, "does not run" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      begin ();
      doctor_judge_mdns (checks, &cases[i].mdns);
      expect_one ("mdns", cases[i].status, cases[i].words);
    }
}

static void
judge_holder (const char *backend, const char *program, const char *user, gboolean own)
{
  g_autoptr (GPtrArray) holders = g_ptr_array_new ();
  HostHolder holder = { (char *) program, (char *) user, own };

  begin ();
  g_ptr_array_add (holders, &holder);
  doctor_judge_holders (checks, backend, holders);
}

static void
test_holders (void)
{
  judge_holder ("avahi", "avahi-daemon", "avahi", FALSE);
  expect_one ("mdns-stacks", CHECK_OK, "no other");
  judge_holder ("avahi", "", "avahi", FALSE);
  expect_one ("mdns-stacks", CHECK_OK, "no other");
  judge_holder ("embedded", "earshotd", "me", TRUE);
  expect_one ("mdns-stacks", CHECK_OK, "no other");
  judge_holder ("embedded", "avahi-daemon", "avahi", FALSE);
  expect_one ("mdns-stacks", CHECK_WARN, "--discovery=auto");
  judge_holder ("avahi", "systemd-resolve", "systemd-resolve", FALSE);
  expect_one ("mdns-stacks", CHECK_WARN, "systemd-resolve of systemd-resolve");
  judge_holder ("avahi", "", "mallory", FALSE);
  expect_one ("mdns-stacks", CHECK_WARN, "a program of mallory");
  /* What another user calls a program is not ours to print raw. */
  judge_holder ("avahi", "\033[2Jx\n", "mallory", FALSE);
  g_assert_null (strpbrk (((const Check *) checks->pdata[0])->title, "\033\n"));
}

static void
judge_link (HostLink link, MdnsEchoLink answer, gboolean asked)
{
  g_autoptr (GPtrArray) links = g_ptr_array_new ();
  g_autoptr (GArray) echo = g_array_new (FALSE, FALSE, sizeof (MdnsEchoLink));

  begin ();
  link.name = (char *) "eth0";
  link.index = answer.index = 3;
  g_ptr_array_add (links, &link);
  g_array_append_val (echo, answer);
  doctor_judge_links (checks, links, NULL, asked ? echo : NULL);
}

static void
test_links (void)
{
  static const HostLink good = { .up = TRUE, .multicast = TRUE, .has_v4 = TRUE, .has_v6 = TRUE };
  HostLink link = good;

  judge_link (good, (MdnsEchoLink) { .own_v4 = TRUE, .own_v6 = TRUE, .others = 2 }, TRUE);
  expect_one ("link", CHECK_OK, "2 others there answer");
  judge_link (good, (MdnsEchoLink) { .own_v6 = TRUE }, TRUE);
  expect_one ("link", CHECK_OK, "(IPv6); nobody else answers");
  judge_link (good, (MdnsEchoLink) { .others = 1 }, TRUE);
  expect_one ("link", CHECK_FAIL, "UDP port 5353");
  judge_link (good, (MdnsEchoLink) { .refused = TRUE }, TRUE);
  expect_one ("link", CHECK_FAIL, "not let out");
  judge_link (good, (MdnsEchoLink) { 0 }, FALSE);
  g_assert_cmpuint (checks->len, ==, 0);
  link.multicast = FALSE;
  judge_link (link, (MdnsEchoLink) { 0 }, FALSE);
  expect_one ("link", CHECK_WARN, "no multicast");
  link = good;
  link.has_v4 = link.has_v6 = FALSE;
  judge_link (link, (MdnsEchoLink) { 0 }, FALSE);
  expect_one ("link", CHECK_WARN, "no address");
  link.up = FALSE;
  judge_link (link, (MdnsEchoLink) { 0 }, FALSE);
  g_assert_cmpuint (checks->len, ==, 2);
  g_assert_cmpint (((const Check *) checks->pdata[1])->status, ==, CHECK_FAIL);
}

static void
test_route (void)
{
  HostFacts facts = { .default_link = (char *) "tun0", .default_is_tunnel = TRUE };

  begin ();
  doctor_judge_route (checks, &facts);
  expect_one ("vpn", CHECK_WARN, "tun0");
  facts.default_is_tunnel = FALSE;
  doctor_judge_route (checks, &facts);
  facts.default_link = NULL;
  doctor_judge_route (checks, &facts);
  g_assert_cmpuint (checks->len, ==, 0);
}

static void
test_machine (void)
{
  begin ();
  doctor_judge_disk (checks, "/data", G_GINT64_CONSTANT (1) << 40, TRUE);
  expect_one ("disk", CHECK_OK, "free");
  doctor_judge_disk (checks, "/data", -1, TRUE);
  expect_one ("disk", CHECK_OK, "unknown");
  doctor_judge_disk (checks, "/data", 100 << 20, TRUE);
  expect_one ("disk", CHECK_WARN, "Make room");
  doctor_judge_disk (checks, "/data", 1 << 20, TRUE);
  expect_one ("disk", CHECK_FAIL, "Make room");
  doctor_judge_disk (checks, "/data", G_GINT64_CONSTANT (1) << 40, FALSE);
  expect_one ("disk", CHECK_FAIL, "read-only");

  doctor_judge_clock (checks, NOW, 0, 0);
  expect_one ("clock", CHECK_OK, "agrees");
  doctor_judge_clock (checks, NOW, NOW + MINUTE, NOW + MINUTE);
  expect_one ("clock", CHECK_OK, "agrees");
  doctor_judge_clock (checks, NOW, NOW - MINUTE, 0);
  expect_one ("clock", CHECK_FAIL, "certificate");
  doctor_judge_clock (checks, NOW, 0, NOW + 20 * MINUTE);
  expect_one ("clock", CHECK_WARN, "future");
  doctor_judge_clock (checks, 1000, 0, 0);
  expect_one ("clock", CHECK_FAIL, "years behind");

  doctor_judge_calls (checks, 0, 0, 5298);
  expect_one ("incoming", CHECK_OK, "5298");
  doctor_judge_calls (checks, 0, 4, 5298);
  expect_one ("incoming", CHECK_OK, "5298");
  doctor_judge_calls (checks, 0, 5, 5298);
  expect_one ("incoming", CHECK_WARN, "TCP port 5298");
  doctor_judge_calls (checks, 1, 50, 5298);
  expect_one ("incoming", CHECK_OK, "reach us");
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/doctor/which-stack-and-why", test_mdns);
  g_test_add_func ("/doctor/a-second-stack", test_holders);
  g_test_add_func ("/doctor/links", test_links);
  g_test_add_func ("/doctor/tunnel", test_route);
  g_test_add_func ("/doctor/disk-clock-calls", test_machine);
  status = g_test_run ();
  g_clear_pointer (&checks, g_ptr_array_unref);
  return status;
}
