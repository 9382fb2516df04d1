/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The common part of discovery over a backend that is a table of the test's own: no network, no Avahi.
 */
#include "earshot-config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "daemon/base/error.h"
#include "daemon/io/discovery-backend.h"
#include "daemon/io/pace.h"
#include "daemon/io/renames.h"

/* --- the stack ---------------------------------------------------------------- */

typedef struct {
  char *name;
  guint16 type;
  RecordFunc func;
  gpointer user;
} Watch;

typedef struct {
  Discovery *front;
  GPtrArray *watches;
  guint max_watches;
  GPtrArray *published;    /* the names asked for, in order */
  GHashTable *taken;       /* names that another holds */
  gboolean stands_at_once; /* reports from inside publish() */
  guint updates, browses, withdrawals;
  GPtrArray *txt;          /* what is out */
} Stack;

static Stack *stack;

static gpointer
stack_open (Discovery *front, char **interfaces)
{
  stack = g_new0 (Stack, 1);
  stack->front = front;
  stack->watches = g_ptr_array_new ();
  stack->max_watches = G_MAXUINT;
  stack->published = g_ptr_array_new_with_free_func (g_free);
  stack->taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return stack;
}

static void
stack_close (gpointer data)
{
  g_assert_cmpuint (stack->watches->len, ==, 0); /* every query is cancelled before its stack goes */
  g_ptr_array_unref (stack->watches);
  g_ptr_array_unref (stack->published);
  g_hash_table_unref (stack->taken);
  g_clear_pointer (&stack->txt, g_ptr_array_unref);
  g_clear_pointer (&stack, g_free);
}

static gboolean
stack_browse (gpointer data)
{
  stack->browses++;
  return TRUE;
}

static void
set_out (const GPtrArray *txt)
{
  g_clear_pointer (&stack->txt, g_ptr_array_unref);
  stack->txt = g_ptr_array_ref ((GPtrArray *) txt);
}

static PublishResult
stack_publish (gpointer data, const char *instance, guint16 port, const GPtrArray *txt, char **reason)
{
  g_ptr_array_add (stack->published, g_strdup (instance));
  if (g_hash_table_contains (stack->taken, instance))
    return PUBLISH_COLLISION;
  set_out (txt);
  if (stack->stands_at_once)
    discovery_on_registered (stack->front, REGISTERED_STANDS, NULL);
  return PUBLISH_BEGUN;
}

static gboolean
stack_update_txt (gpointer data, const char *instance, const GPtrArray *txt)
{
  stack->updates++;
  set_out (txt);
  return TRUE;
}

static void
stack_withdraw (gpointer data)
{
  stack->withdrawals++;
}

static gpointer
stack_record_new (gpointer data, const char *name, guint16 type, RecordFunc func, gpointer user, GError **error)
{
  Watch *watch;

  if (stack->watches->len >= stack->max_watches)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED, "Raise objects-per-client-max.");
      return NULL;
    }
  watch = g_new0 (Watch, 1);
  watch->name = g_strdup (name);
  watch->type = type;
  watch->func = func;
  watch->user = user;
  g_ptr_array_add (stack->watches, watch);
  return watch;
}

static void
stack_record_free (gpointer data, gpointer record)
{
  Watch *watch = record;

  g_assert_true (g_ptr_array_remove (stack->watches, watch));
  g_free (watch->name);
  g_free (watch);
}

/* Links 2 to 9 are ours; 1 is loopback. */
static gboolean
stack_link (gpointer data, int ifindex, char name[16])
{
  g_snprintf (name, 16, "eth%d", ifindex);
  return ifindex >= 2 && ifindex <= 9;
}

static const DiscoveryBackend backend = {
  "fake", stack_open, stack_close, stack_browse, stack_publish, stack_update_txt, stack_withdraw, stack_record_new, stack_record_free,
  stack_link,
};

static Watch *
find_watch (const char *prefix, guint16 type)
{
  for (guint i = 0; i < stack->watches->len; i++)
    {
      Watch *watch = stack->watches->pdata[i];

      if (watch->type == type && g_str_has_prefix (watch->name, prefix))
        return watch;
    }
  return NULL;
}

static void
tell (const char *prefix, guint16 type, RecordEvent event, int ifindex, const void *rdata, gsize size)
{
  Watch *watch = find_watch (prefix, type);

  g_assert_nonnull (watch);
  watch->func (watch->user, event, ifindex, AF_INET, rdata, size);
}

/* --- what the floor above hears ------------------------------------------------- */

typedef struct {
  Discovery *d;
  GString *log;  /* events, one per line */
  guint inside;  /* a verb is running: no callback may fire */
} Heard;

static void
on_state (gpointer user, const char *word, const char *state, const char *reason)
{
  g_string_append_printf (((Heard *) user)->log, "state %s\n", state);
}

static void
on_established (gpointer user, const char *instance)
{
  Heard *heard = user;

  g_assert_cmpuint (heard->inside, ==, 0);
  g_string_append_printf (heard->log, "established %s\n", instance);
}

static void
on_sighted (gpointer user, const DiscoveryRecord *record)
{
  GString *log = ((Heard *) user)->log;

  g_string_append_printf (log, "sighted %s %s", record->instance, record->ifname);
  for (guint i = 0; record->txt && i < record->txt->len; i++)
    g_string_append_printf (log, " %.*s", (int) g_bytes_get_size (record->txt->pdata[i]),
                            (const char *) g_bytes_get_data (record->txt->pdata[i], NULL));
  g_string_append (log, record->txt ? "\n" : " ?\n");
}

static void
on_gone (gpointer user, const char *instance, const char *domain, int ifindex, int family)
{
  g_string_append_printf (((Heard *) user)->log, "gone %s eth%d\n", instance, ifindex);
}

static void
on_warning (gpointer user, const char *key, const char *text)
{
  g_string_append_printf (((Heard *) user)->log, "%s %s\n", text ? "warning" : "no-warning", key);
}

static const DiscoveryCallbacks callbacks = { on_state, on_established, on_sighted, on_gone, on_warning };

static Heard *
heard_new (void)
{
  Heard *heard = g_new0 (Heard, 1);

  heard->log = g_string_new (NULL);
  heard->d = discovery_new_with_backend (&backend, NULL, &callbacks, heard);
  g_assert_cmpstr (heard->log->str, ==, ""); /* no callback before it returns */
  return heard;
}

static void
heard_free (Heard *heard)
{
  discovery_free (heard->d);
  g_assert_null (stack);
  g_string_free (heard->log, TRUE);
  g_free (heard);
}

/* What was heard since the last time. */
#define assert_heard(heard, text)                     \
  G_STMT_START                                        \
  {                                                   \
    g_assert_cmpstr ((heard)->log->str, ==, (text));  \
    g_string_truncate ((heard)->log, 0);              \
  }                                                   \
  G_STMT_END

static void
turn (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static GPtrArray *
make_txt (const char *text)
{
  GPtrArray *txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  g_ptr_array_add (txt, g_bytes_new_static ("txtvers=1", 9));
  g_ptr_array_add (txt, g_bytes_new (text, strlen (text)));
  return txt;
}

static void
publish (Heard *heard, const char *name)
{
  g_autoptr (GPtrArray) txt = make_txt ("status=avail");

  heard->inside++;
  discovery_publish (heard->d, name, 5298, txt);
  heard->inside--;
}

static void
update (Heard *heard, const char *text)
{
  g_autoptr (GPtrArray) txt = make_txt (text);

  discovery_update_txt (heard->d, txt);
}

static Heard *
heard_new_up (void)
{
  Heard *heard = heard_new ();

  discovery_on_up (heard->d);
  discovery_on_host (heard->d, "pronto");
  assert_heard (heard, "state running\n");
  return heard;
}

static void
stand (Heard *heard)
{
  discovery_on_registered (heard->d, REGISTERED_STANDS, NULL);
  turn ();
}

static void
found (Heard *heard, const char *instance, int ifindex)
{
  discovery_on_found (heard->d, instance, "local", ifindex, AF_INET, FALSE);
}

/* --- pace ------------------------------------------------------------------------- */

static void
test_pace_window (void)
{
  Pace pace = { .gap = 1000, .window = 60000, .max = 10 };
  gint64 now = 5, last = 0;
  guint in_first_minute = 0;

  /* Something is due at every moment: who always waits for pace_due() never has more than ten in any window. */
  for (guint i = 0; i < 100; i++)
    {
      now = pace_due (&pace, now);
      g_assert_true (i == 0 || now - last >= 1000);
      last = now;
      pace_note (&pace, now);
      in_first_minute += now < 5 + 60000;
    }
  g_assert_cmpuint (in_first_minute, ==, 10);
  g_assert_cmpint (now, >=, 9 * 60000);
  g_assert_cmpint (pace_due (&pace, now + 60000), ==, now + 60000);
}

/* --- record data ---------------------------------------------------------------------- */

static void
test_txt_rdata (void)
{
  static const guint8 good[] = "\003a=b\000\001c";
  guint8 big[1400] = { 0 };
  g_autoptr (GPtrArray) txt = discovery_txt_from_rdata (good, sizeof good - 1);

  g_assert_nonnull (txt);
  g_assert_cmpuint (txt->len, ==, 2);
  g_assert_cmpmem (g_bytes_get_data (txt->pdata[0], NULL), g_bytes_get_size (txt->pdata[0]), "a=b", 3);
  g_ptr_array_unref (g_steal_pointer (&txt));
  txt = discovery_txt_from_rdata ((const guint8 *) "", 1);
  g_assert_cmpuint (txt->len, ==, 0);
  g_ptr_array_unref (g_steal_pointer (&txt));
  txt = discovery_txt_from_rdata (NULL, 0);
  g_assert_cmpuint (txt->len, ==, 0);
  g_assert_null (discovery_txt_from_rdata ((const guint8 *) "\004a=b", 4));
  g_assert_null (discovery_txt_from_rdata ((const guint8 *) "\001a\377", 3));
  g_assert_null (discovery_txt_from_rdata (big, sizeof big));
}

static void
test_srv_rdata (void)
{
#define SRV "\0\0\0\0\024\262"
  static const struct {
    const char *bytes;
    gsize size;
    const char *host;
  } cases[] = {
    { SRV "\006pronto\005local", 20, "pronto.local" },
    { SRV "\003a.b\005local", 17, "a\\.b.local" },
    { SRV "\006pronto\005local", 19, NULL }, /* unfinished */
    { SRV "\006pronto\005local\0x", 21, NULL },
    { SRV "\077pronto", 13, NULL },
    { SRV "\300\014", 8, NULL }, /* compressed */
    { SRV "", 7, NULL }, /* "." */
    { SRV "\003a\0b\005local", 17, NULL },
    { "\0\0\0\0\0\0\006pronto\005local", 20, NULL }, /* port 0 */
    { "\0\0\0", 3, NULL },
    { "", 0, NULL },
  };
  guint8 long_name[6 + 64 * 32 + 1] = { 0, 0, 0, 0, 1, 1 };
  guint16 port;
  char *host = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gboolean fine = discovery_srv_from_rdata ((const guint8 *) cases[i].bytes, cases[i].size, &port, &host);

      g_assert_cmpint (fine, ==, cases[i].host != NULL);
      g_assert_cmpstr (host, ==, cases[i].host);
      g_assert_true (!fine || port == 5298);
      g_clear_pointer (&host, g_free);
    }
  for (gsize i = 6; i + 64 < sizeof long_name; i += 64)
    {
      long_name[i] = 63;
      memset (long_name + i + 1, '.', 63);
    }
  g_assert_false (discovery_srv_from_rdata (long_name, sizeof long_name, &port, &host));
}

/* --- who is there ------------------------------------------------------------------------ */

static void
test_sightings (void)
{
  Heard *heard = heard_new_up ();

  found (heard, "romeo@segundo", 2);
  found (heard, "romeo@segundo", 3);
  found (heard, "Romeo@Segundo", 3);
  assert_heard (heard, "sighted romeo@segundo eth2 ?\nsighted romeo@segundo eth3 ?\n");
  g_assert_cmpuint (stack->watches->len, ==, 1); /* one TXT watch an instance */
  tell ("romeo", DNS_TYPE_TXT, RECORD_NEW, 2, "\003a=b", 4);
  tell ("romeo", DNS_TYPE_TXT, RECORD_NEW, 2, "\003a=b", 4);
  assert_heard (heard, "sighted romeo@segundo eth2 a=b\n");
  discovery_on_lost (heard->d, "romeo@segundo", "local", 2, AF_INET);
  discovery_on_lost (heard->d, "romeo@segundo", "local", 2, AF_INET);
  assert_heard (heard, "gone romeo@segundo eth2\n");
  g_assert_cmpuint (stack->watches->len, ==, 1);
  discovery_on_lost (heard->d, "romeo@segundo", "local", 3, AF_INET);
  assert_heard (heard, "gone romeo@segundo eth3\n");
  g_assert_cmpuint (stack->watches->len, ==, 0);
  found (heard, "romeo@segundo", 1); /* loopback */
  discovery_on_lost (heard->d, "nobody@nowhere", "local", 2, AF_INET);
  assert_heard (heard, "");
  heard_free (heard);
}

static void
test_txt_back_and_forth (void)
{
  Heard *heard = heard_new_up ();

  found (heard, "romeo@segundo", 2);
  tell ("romeo", DNS_TYPE_TXT, RECORD_NEW, 2, "\001a", 2);
  tell ("romeo", DNS_TYPE_TXT, RECORD_NEW, 2, "\001b", 2);
  g_string_truncate (heard->log, 0);
  /* Changed back while the cache still held "a": what comes is the end of "b" only. */
  tell ("romeo", DNS_TYPE_TXT, RECORD_REMOVED, 2, "\001b", 2);
  assert_heard (heard, "sighted romeo@segundo eth2 a\n");
  tell ("romeo", DNS_TYPE_TXT, RECORD_REMOVED, 2, "\001a", 2);
  assert_heard (heard, "");
  /* A peer that keeps many records standing keeps few of them here. */
  for (guint8 i = 0; i < 200; i++)
    {
      guint8 rdata[] = { 1, i };

      tell ("romeo", DNS_TYPE_TXT, RECORD_NEW, 2, rdata, sizeof rdata);
    }
  heard_free (heard);
}

static void
test_malformed (void)
{
  static const char *const names[] = { "", "romeo", "romeo@", "@segundo", "ro\nmeo@segundo", "romeo@se gundo", "romeo@s\xc3\xa9gundo",
                                       "a@b@c", "\xff\xfe@segundo", "romeo@segundo/resource\x01" };
  guint8 big[1400] = { 0 };
  Heard *heard = heard_new_up ();

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    found (heard, names[i], 2);
  discovery_on_found (heard->d, "romeo@segundo", "..", 2, AF_INET, FALSE);
  assert_heard (heard, "");
  found (heard, "romeo@segundo", 2);
  g_string_truncate (heard->log, 0);
  tell ("romeo", DNS_TYPE_TXT, RECORD_NEW, 2, big, sizeof big);
  tell ("romeo", DNS_TYPE_TXT, RECORD_NEW, 2, "\377x", 2);
  tell ("romeo", DNS_TYPE_TXT, RECORD_NEW, 1, "\001a", 2);
  tell ("romeo", DNS_TYPE_TXT, RECORD_NEW, 2, NULL, 7);
  tell ("romeo", DNS_TYPE_TXT, RECORD_FAILED, 0, NULL, 0);
  assert_heard (heard, "");
  heard_free (heard);
}

static void
test_flood (void)
{
  Heard *heard = heard_new_up ();

  found (heard, "romeo@segundo", 2);
  tell ("romeo", DNS_TYPE_TXT, RECORD_NEW, 2, "\001a", 2);
  for (guint i = 0; i < 3000; i++)
    {
      g_autofree char *name = g_strdup_printf ("liar%u@segundo", i);

      found (heard, name, 2);
      g_assert_cmpuint (stack->watches->len, <=, 1024);
    }
  g_assert_nonnull (find_watch ("romeo", DNS_TYPE_TXT)); /* names without TXT made room, this one did not */
  g_string_truncate (heard->log, 0);
  found (heard, "nurse@tercero", 2);
  g_assert_nonnull (strstr (heard->log->str, "sighted nurse@tercero"));
  /* Whoever had most time for it goes first. */
  g_assert_null (find_watch ("liar0", DNS_TYPE_TXT));
  g_assert_nonnull (find_watch ("liar2999", DNS_TYPE_TXT));
  heard_free (heard);
}

/* All of them have a TXT record: nobody is pushed out, and there is room again when somebody leaves. */
static void
test_flood_with_txt (void)
{
  Heard *heard = heard_new_up ();

  for (guint i = 0; i < 1024; i++)
    {
      g_autofree char *user = g_strdup_printf ("liar%u", i);
      g_autofree char *name = g_strconcat (user, "@segundo", NULL);

      found (heard, name, 2);
      tell (user, DNS_TYPE_TXT, RECORD_NEW, 2, "\001a", 2);
    }
  g_string_truncate (heard->log, 0);
  found (heard, "nurse@tercero", 2);
  g_assert_null (strstr (heard->log->str, "nurse"));
  g_assert_null (strstr (heard->log->str, "gone"));
  g_assert_cmpuint (stack->watches->len, ==, 1024);
  discovery_on_lost (heard->d, "liar7@segundo", "local", 2, AF_INET);
  found (heard, "nurse@tercero", 2);
  g_assert_nonnull (strstr (heard->log->str, "sighted nurse@tercero"));
  heard_free (heard);
}

static void
test_quota (void)
{
  Heard *heard = heard_new_up ();

  stack->max_watches = 1;
  found (heard, "romeo@segundo", 2);
  found (heard, "nurse@tercero", 2);
  assert_heard (heard, "sighted romeo@segundo eth2 ?\nsighted nurse@tercero eth2 ?\nwarning discovery-limit\n");
  discovery_on_lost (heard->d, "romeo@segundo", "local", 2, AF_INET);
  assert_heard (heard, "gone romeo@segundo eth2\nno-warning discovery-limit\n");
  g_assert_nonnull (find_watch ("nurse", DNS_TYPE_TXT));
  heard_free (heard);
}

static void
test_own (void)
{
  Heard *heard = heard_new_up ();

  publish (heard, "juliet");
  stand (heard);
  assert_heard (heard, "established juliet@pronto\n");
  discovery_on_found (heard->d, "juliet@pronto", "local", 2, AF_INET, TRUE);
  found (heard, "juliet@pronto", 3); /* from before we registered, when the stack could not know */
  found (heard, "JULIET@pronto", 4);
  found (heard, "nurse@pronto", 2); /* another daemon on this host is a peer */
  assert_heard (heard, "sighted nurse@pronto eth2 ?\n");
  /* The name is another's after all: it shows where it was not ours. */
  discovery_on_registered (heard->d, REGISTERED_COLLISION, NULL);
  turn ();
  stand (heard);
  assert_heard (heard, "sighted juliet@pronto eth3 ?\nsighted juliet@pronto eth4 ?\nestablished juliet-1@pronto\n");
  heard_free (heard);
}

static void
test_stack_restarts (void)
{
  Heard *heard = heard_new_up ();
  gint64 end = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  publish (heard, "juliet");
  stand (heard);
  found (heard, "romeo@segundo", 2);
  found (heard, "nurse@tercero", 2);
  g_string_truncate (heard->log, 0);
  discovery_on_down (heard->d, "waiting", "gone");
  g_assert_cmpuint (stack->watches->len, ==, 0);
  g_assert_null (discovery_get_instance (heard->d));
  discovery_on_up (heard->d);
  discovery_on_host (heard->d, "pronto");
  stand (heard);
  found (heard, "romeo@segundo", 2);
  assert_heard (heard, "state waiting\nstate running\nestablished juliet@pronto\n");
  g_assert_nonnull (find_watch ("romeo", DNS_TYPE_TXT));
  /* Who is not confirmed is swept. */
  while (heard->log->len == 0 && g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, TRUE);
  assert_heard (heard, "gone nurse@tercero eth2\n");
  heard_free (heard);
}

/* --- we --------------------------------------------------------------------------------- */

static void
test_hundred_changes (void)
{
  Heard *heard = heard_new_up ();

  publish (heard, "juliet");
  stand (heard);
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *text = g_strdup_printf ("msg=%u", i);

      update (heard, text);
    }
  g_assert_cmpuint (stack->updates, ==, 0); /* the registration itself was less than a second ago */
  while (stack->updates == 0)
    g_main_context_iteration (NULL, TRUE);
  turn ();
  g_assert_cmpuint (stack->updates, ==, 1);
  g_assert_cmpmem (g_bytes_get_data (stack->txt->pdata[1], NULL), g_bytes_get_size (stack->txt->pdata[1]), "msg=99", 6);
  update (heard, "msg=99");
  turn ();
  g_assert_cmpuint (stack->updates, ==, 1); /* no news */
  heard_free (heard);
}

static void
test_change_before_it_stands (void)
{
  Heard *heard = heard_new_up ();

  publish (heard, "juliet");
  update (heard, "status=dnd");
  turn ();
  g_assert_cmpuint (stack->updates, ==, 0);
  stand (heard);
  while (stack->updates == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpmem (g_bytes_get_data (stack->txt->pdata[1], NULL), g_bytes_get_size (stack->txt->pdata[1]), "status=dnd", 10);
  heard_free (heard);
}

/* n of the juliet-n@pronto that was asked for last. */
static guint
asked_number (void)
{
  const char *last = stack->published->pdata[stack->published->len - 1];
  char *end = NULL;
  guint n;

  g_assert_true (g_str_has_prefix (last, "juliet-"));
  n = (guint) g_ascii_strtoull (last + strlen ("juliet-"), &end, 10);
  g_assert_cmpstr (end, ==, "@pronto");
  return n;
}

static void
test_collisions (void)
{
  Heard *heard = heard_new_up ();
  guint second, third;

  /* Two are found at once, one by probing; the fourth in the hour is not answered with another name. */
  g_hash_table_add (stack->taken, g_strdup ("juliet@pronto"));
  g_hash_table_add (stack->taken, g_strdup ("juliet-1@pronto"));
  publish (heard, "juliet");
  g_assert_cmpuint (stack->published->len, ==, 3);
  g_assert_cmpstr (stack->published->pdata[1], ==, "juliet-1@pronto");
  second = asked_number ();
  g_assert_cmpuint (second, >, 1);
  g_assert_cmpuint (second, <=, 1 + RENAMES_STEP_MAX);
  discovery_on_registered (heard->d, REGISTERED_COLLISION, NULL);
  turn ();
  g_assert_cmpuint (stack->published->len, ==, 4);
  third = asked_number ();
  g_assert_cmpuint (third, >, second);
  g_assert_cmpuint (third, <=, second + RENAMES_STEP_MAX);
  stand (heard);
  g_assert_cmpstr (discovery_get_instance (heard->d), ==, stack->published->pdata[3]);
  g_string_truncate (heard->log, 0);
  discovery_on_registered (heard->d, REGISTERED_COLLISION, NULL);
  turn ();
  assert_heard (heard, "warning name-taken\n");
  g_assert_cmpuint (stack->published->len, ==, 4);
  g_assert_null (discovery_get_instance (heard->d));
  /* The user's own choice is no rename of an attacker's. */
  publish (heard, "capulet");
  stand (heard);
  assert_heard (heard, "no-warning name-taken\nestablished capulet@pronto\n");
  heard_free (heard);
}

/* Two that lose to each other at each try, as two can in Avahi: what decides is the dice, not time. */
static void
test_lockstep (void)
{
  guint apart = 0;

  for (guint round = 0; round < 200; round++)
    {
      Renames a, b;
      guint of_a = 0, of_b = 0;

      renames_init (&a);
      renames_init (&b);
      for (gint64 now = 1; now <= 3 && of_a == of_b; now++)
        {
          of_a += renames_step (&a, now * G_USEC_PER_SEC);
          of_b += renames_step (&b, now * G_USEC_PER_SEC);
          if (now == 1)
            g_assert_cmpuint (of_a, ==, 1);
        }
      g_assert_cmpuint (of_a, <=, 1 + 2 * RENAMES_STEP_MAX);
      apart += of_a != of_b;
    }
  /* One pair in ten thousand stays together; of 200, four never. */
  g_assert_cmpuint (apart, >, 196);
}

/* Its budget comes back, and with it the name that people expect. */
static void
test_renames_again_friendly (void)
{
  const gint64 hour = G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC;
  Renames renames;

  renames_init (&renames);
  g_assert_cmpuint (renames_step (&renames, 1), ==, 1);
  g_assert_cmpuint (renames_step (&renames, 2), >, 0);
  g_assert_cmpuint (renames_step (&renames, 3), >, 0);
  g_assert_cmpuint (renames_step (&renames, 4), ==, 0);
  g_assert_cmpuint (renames_step (&renames, 3 + hour), ==, 1);
  for (guint i = 0; i < 1000; i++)
    {
      g_assert_cmpuint (renames_retry_s (), >=, 60);
      g_assert_cmpuint (renames_retry_s (), <=, 90);
    }
}

static void
test_host_renamed (void)
{
  Heard *heard = heard_new ();

  stack->stands_at_once = TRUE;
  publish (heard, "juliet");
  discovery_on_up (heard->d);
  g_assert_cmpuint (stack->published->len, ==, 0);
  discovery_on_host (heard->d, "pronto");
  turn ();
  g_assert_cmpstr (discovery_get_machine (heard->d), ==, "pronto");
  discovery_on_host (heard->d, NULL);
  g_assert_null (discovery_get_machine (heard->d));
  g_assert_null (discovery_get_instance (heard->d));
  discovery_on_host (heard->d, "pronto-2");
  turn ();
  assert_heard (heard, "state running\nestablished juliet@pronto\nestablished juliet@pronto-2\n");
  /* "machine ... ASCII only" (1.1), whatever the host calls itself */
  discovery_on_host (heard->d, "M\xc3\xbcnchen #2.example");
  turn ();
  assert_heard (heard, "established juliet@M-nchen-2\n");
  discovery_on_host (heard->d, "\xe2\x98\x83");
  turn ();
  assert_heard (heard, "established juliet@host\n");
  heard_free (heard);
}

static void
test_withdraw (void)
{
  Heard *heard = heard_new_up ();

  stack->stands_at_once = TRUE;
  publish (heard, "juliet");
  turn ();
  g_assert_cmpstr (discovery_get_instance (heard->d), ==, "juliet@pronto");
  discovery_withdraw (heard->d);
  discovery_withdraw (heard->d);
  g_assert_cmpuint (stack->withdrawals, ==, 1);
  g_assert_null (discovery_get_instance (heard->d));
  g_string_truncate (heard->log, 0);
  discovery_on_host (heard->d, "pronto-2");
  update (heard, "status=dnd");
  turn ();
  assert_heard (heard, "");
  g_assert_cmpuint (stack->published->len, ==, 1);
  publish (heard, "juliet");
  turn ();
  assert_heard (heard, "established juliet@pronto-2\n");
  heard_free (heard);
}

static void
test_none (void)
{
  Heard *heard = g_new0 (Heard, 1);

  heard->log = g_string_new (NULL);
  heard->d = discovery_new (DISCOVERY_NONE, NULL, &callbacks, heard);
  publish (heard, "juliet");
  while (!discovery_get_instance (heard->d))
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (g_str_has_prefix (heard->log->str, "state running\nestablished juliet@"));
  heard_free (heard);
}

/* --- resolving ------------------------------------------------------------------------------ */

typedef struct {
  guint calls;
  GString *targets;
  GError *error;
} Answer;

static void
on_resolved (gpointer user, GPtrArray *targets, const GError *error)
{
  Answer *answer = user;

  answer->calls++;
  answer->targets = g_string_new (NULL);
  for (guint i = 0; targets && i < targets->len; i++)
    {
      g_autofree char *text = g_socket_connectable_to_string (targets->pdata[i]);

      g_string_append_printf (answer->targets, "%s ", text);
    }
  answer->error = error ? g_error_copy (error) : NULL;
}

static void
await (Answer *answer)
{
  while (answer->calls == 0)
    g_main_context_iteration (NULL, TRUE);
  turn ();
  g_assert_cmpuint (answer->calls, ==, 1);
}

static void
answer_clear (Answer *answer)
{
  if (answer->targets)
    g_string_free (answer->targets, TRUE);
  g_clear_error (&answer->error);
  memset (answer, 0, sizeof *answer);
}

static const guint8 link_local[16] = { 0xfe, 0x80, [15] = 1 };
static const guint8 global[16] = { 0xfd, 0, [15] = 1 };

static void
test_resolve (void)
{
  Heard *heard = heard_new_up ();
  Answer answer = { 0 };

  discovery_resolve (heard->d, "romeo@segundo", "local", on_resolved, &answer);
  tell ("romeo", DNS_TYPE_SRV, RECORD_NEW, 2, SRV "\007segundo\005local", 21);
  tell ("romeo", DNS_TYPE_SRV, RECORD_NEW, 3, SRV "\007segundo\005local", 21);
  tell ("romeo", DNS_TYPE_SRV, RECORD_NEW, 3, "nonsense", 8);
  g_assert_cmpuint (stack->watches->len, ==, 3);
  tell ("segundo.", DNS_TYPE_A, RECORD_NEW, 2, "\012\115\000\002", 4);
  tell ("segundo.", DNS_TYPE_A, RECORD_NEW, 2, "\012\115\000\002", 4);
  tell ("segundo.", DNS_TYPE_A, RECORD_NEW, 3, "\012\115\000", 3);
  tell ("segundo.", DNS_TYPE_A, RECORD_NEW, 1, "\012\115\000\007", 4); /* heard on a link that is not ours */
  tell ("segundo.", DNS_TYPE_AAAA, RECORD_NEW, 2, global, 16);
  tell ("segundo.", DNS_TYPE_AAAA, RECORD_NEW, 2, link_local, 16);
  tell ("segundo.", DNS_TYPE_AAAA, RECORD_NEW, 3, link_local, 16);
  g_assert_cmpuint (answer.calls, ==, 0);
  await (&answer);
  g_assert_no_error (answer.error);
  g_assert_cmpstr (answer.targets->str, ==, "[fe80::1%2]:5298 [fe80::1%3]:5298 [fd00::1]:5298 10.77.0.2:5298 ");
  g_assert_cmpuint (stack->watches->len, ==, 0);
  answer_clear (&answer);
  heard_free (heard);
}

static void
test_resolve_one_family (void)
{
  Heard *heard = heard_new_up ();
  Answer answer = { 0 };

  discovery_resolve (heard->d, "romeo@segundo", "local", on_resolved, &answer);
  tell ("romeo", DNS_TYPE_SRV, RECORD_NEW, 2, SRV "\007segundo\005local", 21);
  tell ("segundo.", DNS_TYPE_A, RECORD_NEW, 2, "\012\115\000\002", 4);
  await (&answer);
  g_assert_cmpstr (answer.targets->str, ==, "10.77.0.2:5298 ");
  answer_clear (&answer);
  heard_free (heard);
}

static void
test_resolve_hostile (void)
{
  Heard *heard = heard_new_up ();
  Answer answer = { 0 };

  discovery_resolve (heard->d, "romeo@segundo", "local", on_resolved, &answer);
  for (guint8 i = 0; i < 100; i++)
    {
      guint8 srv[] = { 0, 0, 0, 0, 20, i, 1, (guint8) ('a' + i % 26), 5, 'l', 'o', 'c', 'a', 'l', 0 };

      tell ("romeo", DNS_TYPE_SRV, RECORD_NEW, 2, srv, sizeof srv);
    }
  g_assert_cmpuint (stack->watches->len, <=, 1 + 2 * 4);
  for (guint i = 0; i < 1000; i++)
    {
      guint8 address[] = { 10, 77, (guint8) (i >> 8), (guint8) i };

      tell ("a.", DNS_TYPE_A, RECORD_NEW, 2, address, sizeof address);
    }
  await (&answer);
  g_assert_cmpuint (stack->watches->len, ==, 0);
  answer_clear (&answer);
  heard_free (heard);
}

static void
test_resolve_refused (void)
{
  Heard *heard = heard_new_up ();
  Answer answer = { 0 };

  stack->max_watches = 0;
  discovery_resolve (heard->d, "romeo@segundo", "local", on_resolved, &answer);
  g_assert_cmpuint (answer.calls, ==, 0);
  await (&answer);
  g_assert_error (answer.error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE);
  answer_clear (&answer);
  discovery_resolve (heard->d, "ro\nmeo", "local", on_resolved, &answer);
  await (&answer);
  g_assert_error (answer.error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE);
  answer_clear (&answer);
  heard_free (heard);
}

static void
test_resolve_across_restart (void)
{
  Heard *heard = heard_new ();
  Answer answer = { 0 };
  Answer cancelled = { 0 };
  DiscoveryQuery *query;

  discovery_resolve (heard->d, "romeo@segundo", "local", on_resolved, &answer);
  query = discovery_resolve (heard->d, "nurse@tercero", "local", on_resolved, &cancelled);
  discovery_on_up (heard->d);
  tell ("romeo", DNS_TYPE_SRV, RECORD_NEW, 2, SRV "\007segundo\005local", 21);
  discovery_on_down (heard->d, "waiting", NULL);
  g_assert_cmpuint (stack->watches->len, ==, 0);
  discovery_on_up (heard->d);
  discovery_query_cancel (query);
  tell ("romeo", DNS_TYPE_SRV, RECORD_NEW, 2, SRV "\007segundo\005local", 21);
  tell ("segundo.", DNS_TYPE_AAAA, RECORD_NEW, 2, link_local, 16);
  await (&answer);
  g_assert_cmpstr (answer.targets->str, ==, "[fe80::1%2]:5298 ");
  g_assert_cmpuint (cancelled.calls, ==, 0);
  answer_clear (&answer);
  /* One that is open when all ends is not told. */
  discovery_resolve (heard->d, "romeo@segundo", "local", on_resolved, &cancelled);
  heard_free (heard);
  g_assert_cmpuint (cancelled.calls, ==, 0);
}

static void
test_gone_cancels (void)
{
  Heard *heard = heard_new_up ();
  Answer answer = { 0 };

  found (heard, "romeo@segundo", 2);
  discovery_resolve (heard->d, "romeo@segundo", "local", on_resolved, &answer);
  tell ("romeo", DNS_TYPE_SRV, RECORD_NEW, 2, SRV "\007segundo\005local", 21);
  g_assert_cmpuint (stack->watches->len, ==, 4);
  discovery_on_lost (heard->d, "romeo@segundo", "local", 2, AF_INET);
  g_assert_cmpuint (stack->watches->len, ==, 0);
  g_assert_cmpuint (answer.calls, ==, 0);
  await (&answer);
  g_assert_error (answer.error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE);
  answer_clear (&answer);
  heard_free (heard);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* Warnings about the link are expected here; only criticals are mistakes. */
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  g_test_add_func ("/pace/window", test_pace_window);
  g_test_add_func ("/discovery/txt-rdata", test_txt_rdata);
  g_test_add_func ("/discovery/srv-rdata", test_srv_rdata);
  g_test_add_func ("/discovery/P-11-sightings", test_sightings);
  g_test_add_func ("/discovery/txt-back-and-forth", test_txt_back_and_forth);
  g_test_add_func ("/discovery/P-19-malformed", test_malformed);
  g_test_add_func ("/discovery/X-02-flood", test_flood);
  g_test_add_func ("/discovery/X-02-flood-with-txt", test_flood_with_txt);
  g_test_add_func ("/discovery/quota", test_quota);
  g_test_add_func ("/discovery/P-10-own", test_own);
  g_test_add_func ("/discovery/stack-restarts", test_stack_restarts);
  g_test_add_func ("/discovery/P-14-hundred-changes", test_hundred_changes);
  g_test_add_func ("/discovery/change-before-it-stands", test_change_before_it_stands);
  g_test_add_func ("/discovery/P-12-collisions", test_collisions);
  g_test_add_func ("/discovery/P-12-lockstep", test_lockstep);
  g_test_add_func ("/discovery/renames-again-friendly", test_renames_again_friendly);
  g_test_add_func ("/discovery/host-renamed", test_host_renamed);
  g_test_add_func ("/discovery/withdraw", test_withdraw);
  g_test_add_func ("/discovery/none", test_none);
  g_test_add_func ("/discovery/P-15-resolve", test_resolve);
  g_test_add_func ("/discovery/resolve-one-family", test_resolve_one_family);
  g_test_add_func ("/discovery/resolve-hostile", test_resolve_hostile);
  g_test_add_func ("/discovery/resolve-refused", test_resolve_refused);
  g_test_add_func ("/discovery/resolve-across-restart", test_resolve_across_restart);
  g_test_add_func ("/discovery/P-13-gone-cancels-queries", test_gone_cancels);
  return g_test_run ();
}
