/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One contact: is it seen, does it answer where it says it is, with which key, what is held for it, and has it ever called us?
 */
#include "earshot-config.h"

#include <net/if.h>
#include <string.h>

#include "daemon/base/fingerprint.h"
#include "daemon/model/doctor-private.h"

#define PROBE_MS 5000

typedef struct {
  DoctorRun *run;
  char *endpoint;
} Try;

static void
add (DoctorRun *run, const char *id, CheckStatus status, char *title_take, const char *meaning, const char *fix)
{
  g_ptr_array_add (run->checks, check_new (id, status, title_take, meaning, fix));
}

/* NULL: it went meanwhile, or we did. */
static Contact *
get_contact (DoctorRun *run)
{
  return run->doctor != NULL ? contacts_get (run->doctor->rooms.contacts, run->contact) : NULL;
}

/* --- what is known already ----------------------------------------------------------------------------- */

static void
look_at_trust (DoctorRun *run, Contact *contact)
{
  Key *key = contact_get_active_key (contact);
  TrustLevel level = contact_get_trust (contact);

  if (contact_is_blocked (contact))
    add (run, "peer-trust", CHECK_FAIL, g_strdup ("you have blocked this peer"), "Nothing is sent, and nothing of it is taken.", "xmppctl unblock PEER, if that is over.");
  else if (contact_is_legacy (contact))
    add (run, "peer-trust", CHECK_WARN, g_strdup ("this peer knows no encryption"), "Anybody on the link can read and change what is said.", "xmppctl trust legacy PEER allow, or not.");
  else if (level == TRUST_REVOKED || (key != NULL && key_is_refused (key)))
    add (run, "peer-trust", CHECK_FAIL, g_strdup ("the key this peer shows was rejected or revoked"), "Nothing is sent to it.",
         "If it is theirs after all, compare codes and accept it: xmppctl trust accept FINGERPRINT.");
  else if (level < TRUST_PINNED)
    add (run, "peer-trust", CHECK_WARN, g_strdup (key != NULL ? "you have not accepted the key of this peer" : "no key of this peer is known yet"),
         "What either of you writes is held back until then.", key != NULL ? "xmppctl trust pending" : "Write something: the question comes with the first contact.");
  else
    add (run, "peer-trust", CHECK_OK, g_strdup_printf ("the key of this peer is %s", trust_level_to_string (level)), NULL, NULL);
  if (contact_get_contests (contact)->len > 0)
    add (run, "peer-name", CHECK_WARN, g_strdup ("somebody you know has the same name under another key"), "This is another machine, a new key of theirs, or somebody who pretends.",
         "xmppctl trust pending shows both keys.");
}

static void
look_at_sight (DoctorRun *run, Contact *contact)
{
  const GPtrArray *endpoints = contact_get_endpoints (contact);
  const char *error = contact_get_last_error (contact);
  guint announced = 0, fixed = 0;

  for (guint i = 0; endpoints != NULL && i < endpoints->len; i++)
    {
      const Endpoint *endpoint = endpoints->pdata[i];

      announced += endpoint->instance != NULL && *endpoint->instance != '\0';
      fixed += g_strcmp0 (endpoint->ifname, "static") == 0;
    }
  if (announced > 0)
    add (run, "peer-seen", CHECK_OK, g_strdup_printf ("this peer is announced on our links (%u time%s)", announced, announced > 1 ? "s" : ""), NULL, NULL);
  else if (contact_is_connected (contact))
    add (run, "peer-seen", CHECK_OK, g_strdup ("this peer is not announced, and has a stream to us all the same"), "It sees us; its announcement does not reach us.", NULL);
  else if (fixed > 0)
    add (run, "peer-seen", CHECK_OK, g_strdup_printf ("this peer is not announced and has static addresses (%u)", fixed), NULL, NULL);
  else
    add (run, "peer-seen", CHECK_FAIL, g_strdup ("this peer is not announced on any of our links, and no static address is known"),
         "It is off, elsewhere, invisible, or multicast between you is lost.", "Look at the links above on both machines; without multicast: xmppctl pair there, or xmppctl net static add ADDRESS:PORT here.");
  if (*error != '\0' && !contact_is_connected (contact))
    add (run, "peer-error", CHECK_WARN, g_strdup_printf ("the last attempt to call this peer ended in %s", error), NULL, "xmppctl show PEER says what that means.");
}

static void
look_at_stream (DoctorRun *run, Contact *contact)
{
  Session *session = sessions_find (run->doctor->rooms.sessions, contact);
  guint held = delivery_get_held (run->doctor->rooms.delivery, contact);

  if (session != NULL)
    {
      g_autoptr (GVariant) facts = g_variant_ref_sink (session_describe (session));
      const char *direction = "";

      g_variant_lookup (facts, "direction", "&s", &direction);
      if (g_str_equal (direction, "inbound"))
        add (run, "peer-stream", CHECK_OK, g_strdup ("a stream is open, which this peer opened: it sees us and reaches us"), NULL, NULL);
      else
        add (run, "peer-stream", CHECK_OK, g_strdup ("a stream is open, which we opened; whether this peer sees us it did not show"), NULL, NULL);
      if (session_is_restricted (session))
        add (run, "peer-accepts", CHECK_WARN, g_strdup ("this peer has not accepted our key yet"), "What we write to it is held until it has.", "Ask them to look at: xmppctl trust pending.");
    }
  if (held > 0)
    add (run, "peer-held", CHECK_WARN, g_strdup_printf ("messages held for this peer: %u", held), "approval-needed waits for you, waiting-approval for them, key-replaced for your word about the new key.",
         "xmppctl log PEER shows the reason behind each.");
}

/* --- calling ------------------------------------------------------------------------------------------------ */

static gboolean
is_of_contact (Contact *contact, const char *hex)
{
  const GPtrArray *keys = contact_get_keys (contact);
  Fingerprint fp;

  if (keys == NULL || keys->len == 0)
    return TRUE; /* nothing says otherwise */
  if (!fingerprint_from_hex (hex, &fp))
    return FALSE;
  for (guint i = 0; i < keys->len; i++)
    if (fingerprint_equal (key_get_fingerprint (keys->pdata[i]), &fp))
      return TRUE;
  return FALSE;
}

static void
on_probed (gpointer user, GVariant *result, const GError *error)
{
  Try *try = user;
  DoctorRun *run = try->run;
  Contact *contact = get_contact (run);
  const char *hex = "";

  if (result != NULL)
    g_variant_lookup (result, "fingerprint", "&s", &hex);
  if (contact == NULL)
    ;
  else if (error != NULL)
    add (run, "peer-address", CHECK_FAIL, g_strdup_printf ("%s does not answer: %s", try->endpoint, error->message), "A firewall there, or an address that is out of date.",
         "Let TCP in on that machine; xmppctl doctor there says at which port it listens.");
  else if (is_of_contact (contact, hex))
    add (run, "peer-address", CHECK_OK, g_strdup_printf ("%s answers", try->endpoint), NULL, NULL);
  else
    add (run, "peer-address", CHECK_FAIL, g_strdup_printf ("%s answers with another key (%.16s)", try->endpoint, hex),
         "Another person or machine is there now, or this peer has a new key.", "Compare fingerprints with them by another way before you accept anything.");
  g_free (try->endpoint);
  g_free (try);
  doctor_run_end (run);
}

/* Each address once, and few. */
static void
try_endpoint (DoctorRun *run, const char *endpoint)
{
  Try *try;

  if (run->probed->len >= DOCTOR_ADDRESSES_MAX || g_ptr_array_find_with_equal_func (run->probed, endpoint, g_str_equal, NULL))
    return;
  g_ptr_array_add (run->probed, g_strdup (endpoint));
  try = g_new0 (Try, 1);
  try->run = run;
  try->endpoint = g_strdup (endpoint);
  doctor_run_begin (run);
  sessions_probe (run->doctor->rooms.sessions, endpoint, PROBE_MS, on_probed, try);
}

static char *
dup_endpoint (GSocketAddress *address)
{
  GInetSocketAddress *inet = G_INET_SOCKET_ADDRESS (address);
  g_autofree char *host = g_inet_address_to_string (g_inet_socket_address_get_address (inet));
  guint scope, port = g_inet_socket_address_get_port (inet);
  char link[IF_NAMESIZE];

  if (strchr (host, ':') == NULL)
    return g_strdup_printf ("%s:%u", host, port);
  scope = g_inet_socket_address_get_scope_id (inet);
  if (scope != 0 && if_indextoname (scope, link) != NULL)
    return g_strdup_printf ("[%s%%%s]:%u", host, link, port);
  return g_strdup_printf ("[%s]:%u", host, port);
}

static void
on_resolved (gpointer user, GPtrArray *targets, const GError *error)
{
  DoctorRun *run = user;

  run->query = NULL;
  if (get_contact (run) != NULL && error != NULL)
    add (run, "peer-address", CHECK_FAIL, g_strdup ("nobody tells where this peer is, though it is announced"), "What is announced is out of date, or answers are lost on the way.",
         "Look at the links above on both machines, then: xmppctl net rescan.");
  else if (get_contact (run) != NULL)
    for (guint i = 0; i < targets->len; i++)
      {
        g_autofree char *endpoint = dup_endpoint (targets->pdata[i]);

        try_endpoint (run, endpoint);
      }
  doctor_run_end (run);
}

void
doctor_look_at_peer (DoctorRun *run)
{
  Contact *contact = get_contact (run);
  const GPtrArray *endpoints = contact != NULL ? contact_get_endpoints (contact) : NULL;

  if (contact == NULL)
    return;
  look_at_trust (run, contact);
  look_at_sight (run, contact);
  look_at_stream (run, contact);
  if (contact_is_connected (contact) || contact_is_blocked (contact))
    return;
  for (guint i = 0; endpoints != NULL && i < endpoints->len; i++)
    {
      const Endpoint *endpoint = endpoints->pdata[i];

      if (endpoint->instance != NULL && *endpoint->instance != '\0' && run->query == NULL)
        {
          doctor_run_begin (run);
          run->query = discovery_resolve (run->doctor->rooms.discovery, endpoint->instance, endpoint->domain, on_resolved, run);
        }
      else if (g_strcmp0 (endpoint->ifname, "static") == 0 && endpoint->address != NULL && *endpoint->address != '\0')
        {
          g_autofree char *text = g_strdup_printf (strchr (endpoint->address, ':') != NULL ? "[%s]:%u" : "%s:%u", endpoint->address, endpoint->port);

          try_endpoint (run, text);
        }
    }
}
