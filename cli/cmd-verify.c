/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * verify: two people compare codes. SECURITY: what makes a key verified is a code that a person has read from the other screen; there is
 * no --yes, and our own code is wiped from the line before the other's is asked for, because copying it down would prove nothing.
 */
#include "earshot-config.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/live.h"
#include "cli/name-warning.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/verify.h"

#define LINE_MAX_BYTES 256

#define FAREWELL_US (5 * G_USEC_PER_SEC)

static char *option_enter;
static gboolean option_cancel;

static const GOptionEntry options[] = {
  { "enter", 0, 0, G_OPTION_ARG_STRING, &option_enter, "What the other screen shows; asks nothing then", "CODE" },
  { "cancel", 0, 0, G_OPTION_ARG_NONE, &option_cancel, "End the run that is under way", NULL },
  G_OPTION_ENTRY_NULL
};

typedef struct {
  Ctl *ctl;
  char *contact, *path;
  const Decision *decision; /* what the code shall decide, NULL = just this key */
  const char *choice;
  GVariant *resolve_options;
  char *label;   /* of the peer, escaped */
  GString *line; /* what is being typed */
  enum { WAITING, READING_ALOUD, TYPING } step;
  gboolean over; /* the daemon knows the answer */
  guint stdin_source, interrupt_source;
} Verifier;

/* --- showing ------------------------------------------------------------------------------------------------- */

static void
print_json (Ctl *ctl, Verifier *verifier, const char *state, const char *code)
{
  JsonObject *object = json_line_new ("verification");
  const char *key = model_string (ctl->model, verifier->path, "Verification", "Key");

  json_object_set_string_member (object, "state", state);
  json_object_set_string_member (object, "role", model_string (ctl->model, verifier->path, "Verification", "Role"));
  json_object_set_string_member (object, "code", code);
  json_object_set_string_member (object, "fingerprint", model_string (ctl->model, key, "Key", "Fingerprint"));
  json_set_time (object, "expires", model_number (ctl->model, verifier->path, "Verification", "Expires"));
  json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, verifier->contact, NULL));
  json_line_print (stdout, object);
}

static const char *
get_fingerprint (Ctl *ctl, Verifier *verifier)
{
  return model_string (ctl->model, model_string (ctl->model, verifier->path, "Verification", "Key"), "Key", "Fingerprint");
}

/* Signals never carry the code. Caller frees; NULL = an error. */
static char *
read_code (Ctl *ctl, Verifier *verifier, GError **error)
{
  g_autoptr (GVariant) reply =
    g_dbus_connection_call_sync (ctl->connection, ctl->owner, verifier->path, "org.freedesktop.DBus.Properties", "Get",
                                 g_variant_new ("(ss)", EARSHOT_NAME ".Verification", "Code"), G_VARIANT_TYPE ("(v)"),
                                 G_DBUS_CALL_FLAGS_NONE, ctl_call_timeout (ctl), NULL, error);
  g_autoptr (GVariant) value = NULL;

  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(v)", &value);
  return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ? g_variant_dup_string (value, NULL) : g_strdup ("");
}

/* --- how it ends ------------------------------------------------------------------------------------------------ */

static void
fail_with (Ctl *ctl, Verifier *verifier, CliError code, const char *text)
{
  g_autoptr (GError) error = g_error_new (CLI_ERROR, code, "%s", text);

  verifier->over = TRUE;
  live_fail (ctl, error);
}

static void
fail_mismatch (Ctl *ctl, Verifier *verifier, const char *text)
{
  ctl_hint (ctl,
            "somebody may sit between you and %s: check with the person, then try again; until then trust nothing that "
            "comes from there",
            verifier->label);
  fail_with (ctl, verifier, CLI_ERROR_MISMATCH, text);
}

static void
succeed (Ctl *ctl, Verifier *verifier)
{
  verifier->over = TRUE;
  if (ctl->json)
    print_json (ctl, verifier, "done", "");
  else
    ctl_note (ctl, "%s is verified; it is for them to say the same of you", verifier->label);
  live_quit (ctl, EXIT_DONE);
}

static void
report_end (Ctl *ctl, Verifier *verifier)
{
  const char *state = model_string (ctl->model, verifier->path, "Verification", "State");
  const char *reason = model_string (ctl->model, verifier->path, "Verification", "Reason");

  if (verifier->over)
    return;
  if (verifier->step != WAITING)
    fputc ('\n', stderr);
  if (g_str_equal (state, "done"))
    succeed (ctl, verifier); /* another front end of ours was quicker */
  else if (g_str_equal (reason, "peer") && g_str_equal (state, "mismatch"))
    fail_mismatch (ctl, verifier, "the other person typed another code than the one shown here");
  else if (g_str_equal (state, "mismatch"))
    fail_mismatch (ctl, verifier,
                   g_str_equal (reason, "code") ? "the codes differ"
                                                : "the other side does not keep to what it had committed to");
  else if (g_str_equal (state, "expired"))
    fail_with (ctl, verifier, CLI_ERROR_TIMEOUT, "the time to compare ran out");
  else if (g_str_equal (reason, "stream-closed"))
    fail_with (ctl, verifier, CLI_ERROR_NOT_REACHABLE, "the stream closed: the code was bound to it");
  else if (g_str_equal (reason, "user"))
    fail_with (ctl, verifier, CLI_ERROR_CANCELLED, "cancelled");
  else if (g_str_equal (reason, "limit"))
    fail_with (ctl, verifier, CLI_ERROR_REFUSED,
               "the other side says that there were too many attempts: try again in ten minutes");
  else if (g_str_equal (reason, "refused"))
    fail_with (ctl, verifier, CLI_ERROR_REFUSED, "the other side does not compare codes, or not now");
  else
    fail_with (ctl, verifier, CLI_ERROR_REFUSED, "the other side ended it");
}

static gboolean
cancel_run (Ctl *ctl, Verifier *verifier, GError **error)
{
  g_autoptr (EarshotVerification) run = ctl_verification (ctl, verifier->path, error);

  verifier->over = TRUE;
  return run != NULL && earshot_verification_call_cancel_sync (run, "", NULL, error);
}

/* FALSE = asked again: no code can look like that. */
static gboolean
enter (Ctl *ctl, Verifier *verifier, const char *code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotVerification) run = ctl_verification (ctl, verifier->path, &error);
  const char *name = "";
  gboolean matches = FALSE;

  if (run != NULL && earshot_verification_call_enter_code_sync (run, code, &matches, NULL, &error))
    {
      if (matches)
        succeed (ctl, verifier);
      else
        fail_mismatch (ctl, verifier, "that is not the code shown here");
      return TRUE;
    }
  exit_code_of_error (error, &name, NULL);
  if (option_enter == NULL && g_str_equal (name, "InvalidArgument"))
    return FALSE;
  verifier->over = TRUE;
  live_fail (ctl, error);
  return TRUE;
}

/* --- the terminal ------------------------------------------------------------------------------------------------- */

static void
prompt_for_code (Ctl *ctl, Verifier *verifier)
{
  fprintf (stderr, "Type the numbers that %s reads to you: ", verifier->label);
  fflush (stderr);
}

static void
on_line (Ctl *ctl, Verifier *verifier, char *line)
{
  const char *terminal = g_getenv ("TERM");

  g_strstrip (line);
  if (verifier->step == READING_ALOUD)
    {
      verifier->step = TYPING;
      if (terminal != NULL && !g_str_equal (terminal, "dumb"))
        fputs ("\033[1A\033[2K\r", stderr);
      prompt_for_code (ctl, verifier);
    }
  else if (verifier->step == TYPING && (*line == '\0' || !enter (ctl, verifier, line)))
    {
      if (*line != '\0')
        fputs ("A code is three numbers of four digits.\n", stderr);
      prompt_for_code (ctl, verifier);
    }
}

static void
give_up (Ctl *ctl, Verifier *verifier, int code)
{
  g_autoptr (GError) error = NULL;

  fputc ('\n', stderr);
  cancel_run (ctl, verifier, &error);
  ctl_note (ctl, "nothing was changed");
  live_quit (ctl, code);
}

static gboolean
on_stdin (int fd, GIOCondition condition, gpointer user)
{
  Verifier *verifier = user;
  char buffer[LINE_MAX_BYTES];
  ssize_t n = read (fd, buffer, sizeof buffer);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return G_SOURCE_CONTINUE;
  if (n <= 0)
    {
      verifier->stdin_source = 0;
      give_up (verifier->ctl, verifier, EXIT_FAILED);
      return G_SOURCE_REMOVE;
    }
  for (ssize_t i = 0; i < n && !verifier->over; i++)
    if (buffer[i] == '\n')
      {
        g_autofree char *line = g_strdup (verifier->line->str);

        g_string_truncate (verifier->line, 0);
        on_line (verifier->ctl, verifier, line);
      }
    else if (buffer[i] != '\0' && verifier->line->len < LINE_MAX_BYTES)
      {
        g_string_append_c (verifier->line, buffer[i]);
      }
  explicit_bzero (buffer, sizeof buffer);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_interrupt (gpointer user)
{
  Verifier *verifier = user;

  verifier->interrupt_source = 0;
  give_up (verifier->ctl, verifier, EXIT_INTERRUPTED);
  return G_SOURCE_REMOVE;
}

static void
show_code (Ctl *ctl, Verifier *verifier, const char *code)
{
  g_autofree char *safe = escape_text (code);

  if (ctl->json)
    print_json (ctl, verifier, "comparing", code);
  else if (!ctl->can_ask)
    out_line (ctl, "%s", code);
  if (!ctl->can_ask)
    {
      ctl_note (ctl, "this screen's code; with the other one's: xmppctl verify %.*s --enter CODE", SELECTOR_PREFIX_MIN_TRUST,
                get_fingerprint (ctl, verifier));
      verifier->over = TRUE;
      live_quit (ctl, EXIT_DONE);
      return;
    }
  verifier->step = READING_ALOUD;
  fprintf (stderr, "Read to %s, aloud or by phone:  %s   [Enter when they have it] ", verifier->label, safe);
  fflush (stderr);
  verifier->stdin_source = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_stdin, verifier);
}

/* --- what the daemon says --------------------------------------------------------------------------------------- */

static void
look (Ctl *ctl, Verifier *verifier)
{
  const char *state = model_string (ctl->model, verifier->path, "Verification", "State");
  g_autoptr (GError) error = NULL;
  g_autofree char *code = NULL;

  if (verifier->over || g_str_equal (state, "waiting-peer") || g_str_equal (state, "confirmed-here"))
    return;
  if (!g_str_equal (state, "comparing"))
    report_end (ctl, verifier);
  else if (option_enter != NULL)
    enter (ctl, verifier, option_enter);
  else if (verifier->step == WAITING)
    {
      code = read_code (ctl, verifier, &error);
      if (code != NULL)
        show_code (ctl, verifier, code);
      else
        live_fail (ctl, error);
    }
}

static void
on_changed (Ctl *ctl, const char *path, const char *interface, gpointer user)
{
  Verifier *verifier = user;

  if (g_strcmp0 (path, verifier->path) == 0 && g_str_equal (interface, "Verification"))
    look (ctl, verifier);
}

static void
on_removed (Ctl *ctl, const char *path, gpointer user)
{
  Verifier *verifier = user;

  if (g_strcmp0 (path, verifier->path) == 0)
    report_end (ctl, verifier);
}

/* --- the command ---------------------------------------------------------------------------------------------------- */

/* The run with this contact that the daemon lists; NULL = none. */
static const char *
find_run (Ctl *ctl, const char *contact)
{
  g_autoptr (GPtrArray) runs = model_list (ctl->model, "Verification");

  for (guint i = 0; i < runs->len; i++)
    if (g_str_equal (model_string (ctl->model, runs->pdata[i], "Verification", "Contact"), contact))
      return runs->pdata[i];
  return NULL;
}

/* Begins or joins. */
static gboolean
obtain_run (Ctl *ctl, Verifier *verifier, const char *who, GError **error)
{
  const char *there = find_run (ctl, verifier->contact);
  g_autoptr (EarshotContact) contact = NULL;

  if (there != NULL)
    {
      verifier->path = g_strdup (there);
      return TRUE;
    }
  if (option_enter != NULL || option_cancel)
    {
      ctl_hint (ctl, "begin with: xmppctl verify %s", who);
      g_set_error (error, CLI_ERROR, CLI_ERROR_NOT_FOUND, "no codes are being compared with %s", who);
      return FALSE;
    }
  contact = ctl_contact (ctl, verifier->contact, error);
  if (contact == NULL || !earshot_contact_call_verify_sync (contact, ctl_no_options (), &verifier->path, NULL, error)
      || !ctl_load (ctl, error))
    return FALSE;
  if (model_has (ctl->model, verifier->path, "Verification"))
    return TRUE;
  g_set_error (error, CLI_ERROR, CLI_ERROR_REFUSED, "the other side ended it at once");
  return FALSE;
}

/* The question's key is compared, whoever began. */
static gboolean
obtain_run_by_answer (Ctl *ctl, Verifier *verifier, GError **error)
{
  g_autoptr (EarshotRequest) request = ctl_request (ctl, verifier->decision->request, error);
  g_autofree char *key = g_strconcat (EARSHOT_ROOT "/key/", verifier->decision->fingerprint, NULL);
  g_autoptr (GPtrArray) runs = NULL;

  if (request == NULL
      || !earshot_request_call_resolve_sync (request, verifier->choice, verifier->resolve_options, NULL, error)
      || !ctl_load (ctl, error))
    return FALSE;
  runs = model_list (ctl->model, "Verification");
  for (guint i = 0; i < runs->len && verifier->path == NULL; i++)
    if (g_str_equal (model_string (ctl->model, runs->pdata[i], "Verification", "Key"), key))
      verifier->path = g_strdup (runs->pdata[i]);
  if (verifier->path != NULL)
    return TRUE;
  g_set_error (error, CLI_ERROR, CLI_ERROR_REFUSED, "the other side ended it at once");
  return FALSE;
}

static gboolean
obtain (Ctl *ctl, Verifier *verifier, const char *who, GError **error)
{
  if (verifier->decision != NULL)
    {
      verifier->contact = g_strdup (verifier->decision->contact);
      return obtain_run_by_answer (ctl, verifier, error);
    }
  verifier->contact = peer_select (ctl, who, SELECTOR_TRUST, error);
  return verifier->contact != NULL && obtain_run (ctl, verifier, who, error);
}

static void
introduce (Ctl *ctl, Verifier *verifier)
{
  g_autofree char *groups = fingerprint_dup_groups (get_fingerprint (ctl, verifier));
  g_autofree char *warning = name_warning_dup (ctl, verifier->contact);

  if (!ctl->can_ask)
    return;
  out_field (ctl, "peer", verifier->label);
  out_field (ctl, "NAME WARNING", warning);
  out_field (ctl, "fingerprint", groups);
  out_flush ();
  if (g_str_equal (model_string (ctl->model, verifier->path, "Verification", "Role"), "initiator"))
    ctl_note (ctl, "on the other side: xmppctl verify with your name");
}

static int
verify (Ctl *ctl, Verifier *verifier, const char *who)
{
  static const LiveHandlers handlers = { .changed = on_changed, .removed = on_removed };
  g_autoptr (GError) error = NULL;
  g_autofree char *label = NULL;
  int code;

  if (option_enter != NULL && option_cancel)
    return ctl_usage (ctl, "--enter or --cancel, not both");
  if (!live_start (ctl, &handlers, verifier, &error) || !obtain (ctl, verifier, who, &error))
    return ctl_fail (ctl, error);
  label = peer_dup_label (ctl, verifier->contact);
  verifier->label = escape_text (label);
  if (option_cancel)
    return cancel_run (ctl, verifier, &error) ? EXIT_DONE : ctl_fail (ctl, error);
  verifier->interrupt_source = g_unix_signal_add (SIGINT, on_interrupt, verifier);
  if (option_enter == NULL)
    introduce (ctl, verifier);
  look (ctl, verifier);
  code = live_run (ctl);
  /* Whoever leaves in the middle leaves nothing behind that somebody could answer. */
  if (!verifier->over && option_enter == NULL)
    {
      /* Also when --timeout is what ended it: the word still has to get out. */
      if (ctl->deadline > 0)
        ctl->deadline = g_get_monotonic_time () + FAREWELL_US;
      cancel_run (ctl, verifier, NULL);
    }
  g_clear_handle_id (&verifier->stdin_source, g_source_remove);
  g_clear_handle_id (&verifier->interrupt_source, g_source_remove);
  return code;
}

static void
verifier_clear (Verifier *verifier)
{
  g_string_free (verifier->line, TRUE);
  g_free (verifier->contact);
  g_free (verifier->path);
  g_free (verifier->label);
}

static int
run_verify (Ctl *ctl, int argc, char **argv)
{
  Verifier verifier = { .ctl = ctl, .line = g_string_new (NULL) };
  int code = verify (ctl, &verifier, argv[0]);

  verifier_clear (&verifier);
  return code;
}

int
verify_decision (Ctl *ctl, const Decision *decision, const char *choice, GVariant *resolve_options)
{
  g_autoptr (GVariant) resolving = g_variant_ref_sink (resolve_options);
  Verifier verifier = { .ctl = ctl, .decision = decision, .choice = choice, .resolve_options = resolving, .line = g_string_new (NULL) };
  int code = verify (ctl, &verifier, NULL);

  verifier_clear (&verifier);
  return code;
}

const Command command_verify = {
  .name = "verify",
  .args = "PEER",
  .summary = "Compare codes with a peer, so that nobody can sit between",
  .detail =
    "Both of you run it. Each screen shows three numbers: read yours to the other, aloud or by phone, not over this\n"
    "network, and type what you are read. If nobody sits between they are the same, and your side then holds the key\n"
    "for verified; the other side decides for itself. There is one try: a wrong code ends the run and the stream.\n"
    "Without a terminal it prints this screen's code and ends; --enter brings the other one's. PEER is a petname or\n"
    "16 digits of the fingerprint.",
  .examples = "xmppctl verify juliet\n"
              "xmppctl verify juliet --enter '4821 7305 1192'\n"
              "xmppctl verify juliet --cancel",
  .options = options,
  .min_args = 1,
  .max_args = 1,
  .by_key = TRUE,
  .run = run_verify,
};
