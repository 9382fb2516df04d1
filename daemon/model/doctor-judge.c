/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the facts about this machine mean. Pure: every sentence that the doctor says about a machine stands here.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/doctor.h"

#define LOW_BYTES (G_GINT64_CONSTANT (200) << 20)
#define NO_BYTES (G_GINT64_CONSTANT (16) << 20)
/* Clocks of people who talk to each other differ by less. */
#define CLOCK_SLACK (10 * G_TIME_SPAN_MINUTE)
/* This was written in 2026. */
#define CLOCK_FLOOR (G_GINT64_CONSTANT (1767225600) * G_USEC_PER_SEC)
/* So many calls of ours without one of theirs are no accident. */
#define CALLS_TELLING 5

const char *
check_status_to_string (CheckStatus status)
{
  switch (status)
    {
    case CHECK_OK: return "ok";
    case CHECK_WARN: return "warn";
    case CHECK_FAIL: return "fail";
    }
  g_assert_not_reached ();
}

Check *
check_new (const char *id, CheckStatus status, char *title_take, const char *meaning, const char *fix)
{
  Check *check = g_new0 (Check, 1);

  check->id = id;
  check->status = status;
  check->title = title_take;
  check->meaning = g_strdup (meaning != NULL ? meaning : "");
  check->fix = g_strdup (fix != NULL ? fix : "");
  return check;
}

void
check_free (Check *check)
{
  g_free (check->title);
  g_free (check->meaning);
  g_free (check->fix);
  g_free (check->link);
  g_free (check);
}

/* --- the stack ------------------------------------------------------------------------------------ */

void
doctor_judge_mdns (GPtrArray *checks, const DoctorMdns *mdns)
{
  const char *backend = mdns->backend != NULL ? mdns->backend : "", *state = mdns->state != NULL ? mdns->state : "";
  const char *reason = mdns->reason != NULL ? mdns->reason : "no reason is known";
  gboolean avahi = g_str_equal (backend, "avahi");
  Check *check;

  if (g_str_equal (backend, "none"))
    check = check_new ("mdns", CHECK_WARN, g_strdup ("discovery is switched off"), "Nobody sees us and we see nobody; only static addresses are dialled.",
                       "Leave --discovery=none (discovery in earshotd.conf) away.");
  else if (!g_str_equal (state, "running"))
    check = check_new ("mdns", CHECK_FAIL, g_strdup_printf ("%s does not run: %s", avahi ? "avahi-daemon" : "the mDNS stack", reason),
                       "Nobody sees us and we see nobody.",
                       avahi ? "Start avahi-daemon (systemctl start avahi-daemon), or do without it: --discovery=embedded." : "See the daemon's log: journalctl --user -u earshotd.");
  else if (avahi)
    check = check_new ("mdns", CHECK_OK, g_strdup ("avahi-daemon announces us"), NULL, NULL);
  else
    check = check_new ("mdns", CHECK_OK,
                       g_strdup_printf ("our own mDNS stack announces us: %s", mdns->choice == DISCOVERY_EMBEDDED ? "that is configured" : "no avahi-daemon is on the system bus"),
                       NULL, NULL);
  g_ptr_array_add (checks, check);
}

/* Is that the stack which announces us? A process of another user does not show its name, but whose it is. */
static gboolean
is_our_stack (const HostHolder *holder, gboolean avahi)
{
  if (!avahi)
    return holder->own;
  return g_str_equal (holder->program, "avahi-daemon") || (*holder->program == '\0' && (g_str_equal (holder->user, "avahi") || g_str_equal (holder->user, "_avahi")));
}

void
doctor_judge_holders (GPtrArray *checks, const char *backend, const GPtrArray *holders)
{
  gboolean avahi = g_strcmp0 (backend, "avahi") == 0, second_is_avahi = FALSE;
  g_autoptr (GString) others = g_string_new (NULL);

  for (guint i = 0; i < holders->len; i++)
    {
      const HostHolder *holder = holders->pdata[i];
      g_autofree char *program = log_safe (holder->program), *user = log_safe (holder->user);

      if (is_our_stack (holder, avahi))
        continue;
      second_is_avahi = second_is_avahi || is_our_stack (holder, TRUE);
      g_string_append_printf (others, "%s%s of %s", others->len > 0 ? ", " : "", *program != '\0' ? program : "a program", user);
    }
  if (others->len == 0)
    g_ptr_array_add (checks, check_new ("mdns-stacks", CHECK_OK, g_strdup ("no other program holds the mDNS port (UDP 5353)"), NULL, NULL));
  else
    g_ptr_array_add (checks, check_new ("mdns-stacks", CHECK_WARN, g_strdup_printf ("the mDNS port (UDP 5353) is held by others too: %s", others->str),
                                        "Of two mDNS stacks on a machine only one gets answers that are sent to it alone, and they take each other's names.",
                                        second_is_avahi ? "Leave announcing to avahi-daemon: --discovery=auto (discovery in earshotd.conf)."
                                                        : "Switch mDNS off in that program (systemd-resolved: MulticastDNS=no)."));
}

/* --- links ------------------------------------------------------------------------------------------ */

static const MdnsEchoLink *
find_echo (const GArray *echo, int index)
{
  for (guint i = 0; echo != NULL && i < echo->len; i++)
    if (g_array_index (echo, MdnsEchoLink, i).index == index)
      return &g_array_index (echo, MdnsEchoLink, i);
  return NULL;
}

static Check *
judge_echo (const HostLink *link, const MdnsEchoLink *echo)
{
  const char *by = echo->own_v4 && echo->own_v6 ? "IPv4 and IPv6" : echo->own_v4 ? "IPv4" : "IPv6";

  if (!echo->own_v4 && !echo->own_v6)
    return check_new ("link", CHECK_FAIL, g_strdup_printf ("%s: our own announcement does not come back%s", link->name, echo->refused ? "; a question was not let out" : ""),
                      echo->others > 0 ? "Others on this link answer, but this machine does not hear what is multicast on it, or does not announce us there."
                                       : "Multicast does not leave this machine, or does not come in: a firewall is the usual reason.",
                      "Let UDP port 5353 in and out on this link (firewalld: the service mdns; ufw: allow 5353/udp).");
  if (echo->others == 0)
    return check_new ("link", CHECK_OK, g_strdup_printf ("%s: announced (%s); nobody else answers there", link->name, by),
                      "If somebody should: access points with client isolation, guest networks and some switches keep multicast from others.", NULL);
  return check_new ("link", CHECK_OK, g_strdup_printf ("%s: announced (%s); %u other%s there answer%s", link->name, by, echo->others, echo->others > 1 ? "s" : "", echo->others > 1 ? "" : "s"),
                    NULL, NULL);
}

static Check *
judge_link (const HostLink *link, char **interfaces, const GArray *echo)
{
  const MdnsEchoLink *found = find_echo (echo, link->index);

  if (interfaces != NULL && interfaces[0] != NULL && !g_strv_contains ((const char *const *) interfaces, link->name))
    return check_new ("link", CHECK_OK, g_strdup_printf ("%s: left out by the configuration", link->name), NULL, NULL);
  if (!link->up)
    return check_new ("link", CHECK_OK, g_strdup_printf ("%s: down", link->name), NULL, NULL);
  if (!link->multicast)
    return check_new ("link", CHECK_WARN, g_strdup_printf ("%s: carries no multicast", link->name), "Nobody is found there by discovery.",
                      "Name who is behind it by address: xmppctl net static add ADDRESS:PORT.");
  if (!link->has_v4 && !link->has_v6)
    return check_new ("link", CHECK_WARN, g_strdup_printf ("%s: is up and has no address", link->name), "Without an address nothing is sent there.",
                      "Wait for one, or give it one: ip addr; link-local IPv6 is enough.");
  return found != NULL ? judge_echo (link, found) : NULL;
}

void
doctor_judge_links (GPtrArray *checks, const GPtrArray *links, char **interfaces, const GArray *echo)
{
  gboolean any = FALSE;

  for (guint i = 0; i < links->len; i++)
    {
      const HostLink *link = links->pdata[i];
      Check *check = judge_link (link, interfaces, echo);

      any = any || (link->up && (interfaces == NULL || interfaces[0] == NULL || g_strv_contains ((const char *const *) interfaces, link->name)));
      if (check == NULL)
        continue;
      check->link = g_strdup (link->name);
      g_ptr_array_add (checks, check);
    }
  if (!any)
    g_ptr_array_add (checks, check_new ("links", CHECK_FAIL, g_strdup ("no link is up"), "There is no network to be heard on.",
                                        "Plug in the cable, join the Wi-Fi; see: ip link."));
}

void
doctor_judge_route (GPtrArray *checks, const HostFacts *facts)
{
  if (facts->default_link == NULL || !facts->default_is_tunnel)
    return;
  Check *check = check_new ("vpn", CHECK_WARN, g_strdup_printf ("the default route goes into a tunnel (%s)", facts->default_link),
                            "That is a VPN; many of them close the local network while they are up.",
                            "If nobody is found: allow access to the local network in the VPN program, or end it and look again.");

  check->link = g_strdup (facts->default_link);
  g_ptr_array_add (checks, check);
}

/* --- the machine --------------------------------------------------------------------------------------- */

void
doctor_judge_disk (GPtrArray *checks, const char *data_dir, gint64 free_bytes, gboolean writable)
{
  g_autofree char *room = free_bytes >= 0 ? g_format_size_full ((guint64) free_bytes, G_FORMAT_SIZE_IEC_UNITS) : g_strdup ("unknown");

  if (!writable)
    g_ptr_array_add (checks, check_new ("disk", CHECK_FAIL, g_strdup_printf ("%s can not be written to", data_dir), "No message can be taken or sent: each is stored first.",
                                        "See whether its file system went read-only (mount, dmesg) and whose it is (ls -ld)."));
  else if (free_bytes >= 0 && free_bytes < LOW_BYTES)
    g_ptr_array_add (checks, check_new ("disk", free_bytes < NO_BYTES ? CHECK_FAIL : CHECK_WARN, g_strdup_printf ("%s is left on the disk of %s", room, data_dir),
                                        "When it is full no message can be taken or sent: each is stored first.", "Make room there, or limit the history: history-mib in earshotd.conf."));
  else
    g_ptr_array_add (checks, check_new ("disk", CHECK_OK, g_strdup_printf ("%s free for messages", room), NULL, NULL));
}

void
doctor_judge_clock (GPtrArray *checks, gint64 now, gint64 expiry, gint64 newest)
{
  static const char fix[] = "Set the clock: timedatectl; on a network without internet one machine can be the time server of all (chrony).";

  if (now < CLOCK_FLOOR)
    g_ptr_array_add (checks, check_new ("clock", CHECK_FAIL, g_strdup ("the clock of this machine is years behind"), "Certificates look as if they were not valid yet.", fix));
  else if (expiry > 0 && now > expiry)
    g_ptr_array_add (checks, check_new ("clock", CHECK_FAIL, g_strdup ("our certificate is past its date by this clock"), "Others may refuse it; either it is old, or the clock is ahead.",
                                        "If the clock is right, get another certificate (xmppctl id csr, xmppctl id certificate); else set it: timedatectl."));
  else if (newest > now + CLOCK_SLACK)
    g_ptr_array_add (checks, check_new ("clock", CHECK_WARN, g_strdup ("the newest message was stored in the future of this clock"),
                                        "The clock went back since: times in the log are out of order.", fix));
  else
    g_ptr_array_add (checks, check_new ("clock", CHECK_OK, g_strdup ("the clock agrees with what is stored"), NULL, NULL));
}

void
doctor_judge_calls (GPtrArray *checks, guint inbound, guint outbound, guint16 port)
{
  if (inbound > 0)
    g_ptr_array_add (checks, check_new ("incoming", CHECK_OK, g_strdup_printf ("others reach us: %u stream%s came in since the start", inbound, inbound > 1 ? "s" : ""), NULL, NULL));
  else if (outbound >= CALLS_TELLING)
    {
      g_autofree char *fix = g_strdup_printf ("Let TCP port %u in; a firewall wants a fixed one: port in earshotd.conf.", port);

      g_ptr_array_add (checks, check_new ("incoming", CHECK_WARN, g_strdup_printf ("we called others %u times, and nobody ever called us", outbound),
                                          "Either nobody wanted to, or a firewall of this machine lets nobody in.", fix));
    }
  else
    g_ptr_array_add (checks, check_new ("incoming", CHECK_OK, g_strdup_printf ("nobody has called us since the start (we listen at TCP port %u)", port),
                                        "That others can reach us is proven by their call alone.", NULL));
}
