/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/model/app-access.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/io/pace.h"
#include "daemon/model/watchers.h"

#define ASK_MAX 8
#define ASK_WINDOW G_TIME_SPAN_HOUR

typedef struct {
  AppRow row;
  guint deciding;     /* decisions on their way to the disk: later questions and snoozes must not overtake them */
  gboolean fresh;     /* it is here for their sake only */
} App;

struct _AppAccess {
  TrustStore *store;
  GHashTable *apps; /* char* (the row's) -> App* */
  guint open;       /* questions */
  Pace pace;
  Watchers watchers;
};

/* One change on its way to the disk: the row as it will be, or its end. */
typedef struct {
  AppAccess *access;
  AppRow row;
  gboolean forget;
  DoneFunc done;
  gpointer user;
} Change;

static const char *const choices[] = { "read", "send", "deny", NULL };

static void
app_free (gpointer data)
{
  App *app = data;

  app_row_clear (&app->row);
  g_free (app);
}

static App *
find (AppAccess *access, const char *app)
{
  return g_hash_table_lookup (access->apps, app);
}

static App *
find_question (AppAccess *access, guint64 id)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, access->apps);
  while (id != 0 && g_hash_table_iter_next (&iter, NULL, &value))
    if (((App *) value)->row.request == id)
      return value;
  return NULL;
}

static void
row_copy (AppRow *to, const AppRow *from)
{
  *to = *from;
  to->app = g_strdup (from->app);
}

/* --- errors from the loop, never from inside the verb ---------------------------------------------------------------- */

typedef struct {
  DoneFunc done;
  gpointer user;
  GError *error;
} Late;

static gboolean
on_late (gpointer data)
{
  Late *late = data;

  late->done (late->user, late->error);
  g_clear_error (&late->error);
  g_free (late);
  return G_SOURCE_REMOVE;
}

static void
fail (DoneFunc done, gpointer user, EarshotError code, const char *text)
{
  Late *late;

  if (done == NULL)
    return;
  late = g_new0 (Late, 1);
  late->done = done;
  late->user = user;
  late->error = g_error_new_literal (EARSHOT_ERROR, (int) code, text);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_late, late, NULL);
}

/* --- changing ------------------------------------------------------------------------------------------------------------ */

static void
drop_question (AppAccess *access, guint64 id)
{
  if (id == 0)
    return;
  access->open--;
  WATCHERS_CALL (&access->watchers, AppWatch, question_removed, id);
}

/* Disk first, memory second: the store has it. */
static void
apply (AppAccess *access, App *app, Change *change)
{
  AppScopes before = app->row.scopes;
  guint64 question = app->row.request;

  app->row.scopes = change->row.scopes;
  app->row.request = 0;
  app->row.since = change->row.since;
  app->row.snoozed_until = 0;
  app->fresh = change->forget;
  if (before != app->row.scopes)
    WATCHERS_CALL (&access->watchers, AppWatch, changed, change->row.app);
  drop_question (access, question);
}

static void
on_changed (gpointer user, const GError *error)
{
  Change *change = user;
  App *app = find (change->access, change->row.app);

  if (error == NULL)
    apply (change->access, app, change);
  if (--app->deciding == 0 && app->fresh)
    g_hash_table_remove (change->access->apps, change->row.app);
  if (change->done != NULL)
    change->done (change->user, error);
  app_row_clear (&change->row);
  g_free (change);
}

static void
submit (AppAccess *access, App *app, const AppRow *wanted, gboolean forget, const char *caller, DoneFunc done, gpointer user)
{
  TrustChange *change = trust_change_new ();
  Change *pending = g_new0 (Change, 1);
  g_autofree char *before = app_scopes_to_string (app->row.scopes);
  g_autofree char *after = app_scopes_to_string (wanted->scopes);
  g_autofree char *inputs = g_strdup_printf ("app=%s before=%s%s", wanted->app, *before != '\0' ? before : "nothing",
                                             app->row.request != 0 ? " asked=yes" : "");
  const char *verdict = forget ? "forgotten" : *after != '\0' ? after : "nothing";

  pending->access = access;
  row_copy (&pending->row, wanted);
  pending->forget = forget;
  pending->done = done;
  pending->user = user;
  app->deciding++;
  if (forget)
    trust_change_delete_app (change, wanted->app);
  else
    trust_change_put_app (change, wanted);
  trust_change_audit (change, &(AuditEntry){ .event = "app-access", .inputs = inputs, .verdict = verdict, .caller = caller });
  log_event (G_LOG_LEVEL_MESSAGE, "bus", 0, 0, "app-access", "%s becomes %s by %s", inputs, verdict, caller);
  trust_store_apply (access->store, change, on_changed, pending);
}

void
app_access_set (AppAccess *access, const char *name, AppScopes scopes, const char *caller, DoneFunc done, gpointer user)
{
  App *app = find (access, name);
  AppRow row = { .app = (char *) name, .scopes = scopes & APP_SCOPES_ALL, .since = g_get_real_time () };

  if (!app_id_is_valid (name))
    {
      fail (done, user, EARSHOT_ERROR_INVALID_ARGUMENT, "an application is flatpak:ID or snap:NAME");
      return;
    }
  if (app == NULL && g_hash_table_size (access->apps) >= APPS_MAX)
    {
      fail (done, user, EARSHOT_ERROR_QUOTA_EXCEEDED, "too many applications are remembered: forget one");
      return;
    }
  if (row.scopes & APP_MAY_SEND)
    row.scopes |= APP_MAY_READ;
  if (app == NULL)
    {
      app = g_new0 (App, 1);
      app->row.app = g_strdup (name);
      app->fresh = TRUE;
      g_hash_table_insert (access->apps, app->row.app, app);
    }
  row.wants = app->row.wants;
  submit (access, app, &row, FALSE, caller, done, user);
}

void
app_access_forget (AppAccess *access, const char *name, const char *caller, DoneFunc done, gpointer user)
{
  App *app = find (access, name);
  AppRow row = { .app = (char *) name };

  if (app == NULL || app->fresh)
    fail (done, user, EARSHOT_ERROR_NOT_FOUND, "that application never asked and was never told");
  else
    submit (access, app, &row, TRUE, caller, done, user);
}

/* --- questions ------------------------------------------------------------------------------------------------------------- */

static void
on_question_stored (gpointer user, const GError *error)
{
  if (error != NULL)
    log_warn ("bus", "the question of an application is not on disk yet: %s", error->message);
}

static void
raise_question (AppAccess *access, const char *name, AppScopes wants, const char *caller)
{
  App *app = g_new0 (App, 1);
  TrustChange *change = trust_change_new ();
  g_autofree char *words = app_scopes_to_string (wants);
  g_autofree char *inputs = g_strdup_printf ("app=%s wants=%s", name, words);

  app->row.app = g_strdup (name);
  app->row.wants = wants;
  app->row.since = g_get_real_time ();
  do
    app->row.request = APP_REQUEST_MIN | (g_random_int () & G_MAXINT32);
  while (find_question (access, app->row.request) != NULL);
  g_hash_table_insert (access->apps, app->row.app, app);
  access->open++;
  trust_change_put_app (change, &app->row);
  trust_change_audit (change, &(AuditEntry){ .event = "app-access", .inputs = inputs, .verdict = "asked", .caller = caller });
  trust_store_apply (access->store, change, on_question_stored, NULL);
  log_event (G_LOG_LEVEL_MESSAGE, "bus", 0, 0, "app-access", "a person is asked: %s", inputs);
  WATCHERS_CALL (&access->watchers, AppWatch, question_added, &app->row);
}

AppAsked
app_access_ask (AppAccess *access, const char *name, AppScopes wants, const char *caller)
{
  App *app = find (access, name);
  gint64 now = g_get_monotonic_time ();

  if (app != NULL)
    return app->row.request != 0 ? APP_WAITING : APP_DECIDED;
  if (!app_id_is_valid (name) || access->open >= APP_QUESTIONS_MAX || g_hash_table_size (access->apps) >= APPS_MAX
      || pace_due (&access->pace, now) > now)
    return APP_NO_ROOM;
  pace_note (&access->pace, now);
  raise_question (access, name, wants, caller);
  return APP_ASKED;
}

const AppRow *
app_access_get_question (AppAccess *access, guint64 id)
{
  App *app = find_question (access, id);

  return app != NULL ? &app->row : NULL;
}

const char *const *
app_access_get_choices (void)
{
  return choices;
}

void
app_access_resolve (AppAccess *access, guint64 id, const char *choice, const char *caller, DoneFunc done, gpointer user)
{
  App *app = find_question (access, id);
  AppScopes scopes = APP_MAY_NOTHING;

  if (app == NULL || app->deciding > 0)
    {
      fail (done, user, EARSHOT_ERROR_ALREADY_RESOLVED, "the request was resolved before");
      return;
    }
  if (!g_strv_contains (choices, choice) || (strcmp (choice, "deny") != 0 && !app_scope_from_word (choice, &scopes)))
    {
      fail (done, user, EARSHOT_ERROR_INVALID_ARGUMENT, "the choices are read, send and deny");
      return;
    }
  app_access_set (access, app->row.app, scopes, caller, done, user);
}

static void
on_snoozed (gpointer user, const GError *error)
{
  Change *change = user;
  App *app = error == NULL ? find_question (change->access, change->row.request) : NULL;

  if (app != NULL)
    {
      app->row.snoozed_until = change->row.snoozed_until;
      WATCHERS_CALL (&change->access->watchers, AppWatch, question_changed, &app->row);
    }
  change->done (change->user, error);
  app_row_clear (&change->row);
  g_free (change);
}

void
app_access_snooze (AppAccess *access, guint64 id, gint64 until, DoneFunc done, gpointer user)
{
  App *app = find_question (access, id);
  TrustChange *change;
  Change *pending;

  if (app == NULL || app->deciding > 0)
    {
      fail (done, user, EARSHOT_ERROR_ALREADY_RESOLVED, "the request was resolved before");
      return;
    }
  pending = g_new0 (Change, 1);
  pending->access = access;
  row_copy (&pending->row, &app->row);
  pending->row.snoozed_until = until;
  pending->done = done;
  pending->user = user;
  change = trust_change_new ();
  trust_change_put_app (change, &pending->row);
  trust_store_apply (access->store, change, on_snoozed, pending);
}

/* --- reading ----------------------------------------------------------------------------------------------------------------- */

AppScopes
app_access_get (AppAccess *access, const char *name)
{
  App *app = find (access, name);

  return app != NULL ? app->row.scopes : APP_MAY_NOTHING;
}

static gint
compare_rows (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const AppRow *const *) a)->app, (*(const AppRow *const *) b)->app);
}

GPtrArray *
app_access_list (AppAccess *access)
{
  GPtrArray *list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, access->apps);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (!((App *) value)->fresh)
      g_ptr_array_add (list, &((App *) value)->row);
  g_ptr_array_sort (list, compare_rows);
  return list;
}

/* --- birth and death ---------------------------------------------------------------------------------------------------------- */

AppAccess *
app_access_new (TrustStore *store, GArray *rows_take)
{
  AppAccess *access = g_new0 (AppAccess, 1);

  access->store = store;
  access->apps = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, app_free);
  access->pace = (Pace){ .window = ASK_WINDOW, .max = ASK_MAX };
  watchers_init (&access->watchers);
  for (guint i = 0; rows_take != NULL && i < rows_take->len && i < APPS_MAX; i++)
    {
      AppRow *row = &g_array_index (rows_take, AppRow, i);
      App *app;

      /* More questions than fit, or two of one number: nobody wrote that. Asked again when it calls. */
      if (row->request != 0 && (access->open >= APP_QUESTIONS_MAX || find_question (access, row->request) != NULL))
        continue;
      app = g_new0 (App, 1);
      app->row = *row;
      memset (row, 0, sizeof *row);
      access->open += app->row.request != 0;
      g_hash_table_replace (access->apps, app->row.app, app);
    }
  g_clear_pointer (&rows_take, g_array_unref);
  return access;
}

void
app_access_free (AppAccess *access)
{
  if (access == NULL)
    return;
  g_hash_table_unref (access->apps);
  watchers_clear (&access->watchers);
  g_free (access);
}

void
app_access_watch (AppAccess *access, const AppWatch *watch, gpointer user)
{
  watchers_add (&access->watchers, watch, user);
}

void
app_access_unwatch (AppAccess *access, gpointer user)
{
  watchers_remove (&access->watchers, user);
}
