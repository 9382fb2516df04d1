/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * trust release: what was written for a key that another one replaced goes to the new one. SECURITY: somebody has to say so, after the
 * replacement, and sees how much it is.
 */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/entry.h"
#include "cli/out.h"
#include "cli/peer.h"

#define PAGE 500
#define HELD_REASON "key-replaced"
#define HELD_US (31 * G_TIME_SPAN_DAY) /* nothing waits longer: messages expire after 30 days */

static gboolean option_yes;

static const GOptionEntry options[] = { { "yes", 0, 0, G_OPTION_ARG_NONE, &option_yes, "Do not ask", NULL }, G_OPTION_ENTRY_NULL };

/* Ids of the messages that are held, newest first. NULL = an error. */
static GPtrArray *
find_held (Ctl *ctl, const char *path, GError **error)
{
  g_autoptr (GPtrArray) held = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, error);
  gint64 oldest = g_get_real_time () - HELD_US;
  guint64 before = 0;
  gboolean more = TRUE;

  if (messages == NULL)
    return NULL;
  while (more)
    {
      g_autoptr (GVariant) entries = NULL;
      guint64 last = before;

      if (!earshot_messages_call_list_sync (messages, path, before, PAGE, entry_filter (ENTRY_MESSAGES), &entries, &more, NULL, error))
        return NULL;
      for (gsize i = 0; i < g_variant_n_children (entries); i++)
        {
          g_auto (Entry) entry = { 0 };

          entry_read (&entry, entries, i);
          before = entry.seq;
          more = more && entry.time > oldest;
          if (entry.outgoing && g_str_equal (entry.state, "held") && g_str_equal (entry.reason, HELD_REASON))
            g_ptr_array_add (held, g_strdup (entry.id));
        }
      /* A daemon that goes in circles shall not take us along. */
      if (before == last || (last != 0 && before > last))
        break;
    }
  return g_steal_pointer (&held);
}

static gboolean
is_trusted (Ctl *ctl, const char *path)
{
  return trust_reaches (peer_get_trust (ctl, path), "pinned");
}

static int
confirm (Ctl *ctl, const char *path, guint count)
{
  g_autofree char *label = peer_dup_label (ctl, path);
  g_autofree char *groups = fingerprint_dup_groups (peer_get_fingerprint (ctl, path));
  g_autofree char *question = g_strdup_printf ("Send %u message%s, written for the key before, to this one?", count, count == 1 ? "" : "s");

  if (option_yes)
    return EXIT_DONE;
  if (!ctl->can_ask)
    return ctl_usage (ctl, "without a terminal releasing needs --yes");
  out_field (ctl, "peer", label);
  out_field (ctl, "trust", peer_get_trust (ctl, path));
  out_field (ctl, "fingerprint", groups);
  if (ctl_ask (ctl, question))
    return EXIT_DONE;
  ctl_note (ctl, "nothing was changed");
  return EXIT_FAILED;
}

static int
release (Ctl *ctl, const char *path, GPtrArray *held)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, &error);
  g_autofree char *label = peer_dup_label (ctl, path);
  guint released = 0;
  int code = EXIT_DONE;

  if (messages == NULL)
    return ctl_fail (ctl, error);
  for (guint i = held->len; i > 0; i--)
    {
      const char *id = g_ptr_array_index (held, i - 1);
      g_autoptr (GError) refused = NULL;

      if (earshot_messages_call_retry_sync (messages, id, NULL, &refused))
        released++;
      else
        code = ctl_fail_for (ctl, id, refused);
    }
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("released");

      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, path, NULL));
      json_object_set_int_member (object, "count", released);
      json_line_print (stdout, object);
    }
  else
    ctl_note (ctl, "released %u message%s to %s", released, released == 1 ? "" : "s", label);
  return code == EXIT_DONE || released == 0 ? code : EXIT_PARTIAL;
}

static int
run_release (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) held = NULL;
  g_autofree char *path = NULL;
  int code;

  if (!ctl_load (ctl, &error) || (path = peer_select (ctl, argv[0], SELECTOR_TRUST, &error)) == NULL
      || (held = find_held (ctl, path, &error)) == NULL)
    return ctl_fail (ctl, error);
  if (held->len == 0)
    {
      error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_FOUND, "nothing written for an earlier key of %s is held", argv[0]);
      return ctl_fail (ctl, error);
    }
  if (!is_trusted (ctl, path))
    {
      error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_TRUSTED, "%s has no key that is trusted; nothing was released", argv[0]);
      return ctl_fail (ctl, error);
    }
  if ((code = confirm (ctl, path, held->len)) != EXIT_DONE)
    return code;
  return release (ctl, path, held);
}

const Command command_trust_release = {
  .name = "release",
  .args = "PEER",
  .summary = "Send what was written for a replaced key to the new one",
  .detail = "After \"trust replace\" without --release it is held: it was meant for whoever had the old key.",
  .examples = "xmppctl trust release juliet\nxmppctl trust release juliet --yes",
  .options = options,
  .min_args = 1,
  .max_args = 1,
  .by_key = TRUE,
  .run = run_release,
};
