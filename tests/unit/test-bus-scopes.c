/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of scopes against the contract: every member of every interface is in it, and nothing else is.
 */
#include "earshot-config.h"

#include <gio/gio.h>
#include <string.h>

#include "daemon/bus/bus-scopes.h"

#define PREFIX "im.earshot.Earshot1."

static void
expect (GHashTable *members, const char *interface, const char *member, BusAction action, const char *word)
{
  guint need;

  if (!bus_scopes_find (interface, member, action, &need)) {
    g_test_message ("%s.%s (%s) has no scope: add it to daemon/bus/bus-scopes.c", interface, member, word);
    g_test_fail ();
  }
  g_hash_table_add (members, g_strdup_printf ("%s.%s %s", interface, member, word));
}

static void
walk (GDBusInterfaceInfo *info, GHashTable *members)
{
  const char *interface = info->name + strlen (PREFIX);

  g_assert_true (g_str_has_prefix (info->name, PREFIX));
  for (guint i = 0; info->methods != NULL && info->methods[i] != NULL; i++)
    expect (members, interface, info->methods[i]->name, BUS_CALL, "call");
  for (guint i = 0; info->properties != NULL && info->properties[i] != NULL; i++) {
    if (info->properties[i]->flags & G_DBUS_PROPERTY_INFO_FLAGS_READABLE)
      expect (members, interface, info->properties[i]->name, BUS_READ, "read");
    if (info->properties[i]->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE)
      expect (members, interface, info->properties[i]->name, BUS_WRITE, "write");
  }
}

static void
test_every_member (void)
{
  const char *top = g_getenv ("top_srcdir");
  g_autofree char *folder = g_build_filename (top != NULL ? top : ".", "dbus", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GHashTable) members = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) listed = bus_scopes_list ();
  const char *name;
  guint files = 0;

  if (top == NULL && dir == NULL) {
    g_test_skip ("top_srcdir is not set: where is dbus/?");
    return;
  }
  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *text = NULL;
    g_autoptr (GError) error = NULL;
    g_autoptr (GDBusNodeInfo) node = NULL;

    if (!g_str_has_suffix (name, ".xml") || g_str_has_suffix (name, ".Agent.xml")) /* that one is the front end's */
      continue;
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    node = g_dbus_node_info_new_for_xml (text, &error);
    g_assert_no_error (error);
    for (guint i = 0; node->interfaces[i] != NULL; i++)
      walk (node->interfaces[i], members);
    files++;
  }
  g_assert_cmpuint (files, >=, 8);
  g_hash_table_add (members, g_strdup ("ObjectManager.GetManagedObjects call"));
  for (guint i = 0; i < listed->len; i++)
    if (!g_hash_table_remove (members, listed->pdata[i])) {
      g_test_message ("%s is in daemon/bus/bus-scopes.c twice, or in no interface", (char *) listed->pdata[i]);
      g_test_fail ();
    }
}

/* What nobody thought of is not for applications. */
static void
test_unknown_member (void)
{
  static const char *const members[] = { "", " ", "Sendx", "send", "Fetch Ack", "Resolve", "Nick" };
  guint need;

  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    g_assert_false (bus_scopes_find ("Messages", members[i], BUS_CALL, &need));
    g_assert_cmpuint (need, ==, APP_MAY_ADMIN);
    g_assert_false (bus_scopes_allow (APP_MAY_READ | APP_MAY_SEND | APP_MAY_TRUST, "Messages", members[i], BUS_CALL));
  }
  g_assert_false (bus_scopes_find ("Elsewhere", "Send", BUS_CALL, &need));
  g_assert_false (bus_scopes_find ("Messages", "Send", BUS_READ, &need));
  g_assert_false (bus_scopes_find ("Manager", "Fingerprint", BUS_WRITE, &need));
}

/* The lines that must never blur, whatever else moves. */
static void
test_lines (void)
{
  static const struct {
    const char *interface, *member;
    BusAction action;
  } never_by_send[] = {
    { "Request", "Resolve", BUS_CALL }, { "Key", "Accept", BUS_CALL }, { "Key", "Revoke", BUS_CALL },
    { "Contact", "Petname", BUS_WRITE }, { "Contact", "Blocked", BUS_WRITE }, { "Contact", "LegacyAllowed", BUS_WRITE },
    { "Contact", "Forget", BUS_CALL }, { "Manager", "AddContact", BUS_CALL }, { "Manager", "CreateInvite", BUS_CALL },
    { "Manager", "AcceptInvite", BUS_CALL }, { "Manager", "RegisterAgent", BUS_CALL },
    { "Manager", "TrustMode", BUS_WRITE }, { "Verification", "EnterCode", BUS_CALL }, { "Verification", "Confirm", BUS_CALL },
    { "Verification", "Code", BUS_READ }, { "Messages", "Delete", BUS_CALL }, { "Network", "Probe", BUS_CALL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (never_by_send); i++)
    g_assert_false (
      bus_scopes_allow (APP_MAY_READ | APP_MAY_SEND, never_by_send[i].interface, never_by_send[i].member, never_by_send[i].action));
  g_assert_false (bus_scopes_allow (APP_SCOPES_ALL, "Manager", "SetAppAccess", BUS_CALL));
  g_assert_false (bus_scopes_allow (APP_SCOPES_ALL, "Manager", "ForgetApp", BUS_CALL));
  g_assert_false (bus_scopes_allow (APP_MAY_READ, "Messages", "Send", BUS_CALL));
  g_assert_false (bus_scopes_allow (APP_MAY_TRUST | APP_MAY_ADMIN, "Messages", "List", BUS_CALL)); /* none implies another */
  g_assert_true (bus_scopes_allow (APP_MAY_SEND, "Messages", "Send", BUS_CALL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus/scopes/every-member", test_every_member);
  g_test_add_func ("/bus/scopes/unknown-member", test_unknown_member);
  g_test_add_func ("/bus/scopes/lines", test_lines);
  return g_test_run ();
}
