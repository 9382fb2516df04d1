/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who shows the dialog: agents that come, die, say nothing, are none, or are not what they should be.
 */
#include "earshot-config.h"

#include "tests/unit/bus-fixture.h"

#include <string.h>

typedef struct {
  GDBusConnection *connection;
  GString *got;            /* "Present 3\n…" */
  guint registration;
  gboolean silent;         /* never answers */
  GPtrArray *unanswered;   /* what it owes then */
} TestAgent;

static void
on_agent_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
               GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user)
{
  TestAgent *agent = user;
  const char *object, *word;

  if (g_str_equal (method, "Release")) {
    g_string_append (agent->got, "Release\n");
  } else {
    g_variant_get_child (parameters, 0, "&o", &object);
    g_variant_get_child (parameters, 1, "&s", &word);
    g_string_append_printf (agent->got, "%s %s %s\n", method, strrchr (object, '/') + 1, word);
  }
  if (agent->silent)
    g_ptr_array_add (agent->unanswered, invocation);
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
}

/* The error's name, or NULL. Caller frees. */
static char *
agent_register (Fixture *f, GDBusConnection *connection, const char *path, const char *role)
{
  Reply reply;
  char *name = NULL;

  start (f, connection, ROOT, I ("Manager"), "RegisterAgent", g_variant_new ("(osa{sv})", path, role, NULL), &reply);
  wait_for (&reply.done);
  if (reply.error != NULL)
    name = g_dbus_error_get_remote_error (reply.error);
  g_clear_error (&reply.error);
  g_clear_pointer (&reply.reply, g_variant_unref);
  return name;
}

static void
agent_up (Fixture *f, TestAgent *agent, const char *path)
{
  static const GDBusInterfaceVTable vtable = { on_agent_call, NULL, NULL, { NULL } };
  g_autofree char *refused = NULL;

  agent->silent = FALSE;
  agent->connection = connect_bus (f);
  agent->got = g_string_new (NULL);
  agent->registration = g_dbus_connection_register_object (agent->connection, "/agent", earshot_agent_interface_info (), &vtable,
                                                           agent, NULL, NULL);
  refused = agent_register (f, agent->connection, path, "interactive");
  g_assert_cmpstr (refused, ==, NULL);
}

static void
agent_down (TestAgent *agent)
{
  if (agent->connection != NULL) {
    g_dbus_connection_unregister_object (agent->connection, agent->registration);
    g_dbus_connection_close_sync (agent->connection, NULL, NULL);
    g_clear_object (&agent->connection);
  }
}

static void
wait_got (TestAgent *agent, const char *expected)
{
  while (!g_str_equal (agent->got->str, expected)) {
    g_assert_true (g_str_has_prefix (expected, agent->got->str));
    g_main_context_iteration (NULL, TRUE);
  }
}

static void
test_agents (Fixture *f, gconstpointer data)
{
  TestAgent first, second;

  agent_up (f, &first, "/agent");
  wait_got (&first, "Present 3 new-key\n");
  agent_up (f, &second, "/agent");
  wait_got (&second, "Present 3 new-key\n");
  wait_got (&first, "Present 3 new-key\nWithdraw 3 moved\n");
  /* The one in charge dies: the question goes back, and stays open. */
  agent_down (&second);
  wait_got (&first, "Present 3 new-key\nWithdraw 3 moved\nPresent 3 new-key\n");
  g_assert_nonnull (trust_get_request (NULL, 3));
  fake_remove_request (3);
  wait_got (&first, "Present 3 new-key\nWithdraw 3 moved\nPresent 3 new-key\nWithdraw 3 resolved\n");
  /* Nobody ever decided anything for the user. */
  g_assert_cmpstr (fake.calls->str, ==, "");
  g_string_truncate (first.got, 0);
  fake_add_request (9, fake.keys->pdata[0], "name-conflict");
  wait_got (&first, "Present 9 name-conflict\n");
  front_free (g_steal_pointer (&f->front));
  wait_got (&first, "Present 9 name-conflict\nRelease\n");
  agent_down (&first);
  g_string_free (first.got, TRUE);
  g_string_free (second.got, TRUE);
}

static void
test_agent_unregisters (Fixture *f, gconstpointer data)
{
  TestAgent first, second;
  Reply reply;

  agent_up (f, &first, "/agent");
  wait_got (&first, "Present 3 new-key\n");
  agent_up (f, &second, "/agent");
  wait_got (&second, "Present 3 new-key\n");
  start (f, second.connection, ROOT, I ("Manager"), "UnregisterAgent", g_variant_new ("(o)", "/agent"), &reply);
  wait_for (&reply.done);
  g_assert_no_error (reply.error);
  g_variant_unref (reply.reply);
  wait_got (&second, "Present 3 new-key\nRelease\n");
  wait_got (&first, "Present 3 new-key\nWithdraw 3 moved\nPresent 3 new-key\n");
  agent_down (&first);
  agent_down (&second);
  g_string_free (first.got, TRUE);
  g_string_free (second.got, TRUE);
}

/* An agent that is none (nothing at its path) loses its place to the one before. */
static void
test_agent_is_none (Fixture *f, gconstpointer data)
{
  TestAgent first, second;

  agent_up (f, &first, "/agent");
  wait_got (&first, "Present 3 new-key\n");
  agent_up (f, &second, "/elsewhere");
  wait_got (&first, "Present 3 new-key\nWithdraw 3 moved\nPresent 3 new-key\n");
  agent_down (&first);
  agent_down (&second);
  g_string_free (first.got, TRUE);
  g_string_free (second.got, TRUE);
}

/* What a peer began, once there is a code; not what our own user began. */
static void
test_agent_verification (Fixture *f, gconstpointer data)
{
  Verification *run;
  TestAgent agent;

  agent_up (f, &agent, "/agent");
  wait_got (&agent, "Present 3 new-key\n");
  run = fake_add_verification (5, fake.keys->pdata[0], FALSE);
  sync_signals (f);
  fake_show_code (run);
  wait_got (&agent, "Present 3 new-key\nPresent 5 verification\n");
  fake_end_verification (run, VERIFICATION_DONE, "user");
  wait_got (&agent, "Present 3 new-key\nPresent 5 verification\nWithdraw 5 resolved\n");
  fake_show_code (fake_add_verification (6, fake.keys->pdata[0], TRUE));
  sync_signals (f);
  fake_remove_request (3);
  wait_got (&agent, "Present 3 new-key\nPresent 5 verification\nWithdraw 5 resolved\nWithdraw 3 resolved\n");
  agent_down (&agent);
  g_string_free (agent.got, TRUE);
}

static void
test_agent_snooze (Fixture *f, gconstpointer data)
{
  Request *request = fake.requests->pdata[0];
  TestAgent agent;

  agent_up (f, &agent, "/agent");
  wait_got (&agent, "Present 3 new-key\n");
  request->snoozed = g_get_real_time () + G_USEC_PER_SEC / 2;
  TELL_TRUST (request_changed, request);
  wait_got (&agent, "Present 3 new-key\nWithdraw 3 snoozed\nPresent 3 new-key\n");
  agent_down (&agent);
  g_string_free (agent.got, TRUE);
}

/* A short snooze is not kept waiting by a long one. */
static void
test_agent_snooze_two (Fixture *f, gconstpointer data)
{
  Request *longer = fake.requests->pdata[0], *shorter;
  TestAgent agent;

  agent_up (f, &agent, "/agent");
  wait_got (&agent, "Present 3 new-key\n");
  shorter = fake_add_request (4, fake.keys->pdata[0], "new-key");
  wait_got (&agent, "Present 3 new-key\nPresent 4 new-key\n");
  g_string_truncate (agent.got, 0);
  longer->snoozed = g_get_real_time () + G_TIME_SPAN_DAY;
  TELL_TRUST (request_changed, longer);
  wait_got (&agent, "Withdraw 3 snoozed\n");
  shorter->snoozed = g_get_real_time () + G_USEC_PER_SEC / 2;
  TELL_TRUST (request_changed, shorter);
  wait_got (&agent, "Withdraw 3 snoozed\nWithdraw 4 snoozed\nPresent 4 new-key\n");
  /* And one that ends by itself comes back at once. */
  longer->snoozed = 0;
  TELL_TRUST (request_changed, longer);
  wait_got (&agent, "Withdraw 3 snoozed\nWithdraw 4 snoozed\nPresent 4 new-key\nPresent 3 new-key\n");
  agent_down (&agent);
  g_string_free (agent.got, TRUE);
}

/* A new key that turns out to use a friend's name is another question: who shows the old one must hear of it. */
static void
test_agent_kind_changes (Fixture *f, gconstpointer data)
{
  Request *request = fake.requests->pdata[0];
  TestAgent agent;

  agent_up (f, &agent, "/agent");
  wait_got (&agent, "Present 3 new-key\n");
  TELL_TRUST (request_changed, request);
  request->kind = "name-conflict";
  TELL_TRUST (request_changed, request);
  wait_got (&agent, "Present 3 new-key\nPresent 3 name-conflict\n");
  fake_remove_request (3);
  wait_got (&agent, "Present 3 new-key\nPresent 3 name-conflict\nWithdraw 3 resolved\n");
  agent_down (&agent);
  g_string_free (agent.got, TRUE);
}

static void
test_agent_roles (Fixture *f, gconstpointer data)
{
  static const char *const roles[] = { "", "deputy", "Interactive", "interactive ", "automatic" };
  g_autofree char *options = NULL;
  TestAgent first;
  Reply reply;

  agent_up (f, &first, "/agent");
  wait_got (&first, "Present 3 new-key\n");
  for (guint i = 0; i < G_N_ELEMENTS (roles); i++) {
    g_autofree char *name = agent_register (f, f->theirs, "/agent", roles[i]);

    g_assert_cmpstr (name, ==, EARSHOT_ERROR_PREFIX "InvalidArgument");
  }
  start (f, f->theirs, ROOT, I ("Manager"), "RegisterAgent", g_variant_new_parsed ("(objectpath '/agent', 'interactive', {'decide': <true>})"),
         &reply);
  wait_for (&reply.done);
  options = g_dbus_error_get_remote_error (reply.error);
  g_assert_cmpstr (options, ==, EARSHOT_ERROR_PREFIX "InvalidArgument");
  g_error_free (reply.error);
  /* Who was refused has taken nothing from who was there. */
  fake_remove_request (3);
  wait_got (&first, "Present 3 new-key\nWithdraw 3 resolved\n");
  agent_down (&first);
  g_string_free (first.got, TRUE);
}

/* The same path again is no second agent and no second dialog; another path takes the place of the first. */
static void
test_agent_registers_twice (Fixture *f, gconstpointer data)
{
  g_autofree char *again = NULL, *other = NULL, *gone = NULL;
  TestAgent agent;
  Reply reply;

  agent_up (f, &agent, "/agent");
  wait_got (&agent, "Present 3 new-key\n");
  again = agent_register (f, agent.connection, "/agent", "interactive");
  g_assert_cmpstr (again, ==, NULL);
  sync_signals (f);
  g_assert_cmpstr (agent.got->str, ==, "Present 3 new-key\n");
  other = agent_register (f, agent.connection, "/other", "interactive"); /* where nothing is */
  g_assert_cmpstr (other, ==, NULL);
  wait_got (&agent, "Present 3 new-key\nRelease\n");
  start (f, agent.connection, ROOT, I ("Manager"), "UnregisterAgent", g_variant_new ("(o)", "/agent"), &reply);
  wait_for (&reply.done);
  gone = g_dbus_error_get_remote_error (reply.error);
  g_assert_cmpstr (gone, ==, EARSHOT_ERROR_PREFIX "NotFound");
  g_error_free (reply.error);
  agent_down (&agent);
  g_string_free (agent.got, TRUE);
}

/* Nobody may fill the list for ever, and who was refused may come when there is room. */
static void
test_agent_33rd (Fixture *f, gconstpointer data)
{
  TestAgent agents[33];
  g_autofree char *full = NULL, *again = NULL;

  for (guint i = 0; i < 32; i++)
    agent_up (f, &agents[i], "/agent");
  wait_got (&agents[31], "Present 3 new-key\n");
  full = agent_register (f, f->theirs, "/agent", "interactive");
  g_assert_cmpstr (full, ==, EARSHOT_ERROR_PREFIX "QuotaExceeded");
  agent_down (&agents[0]);
  while (agent_register (f, f->theirs, "/agent", "interactive") != NULL)
    ; /* until its leaving is known */
  for (guint i = 0; i < 32; i++) {
    agent_down (&agents[i]);
    g_string_free (agents[i].got, TRUE);
  }
}

/* One that never answers holds up nobody: the question is withdrawn when it is decided, and the next agent gets its own. */
static void
test_agent_never_answers (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) owed = g_ptr_array_new ();
  TestAgent agent;

  agent_up (f, &agent, "/agent");
  agent.silent = TRUE;
  agent.unanswered = owed;
  fake_add_request (4, fake.keys->pdata[0], "new-key");
  while (strstr (agent.got->str, "Present 4 new-key\n") == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (fake.calls->str, ==, "");
  fake_remove_request (4);
  while (strstr (agent.got->str, "Withdraw 4 resolved\n") == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (fake.calls->str, ==, "");
  agent_down (&agent);
  for (guint i = 0; i < owed->len; i++)
    g_object_unref (owed->pdata[i]);
  g_string_free (agent.got, TRUE);
}

/* --- questions about programs ------------------------------------------------------------------------------------ */

#define R_APP ROOT "/request/2147483657"
#define APP "flatpak:org.example.Chat"

static void
test_app_question (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) details = NULL, all = NULL, listed = NULL;
  g_autofree char *text = NULL, *print = NULL, *name = NULL, *list = NULL;
  AppRow *row;
  TestAgent agent;

  agent_up (f, &agent, "/agent");
  wait_got (&agent, "Present 3 new-key\n");
  row = fake_add_app (APP, APP_MAY_NOTHING, APP_REQUEST_MIN + 9);
  wait_got (&agent, "Present 3 new-key\nPresent 2147483657 app-access\n");
  all = call_ok (f, R_APP, PROPS, "GetAll", g_variant_new ("(s)", I ("Request")));
  print = g_variant_print (all, FALSE);
  g_assert_nonnull (strstr (print, "'Kind': <'app-access'>"));
  g_assert_nonnull (strstr (print, "'Key': <objectpath '/'>"));
  g_assert_nonnull (strstr (print, "'Choices': <['read', 'send', 'deny']>"));
  g_assert_nonnull (strstr (print, "'app': <'" APP "'>"));
  g_assert_nonnull (strstr (print, "'sandbox': <'flatpak'>"));
  g_assert_nonnull (strstr (print, "'wants': <'send'>"));
  /* There is no key, so none can be named, and nothing else either. */
  g_assert_null (call (f, R_APP, I ("Request"), "Resolve", g_variant_new_parsed ("('send', {'fingerprint': <%s>})", HEX1), &name));
  g_assert_cmpstr (name, ==, "InvalidArgument");
  g_assert_cmpstr (fake.calls->str, ==, "");
  g_variant_unref (call_ok (f, R_APP, I ("Request"), "Resolve", g_variant_new_parsed ("('send', @a{sv} {})")));
  g_variant_unref (call_ok (f, R_APP, I ("Request"), "Snooze", g_variant_new ("(x)", (gint64) 0)));
  g_assert_cmpstr (fake.calls->str, ==, "app-resolve 2147483657 send\napp-snooze 2147483657\n");
  listed = call_ok (f, ROOT, I ("Manager"), "ListAppAccess", NULL);
  list = g_variant_print (listed, FALSE);
  g_assert_cmpstr (list, ==, "([('" APP "', [], {'since': <int64 1000>, 'request': <objectpath '/im/earshot/Earshot1/request/2147483657'>, 'wants': <'send'>})],)");
  fake_end_app_question (row);
  wait_got (&agent, "Present 3 new-key\nPresent 2147483657 app-access\nWithdraw 2147483657 resolved\n");
  g_free (name);
  g_assert_null (call (f, R_APP, I ("Request"), "Resolve", g_variant_new_parsed ("('send', @a{sv} {})"), &name));
  g_assert_cmpstr (name, ==, "AlreadyResolved");
  agent_down (&agent);
  g_string_free (agent.got, TRUE);
}

/* What a person says of a program, and what is none. */
static void
test_app_grants (Fixture *f, gconstpointer data)
{
  g_autofree char *scope = NULL, *option = NULL;

  g_variant_unref (call_ok (f, ROOT, I ("Manager"), "SetAppAccess", g_variant_new_parsed ("(%s, ['send', 'trust'], @a{sv} {})", APP)));
  g_variant_unref (call_ok (f, ROOT, I ("Manager"), "SetAppAccess", g_variant_new_parsed ("(%s, @as [], @a{sv} {})", APP)));
  g_variant_unref (call_ok (f, ROOT, I ("Manager"), "ForgetApp", g_variant_new ("(s)", APP)));
  g_assert_cmpstr (fake.calls->str, ==, "app-set " APP " send trust\napp-set " APP " \napp-forget " APP "\n");
  g_assert_null (call (f, ROOT, I ("Manager"), "SetAppAccess", g_variant_new_parsed ("(%s, ['sned'], @a{sv} {})", APP), &scope));
  g_assert_cmpstr (scope, ==, "InvalidArgument");
  g_assert_null (call (f, ROOT, I ("Manager"), "SetAppAccess", g_variant_new_parsed ("(%s, ['send'], {'for': <1>})", APP), &option));
  g_assert_cmpstr (option, ==, "InvalidArgument");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/bus/agents", test_agents);
  ADD ("/bus/agent-unregisters", test_agent_unregisters);
  ADD ("/bus/agent-is-none", test_agent_is_none);
  ADD ("/bus/agent-verification", test_agent_verification);
  ADD ("/bus/agent-snooze", test_agent_snooze);
  ADD ("/bus/agent-snooze-two", test_agent_snooze_two);
  ADD ("/bus/agent-kind-changes", test_agent_kind_changes);
  ADD ("/bus/agent-roles", test_agent_roles);
  ADD ("/bus/agent-registers-twice", test_agent_registers_twice);
  ADD ("/bus/agent-33rd", test_agent_33rd);
  ADD ("/bus/agent-never-answers", test_agent_never_answers);
  ADD ("/bus/app-question", test_app_question);
  ADD ("/bus/app-grants", test_app_grants);
  return g_test_run ();
}
