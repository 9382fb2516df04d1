/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/model/doctor-private.h"

#define ECHO_MS 2000

/* --- runs ------------------------------------------------------------------------------------------ */

DoctorRun *
doctor_run_ref (DoctorRun *run)
{
  run->refs++;
  return run;
}

void
doctor_run_unref (DoctorRun *run)
{
  if (--run->refs > 0)
    return;
  g_ptr_array_unref (run->checks);
  g_ptr_array_unref (run->probed);
  g_free (run->backend);
  g_free (run);
}

void
doctor_run_begin (DoctorRun *run)
{
  doctor_run_ref (run);
  run->pending++;
}

/* One that failed is what somebody looks for: it is told first. */
static int
compare_checks (gconstpointer a, gconstpointer b)
{
  const Check *one = *(Check *const *) a, *other = *(Check *const *) b;

  return (int) other->status - (int) one->status;
}

void
doctor_run_end (DoctorRun *run)
{
  Doctor *doctor = run->doctor;

  run->pending--;
  if (run->pending == 0 && doctor != NULL)
    {
      run->doctor = NULL;
      /* g_ptr_array_sort() keeps the order of equals. */
      g_ptr_array_sort (run->checks, compare_checks);
      run->done (run->user, run->checks, NULL);
      g_ptr_array_remove (doctor->runs, run);
    }
  doctor_run_unref (run);
}

/* --- this machine --------------------------------------------------------------------------------------- */

static void
add (DoctorRun *run, const char *id, CheckStatus status, char *title_take, const char *meaning, const char *fix)
{
  g_ptr_array_add (run->checks, check_new (id, status, title_take, meaning, fix));
}

static void
look_at_name (DoctorRun *run)
{
  const Discovery *discovery = run->doctor->rooms.discovery;
  const char *instance = discovery_get_instance (discovery);
  guint collisions = discovery_get_collisions (discovery);
  g_autofree char *safe = instance != NULL ? log_safe (instance) : NULL;

  if (g_str_equal (run->backend, "none"))
    return;
  if (safe == NULL)
    add (run, "name", CHECK_WARN, g_strdup ("nothing is announced under our name now"), "Others do not see us: the name is not settled yet, or we are invisible.",
         "See xmppctl status; if visibility says invisible, xmppctl config set visibility everyone.");
  else if (collisions > 0)
    add (run, "name", CHECK_WARN, g_strdup_printf ("we are announced as %s, because the name we want is taken", safe),
         "Somebody else on this link uses our name. Trust is not affected: it goes by keys.", "Choose another one: earshotd --name=NAME (name in earshotd.conf).");
  else if (discovery_is_host_renamed (discovery))
    add (run, "name", CHECK_WARN, g_strdup_printf ("we are announced as %s, because another machine has the name of this one", safe),
         "Two machines on this link have the same host name.", "Rename one of them: hostnamectl set-hostname NAME.");
  else
    add (run, "name", CHECK_OK, g_strdup_printf ("announced as %s", safe), NULL, NULL);
}

static void
look_at_identity (DoctorRun *run)
{
  const DoctorRooms *rooms = &run->doctor->rooms;
  g_autoptr (GPtrArray) requests = trust_list_requests (rooms->trust);
  guint duplicates = 0;

  for (guint i = 0; i < requests->len; i++)
    duplicates += g_str_equal (request_get_kind (requests->pdata[i]), "duplicate-identity");
  if (duplicates > 0)
    add (run, "identity", CHECK_FAIL, g_strdup ("our own key is live on another machine"),
         "A copy of it (a cloned disk, a restored backup) speaks as us; messages may go there.", "Make a new key here: xmppctl id rotate (see xmppctl trust pending).");
  else
    add (run, "identity", CHECK_OK, g_strdup ("nobody else is seen with our key"), NULL, NULL);
  if (duplicates < requests->len)
    add (run, "decisions", CHECK_WARN, g_strdup_printf ("decisions that wait for you: %u", requests->len - duplicates), "Messages to and from these keys are held back until then.",
         "xmppctl trust pending");
}

static void
look_at_messages (DoctorRun *run)
{
  guint held = delivery_get_held (run->doctor->rooms.delivery, NULL), queued = delivery_get_queued (run->doctor->rooms.delivery, NULL);

  if (held > 0)
    add (run, "held", CHECK_WARN, g_strdup_printf ("messages that are held: %u", held), "Each waits for a decision, here (approval-needed) or on the other side (waiting-approval).",
         "xmppctl log shows the reason behind each; xmppctl trust pending what is yours to decide.");
  else
    add (run, "held", CHECK_OK, g_strdup_printf ("no message is held (on their way: %u)", queued), NULL, NULL);
}

/* What is wrong by its own words already. What has a check of its own is left to that. */
static gboolean
add_warning (gpointer key, gpointer text, gpointer user)
{
  static const char *const elsewhere[] = { "discovery", NULL };
  static const char *const failures[] = { "audit-broken", "token", "publish-failed", NULL };
  DoctorRun *run = user;
  gboolean fails = g_strv_contains (failures, key) || g_str_has_prefix (key, "store");

  if (!g_strv_contains (elsewhere, key))
    add (run, "warning", fails ? CHECK_FAIL : CHECK_WARN, g_strdup_printf ("%s (%s)", (const char *) text, (const char *) key), NULL,
               fails ? "See the daemon's log: journalctl --user -u earshotd." : "It says what to do, where something is to be done.");
  return FALSE;
}

static void
on_echo (gpointer user, const GArray *links)
{
  gpointer *both = user;
  DoctorRun *run = both[0];
  GPtrArray *facts = both[1];

  run->echo = NULL;
  if (run->doctor != NULL)
    doctor_judge_links (run->checks, facts, run->doctor->rooms.config->interfaces, links);
  g_ptr_array_unref (facts);
  g_free (both);
  doctor_run_end (run);
}

static void
begin_echo (DoctorRun *run, const HostFacts *facts)
{
  char **interfaces = run->doctor->rooms.config->interfaces;
  g_autoptr (GArray) links = g_array_new (FALSE, TRUE, sizeof (MdnsEchoLink));
  gpointer *both;

  for (guint i = 0; i < facts->links->len && links->len < MDNS_ECHO_LINKS_MAX; i++)
    {
      const HostLink *link = facts->links->pdata[i];
      MdnsEchoLink ask = { .index = link->index, .v4 = link->has_v4, .v6 = link->has_v6 };
      gboolean wanted = interfaces == NULL || interfaces[0] == NULL || g_strv_contains ((const char *const *) interfaces, link->name);

      if (wanted && link->up && link->multicast && (link->has_v4 || link->has_v6))
        g_array_append_val (links, ask);
    }
  if (!run->announced || links->len == 0)
    {
      doctor_judge_links (run->checks, facts->links, interfaces, NULL);
      return;
    }
  both = g_new (gpointer, 2);
  both[0] = run;
  both[1] = g_ptr_array_ref (facts->links);
  doctor_run_begin (run);
  run->echo = mdns_echo_new (links, ECHO_MS, on_echo, both);
  run->echo_user = both;
}

static void
on_facts (gpointer user, const HostFacts *facts)
{
  DoctorRun *run = user;

  if (run->doctor != NULL)
    {
      const Config *config = run->doctor->rooms.config;

      doctor_judge_holders (run->checks, run->backend, facts->holders);
      doctor_judge_route (run->checks, facts);
      doctor_judge_disk (run->checks, config->data_dir, facts->free_bytes, facts->writable);
      begin_echo (run, facts);
    }
  doctor_run_end (run);
}

static void
on_newest (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  DoctorRun *run = user;

  if (run->doctor != NULL && error == NULL)
    doctor_judge_clock (run->checks, g_get_real_time (), identity_get_expiry (run->doctor->rooms.identity) * G_USEC_PER_SEC,
                        entries->len > 0 ? ((const LogEntry *) entries->pdata[0])->time : 0);
  doctor_run_end (run);
}

/* --- from outside --------------------------------------------------------------------------------------- */

Doctor *
doctor_new (const DoctorRooms *rooms)
{
  Doctor *doctor = g_new0 (Doctor, 1);

  doctor->rooms = *rooms;
  doctor->runs = g_ptr_array_new_with_free_func ((GDestroyNotify) doctor_run_unref);
  return doctor;
}

/* Takes back what can be; what can not puts itself away when it comes in. */
static void
abandon (DoctorRun *run)
{
  if (run->query != NULL)
    {
      discovery_query_cancel (g_steal_pointer (&run->query));
      doctor_run_end (run);
    }
  if (run->echo != NULL)
    {
      gpointer *both = run->echo_user;

      mdns_echo_free (g_steal_pointer (&run->echo));
      g_ptr_array_unref (both[1]);
      g_free (both);
      doctor_run_end (run);
    }
}

void
doctor_free (Doctor *doctor)
{
  if (doctor == NULL)
    return;
  g_autoptr (GError) error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_CANCELLED, "earshotd is going away");

  for (guint i = 0; i < doctor->runs->len; i++)
    {
      DoctorRun *run = doctor->runs->pdata[i];

      run->doctor = NULL;
      run->done (run->user, NULL, error);
      abandon (run);
    }
  g_ptr_array_unref (doctor->runs);
  g_free (doctor);
}

gboolean
doctor_examine (Doctor *doctor, const DoctorView *view, guint32 contact, DoctorDone done, gpointer user, GError **error)
{
  static const char *const kinds[] = { "message", NULL };
  DoctorRun *run;
  DoctorMdns mdns = { .backend = view->backend, .state = view->state, .choice = doctor->rooms.config->discovery };
  guint inbound, outbound;

  if (doctor->runs->len >= DOCTOR_RUNS_MAX)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED, "%d examinations are under way", DOCTOR_RUNS_MAX);
      return FALSE;
    }
  run = g_new0 (DoctorRun, 1);
  run->refs = 1; /* the list's */
  run->doctor = doctor;
  run->checks = g_ptr_array_new_with_free_func ((GDestroyNotify) check_free);
  run->probed = g_ptr_array_new_with_free_func (g_free);
  run->backend = g_strdup (view->backend != NULL ? view->backend : "");
  /* Without discovery the name stands, and nothing is said about it. */
  run->announced = discovery_get_instance (doctor->rooms.discovery) != NULL && !g_str_equal (run->backend, "none");
  run->contact = contact;
  run->done = done;
  run->user = user;
  g_ptr_array_add (doctor->runs, run);
  mdns.reason = g_tree_lookup (view->warnings, "discovery");
  doctor_judge_mdns (run->checks, &mdns);
  look_at_name (run);
  look_at_identity (run);
  look_at_messages (run);
  sessions_count_opened (doctor->rooms.sessions, &inbound, &outbound);
  doctor_judge_calls (run->checks, inbound, outbound, sessions_get_port (doctor->rooms.sessions));
  g_tree_foreach (view->warnings, add_warning, run);
  /* The thread and the disk answer from the loop: nothing is reported before we return. */
  doctor_run_begin (run);
  host_facts_gather (doctor->rooms.config->data_dir, on_facts, run);
  doctor_run_begin (run);
  history_list (doctor->rooms.history, 0, 0, 1, kinds, on_newest, run);
  if (contact != 0)
    doctor_look_at_peer (run);
  return TRUE;
}
