/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * edit, retract, react: what is said about an earlier message.
 */
#include "earshot-config.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/message-ref.h"
#include "cli/out.h"
#include "cli/peer.h"

#define TEXT_MAX (256 * 1024) /* the daemon knows the true limit and says TooLarge */
#define EMOJIS_MAX 8

static gboolean option_remove;

static const GOptionEntry react_options[] = {
  { "remove", 0, 0, G_OPTION_ARG_NONE, &option_remove, "Take your reactions back", NULL }, G_OPTION_ENTRY_NULL
};

static int
print_queued (Ctl *ctl, const char *path, const char *id, const char *about, guint64 seq)
{
  g_autofree char *label = peer_dup_label (ctl, path);

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("sent");

      json_object_set_int_member (object, "seq", (gint64) seq);
      json_object_set_string_member (object, "id", id);
      json_object_set_string_member (object, "about", about);
      json_object_set_string_member (object, "state", "queued");
      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, path, NULL));
      json_line_print (stdout, object);
    }
  else if (!ctl->quiet)
    {
      out_line (ctl, "%-9s  %s  %s", "queued", id, label);
    }
  return EXIT_DONE;
}

/* The peer and the message of its conversation; `side` is whose "last" means. */
static gboolean
find_message (Ctl *ctl, const char *peer, const char *word, MessageSide side, char **path, char **id, GError **error)
{
  *path = NULL;
  *id = NULL;
  return ctl_load (ctl, error) && (*path = peer_select (ctl, peer, SELECTOR_ANY, error)) != NULL
         && (*id = message_ref_find (ctl, *path, word, side, error)) != NULL;
}

static char *
read_text (Ctl *ctl)
{
  g_autofree char *text = g_malloc (TEXT_MAX + 1);
  gsize length = fread (text, 1, TEXT_MAX + 1, stdin);

  if (length > TEXT_MAX)
    {
      ctl_usage (ctl, "stdin has more than a message may have (%d bytes)", TEXT_MAX);
      return NULL;
    }
  if (length > 0 && text[length - 1] == '\n')
    length--;
  if (memchr (text, '\0', length) != NULL || !g_utf8_validate (text, (gssize) length, NULL))
    {
      ctl_usage (ctl, "the text is not UTF-8");
      return NULL;
    }
  return g_strndup (text, length);
}

static int
run_edit (Ctl *ctl, int argc, char **argv)
{
  const char *word = argc > 2 ? argv[1] : "last", *given = argv[argc - 1];
  g_autofree char *text = g_str_equal (given, "-") ? read_text (ctl) : g_strdup (given);
  g_autofree char *path = NULL, *of = NULL, *id = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotMessages) messages = NULL;
  GVariantDict options;
  guint64 seq = 0;

  if (text == NULL)
    return EXIT_USAGE;
  if (*text == '\0')
    {
      ctl_hint (ctl, "to take a message back: xmppctl retract %s %s", argv[0], word);
      return ctl_usage (ctl, "there is nothing to say instead: the text is empty");
    }
  if (!find_message (ctl, argv[0], word, MESSAGE_OURS, &path, &of, &error) || (messages = ctl_messages (ctl, &error)) == NULL)
    return ctl_fail (ctl, error);
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "edit_of", "s", of);
  if (!earshot_messages_call_send_sync (messages, path, text, g_variant_dict_end (&options), &id, &seq, NULL, &error))
    return ctl_fail (ctl, error);
  return print_queued (ctl, path, id, of, seq);
}

const Command command_edit = {
  .name = "edit",
  .args = "PEER [ID|last] TEXT",
  .summary = "Correct a message of yours",
  .detail = "Without ID it is the last one you wrote to PEER, but for what was cancelled or failed. ID is one of xmppctl log --ids, or its\n"
            "first digits. TEXT - is stdin.\n"
            "Who knows no corrections sees another message.",
  .examples = "xmppctl edit juliet 'Wherefore art thou, Romeo?'\n"
              "xmppctl edit juliet 6f1c8a20 'at nine, not at eight'\n"
              "xmppctl edit juliet last - < better.txt",
  .min_args = 2,
  .max_args = 3,
  .run = run_edit,
};

static int
run_retract (Ctl *ctl, int argc, char **argv)
{
  g_autofree char *path = NULL, *of = NULL, *id = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotMessages) messages = NULL;
  guint64 seq = 0;

  if (!find_message (ctl, argv[0], argv[1], MESSAGE_OURS, &path, &of, &error) || (messages = ctl_messages (ctl, &error)) == NULL
      || !earshot_messages_call_retract_sync (messages, of, &id, &seq, NULL, &error))
    return ctl_fail (ctl, error);
  return print_queued (ctl, path, id, of, seq);
}

const Command command_retract = {
  .name = "retract",
  .args = "PEER ID|last",
  .summary = "Take a message of yours back",
  .detail = "Its words leave your disk now. The peer's program is asked to forget them, too; nobody can make it do so, and who read\n"
            "them has read them. What had not left yet does not leave.",
  .examples = "xmppctl retract juliet last\n"
              "xmppctl retract juliet 6f1c8a20",
  .min_args = 2,
  .max_args = 2,
  .run = run_retract,
};

static int
run_react (Ctl *ctl, int argc, char **argv)
{
  const char *emojis[EMOJIS_MAX + 1] = { NULL };
  g_autofree char *path = NULL, *of = NULL, *id = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotMessages) messages = NULL;
  guint64 seq = 0;

  if (option_remove != (argc == 2))
    return ctl_usage (ctl, option_remove ? "--remove takes back what there is: name no EMOJI" : "which EMOJI? --remove takes yours back");
  if (argc - 2 > EMOJIS_MAX)
    return ctl_usage (ctl, "at most %d emojis", EMOJIS_MAX);
  for (int i = 2; i < argc; i++)
    emojis[i - 2] = argv[i];
  if (!find_message (ctl, argv[0], argv[1], MESSAGE_THEIRS, &path, &of, &error) || (messages = ctl_messages (ctl, &error)) == NULL
      || !earshot_messages_call_react_sync (messages, path, of, emojis, &id, &seq, NULL, &error))
    return ctl_fail (ctl, error);
  return print_queued (ctl, path, id, of, seq);
}

const Command command_react = {
  .name = "react",
  .args = "PEER ID|last EMOJI...",
  .summary = "React to a message with emojis",
  .detail = "last is the last one that PEER wrote; by ID it may be one of yours. What you name takes the place of your reactions so far.",
  .examples = "xmppctl react juliet last 👍\n"
              "xmppctl react juliet 6f1c8a20 ❤️ 🎉\n"
              "xmppctl react juliet last --remove",
  .options = react_options,
  .min_args = 2,
  .max_args = -1,
  .run = run_react,
};
