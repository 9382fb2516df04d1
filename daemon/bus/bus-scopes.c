/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-scopes.h"

#include <string.h>

/* read:  who is there, what was said and what is asked. A consumer of its own belongs to reading (bus-messages.c keeps it off others').
 * send:  speaking in our name, and what the other side notices of us.
 * trust: whom to believe, under what name, and showing the questions about it.
 * admin: ourselves, the network, and what can not be undone. */
static const struct {
  const char *interface;
  BusAction action;
  guint need;
  const char *members; /* between blanks */
} table[] = {
  { "ObjectManager", BUS_CALL, APP_MAY_READ, " GetManagedObjects " },

  { "Manager", BUS_CALL, APP_MAY_READ, " FindContact ParseLink " },
  { "Manager", BUS_CALL, APP_MAY_TRUST, " AddContact RegisterAgent UnregisterAgent " },
  { "Manager", BUS_CALL, APP_MAY_TRUST, " CreateInvite RevokeInvite AcceptInvite " },
  { "Manager", BUS_CALL, APP_MAY_ADMIN, " SetProfile CreateCertificateRequest SetCertificate " },
  { "Manager", BUS_CALL, APP_MAY_ADMIN, " ListAudit CheckAudit ListAppAccess " },
  { "Manager", BUS_CALL, BUS_ONLY_UNCONFINED, " SetAppAccess ForgetApp RotateIdentity ExportIdentity ImportIdentity " },
  { "Manager", BUS_READ, APP_MAY_READ, " Version ApiMinor Features Fingerprint DisplayId Address TrustLink StartTime Invites " },
  { "Manager", BUS_READ, APP_MAY_READ, " PendingRequests Warnings Nick Show StatusText Visibility EagerConnect " },
  { "Manager", BUS_READ, APP_MAY_READ, " MaxStrangers TrustMode LegacyPolicy TrustRoots Certificate " },
  { "Manager", BUS_READ, APP_MAY_READ, " ShareName ShareJid ShareEmail ShareIdle SendMarkers " },
  { "Manager", BUS_WRITE, APP_MAY_SEND, " Show StatusText " },
  { "Manager", BUS_WRITE, APP_MAY_ADMIN, " Nick Visibility EagerConnect MaxStrangers TrustMode LegacyPolicy " },
  { "Manager", BUS_WRITE, APP_MAY_ADMIN, " ShareName ShareJid ShareEmail ShareIdle SendMarkers " },

  { "Contact", BUS_CALL, APP_MAY_SEND, " Connect Disconnect Ping " },
  { "Contact", BUS_CALL, APP_MAY_TRUST, " Verify Introduce " },
  { "Contact", BUS_CALL, APP_MAY_TRUST | APP_MAY_ADMIN, " Forget " },
  { "Contact", BUS_READ, APP_MAY_READ, " Petname ClaimedName ClaimedAddress DisplayName NameWarning Contests Stored Kind " },
  { "Contact", BUS_READ, APP_MAY_READ, " Reach Connected Show StatusText PresenceProven Endpoints LastError " },
  { "Contact", BUS_READ, APP_MAY_READ, " LastSeen FirstSeen Keys ActiveKey Trust Blocked LegacyAllowed Session Resembles " },
  { "Contact", BUS_WRITE, APP_MAY_TRUST, " Petname Blocked LegacyAllowed " },

  { "Conversation", BUS_CALL, APP_MAY_SEND, " MarkRead SetTyping " },
  { "Conversation", BUS_READ, APP_MAY_READ, " Title Unread LastSeq ReadSeq Muted DefaultRequire " },
  { "Conversation", BUS_WRITE, APP_MAY_SEND, " Muted " },
  { "Conversation", BUS_WRITE, APP_MAY_TRUST, " DefaultRequire " },

  { "Key", BUS_CALL, APP_MAY_TRUST, " Accept Revoke " },
  { "Key", BUS_READ, APP_MAY_READ, " Fingerprint DisplayId Contact Trust TrustSource TrustSince IntroducedBy ReplacedBy LastUsed " },
  { "Key", BUS_READ, APP_MAY_READ, " Warnings " },

  /* And never for a question about an application (bus-request.c). */
  { "Request", BUS_CALL, APP_MAY_TRUST, " Resolve Snooze " },
  { "Request", BUS_READ, APP_MAY_READ, " Id Kind Contact Key Created Details Choices " },

  { "Verification", BUS_CALL, APP_MAY_TRUST, " EnterCode Confirm Cancel " },
  { "Verification", BUS_READ, APP_MAY_READ, " Contact Key State Role Expires Reason " },
  { "Verification", BUS_READ, APP_MAY_TRUST, " Code " },

  { "Messages", BUS_CALL, APP_MAY_READ, " Fetch Ack CreateConsumer DeleteConsumer ListConsumers List Get Export " },
  { "Messages", BUS_CALL, APP_MAY_SEND, " Send Cancel Retry Retract React " },
  { "Messages", BUS_CALL, APP_MAY_ADMIN, " Delete Import " },
  { "Messages", BUS_READ, APP_MAY_READ, " HeadSeq TailSeq Queued Held Unread " },

  { "Network", BUS_CALL, APP_MAY_READ, " ListStatic " },
  { "Network", BUS_CALL, APP_MAY_ADMIN, " Rescan AddStatic RemoveStatic Probe Diagnose " },
  { "Network", BUS_READ, APP_MAY_READ, " Backend State InstanceName Port Links " },
};

gboolean
bus_scopes_find (const char *interface, const char *member, BusAction action, guint *need)
{
  g_autofree char *word = g_strconcat (" ", member, " ", NULL);

  *need = APP_MAY_ADMIN;
  if (*member == '\0' || strchr (member, ' ') != NULL)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if (table[i].action == action && g_str_equal (table[i].interface, interface) && strstr (table[i].members, word) != NULL)
      {
        *need = table[i].need;
        return TRUE;
      }
  return FALSE;
}

gboolean
bus_scopes_allow (AppScopes granted, const char *interface, const char *member, BusAction action)
{
  guint need;

  bus_scopes_find (interface, member, action, &need);
  return (need & ~(guint) granted) == 0;
}

GPtrArray *
bus_scopes_list (void)
{
  static const char *const actions[] = { "call", "read", "write" };
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_auto (GStrv) names = g_strsplit (table[i].members, " ", -1);

      for (guint n = 0; names[n] != NULL; n++)
        if (*names[n] != '\0')
          g_ptr_array_add (list, g_strdup_printf ("%s.%s %s", table[i].interface, names[n], actions[table[i].action]));
    }
  return list;
}
