/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Trust decisions: asks policy, holds the open questions (one per key; a stream has a deadline, the question waits),
 * writes the store. Does not know who displays the question.
 *
 * SECURITY CRITICAL. Every verdict is logged with its inputs and every change is audited with its caller. Disk
 * first: no level rises in memory before the store has it. Main thread only.
 */
#pragma once

#include "daemon/io/roots.h"
#include "daemon/io/trust-invites.h"
#include "daemon/model/contacts.h"

typedef struct _Trust Trust;
typedef struct _Request Request;

/* Each may be NULL. */
typedef struct {
  void (*request_added) (gpointer user, Request *request);
  void (*request_changed) (gpointer user, Request *request);
  void (*request_removed) (gpointer user, Request *request);  /* still readable during the call */
  /* A key's level or its contact's blocking changed on disk and in memory: streams and queues follow. `release`: what was
   * written for the key before may go to this one. */
  void (*level_changed) (gpointer user, Contact *contact, Key *key, gboolean release);
  /* A contact's key is about to be replaced and what was written for the old one shall not go to the new one: hold it, on disk
   * before this returns to the loop. `hold` FALSE: it could not be stored, the old key stands. */
  void (*replacing) (gpointer user, guint32 contact_id, gboolean hold);
  /* After level_changed: the key left this contact, which was kept, for that one; what was written to it is for that one now. */
  void (*moved) (gpointer user, guint32 from, Contact *to);
  void (*forgotten) (gpointer user, guint32 contact_id, const Fingerprint *fp /* NULL = all */);
  void (*mode_changed) (gpointer user);                        /* of TrustMode or LegacyPolicy */
  /* Who may speak in clear may have changed: streams in clear are judged anew by trust_still_admits_clear(). From the loop. */
  void (*clear_changed) (gpointer user);
  /* For Manager.Warnings: stable key, text (NULL withdraws). */
  void (*warning) (gpointer user, const char *key, const char *text);
} TrustWatch;

Trust *trust_new (Contacts *contacts, TrustStore *store, TrustMode mode, GArray *request_rows_take);
void trust_free (Trust *trust);
void trust_watch (Trust *trust, const TrustWatch *watch, gpointer user);
void trust_unwatch (Trust *trust, gpointer user);
TrustMode trust_get_mode (Trust *trust);
void trust_set_mode (Trust *trust, TrustMode mode);
LegacyPolicy trust_get_legacy_policy (Trust *trust);             /* refuse until set */
void trust_set_legacy_policy (Trust *trust, LegacyPolicy policy);

/* What a handshake showed. */
typedef struct {
  Fingerprint fp;
  const char *addr;        /* the address it claims (stream from, or the instance we dialled) */
  guint32 expected;        /* the contact we dialled, 0 = none */
  const char *link;        /* interface name or "" */
  gboolean inbound;
  gboolean expired;
  RootsVerdict chain;      /* to a private root, for that address; zero where none was looked for */
} TrustProof;

/* Judges a proven key and raises the question if one is due. `contact` and `key` are set (borrowed) unless refused without a
 * record. An action of PIN or JOIN_CA has been written by the time `done` is called; until then nothing is admitted. */
typedef void (*TrustJudged) (gpointer user, TrustVerdict verdict, Contact *contact, Key *key);
void trust_judge (Trust *trust, const TrustProof *proof, TrustJudged done, gpointer user);

/* The same question about a stream that was let in, without any effect: may it stay? */
gboolean trust_still_admits (Trust *trust, const TrustProof *proof);
/* Was it let in for the sake of its chain? Then it is whom the chain names, and nobody else. */
gboolean trust_is_by_chain (Trust *trust, const Fingerprint *fp);
/* It was, and calls itself what the chain does not: that it is refused goes on record. */
void trust_refuse_other_name (Trust *trust, const TrustProof *proof);

/* Before our certificate leaves (T-12): may this key go on answering for `contact`, whom we dialled? FALSE for another
 * key than the pinned ones; that raises a name-conflict. */
gboolean trust_accepts_for (Trust *trust, Contact *contact, const Fingerprint *fp, const char *addr, const char *link);

/* A peer that speaks no TLS (docs/protocol.md 3.9, T-21): may this stream go on in clear with this contact? Never for one that has,
 * or whose name was ever used by, a key, nor for one that announces TLS. Raises the `legacy-peer` question if one is due, and logs. */
gboolean trust_admits_clear (Trust *trust, Contact *contact, const char *addr, const char *link, gboolean inbound);
/* The same question about a stream that was admitted, without any effect. */
gboolean trust_still_admits_clear (Trust *trust, Contact *contact);
/* A person's word about this contact, whatever the policy. PEER_INSECURE: allowing one that ever had TLS. */
void trust_set_legacy_choice (Trust *trust, Contact *contact, LegacyChoice choice, const char *caller, DoneFunc done,
                              gpointer user);

/* Open questions. */
GPtrArray *trust_list_requests (Trust *trust);                  /* items borrowed */
Request *trust_get_request (Trust *trust, guint64 id);
guint64 request_get_id (const Request *request);
const char *request_get_kind (const Request *request);          /* new-key, name-conflict, legacy-peer, introduction, duplicate-identity */
const Fingerprint *request_get_fingerprint (const Request *request); /* NULL: legacy-peer */
Contact *request_get_contact (const Request *request);          /* NULL: an introduction of a key never seen */
Contact *request_get_contested (const Request *request);        /* or NULL */
gint64 request_get_created (const Request *request);
gint64 request_get_snoozed (const Request *request);
const char *request_get_name (const Request *request);          /* as claimed; introduction: as the introducer calls it; hostile text */
const char *request_get_link (const Request *request);
/* The key whose place this one takes by that key's own signed word; NULL = there is none. */
const Fingerprint *request_get_predecessor (const Request *request);
const char *const *request_get_choices (const Request *request);
Contact *request_get_introducer (const Request *request);       /* NULL: it is no introduction, like the next two */
const Fingerprint *request_get_introducer_fingerprint (const Request *request);
const char *request_get_note (const Request *request);          /* "" = none; hostile text */
/* Its key was forgotten, blocked, refused or revoked once. */
gboolean request_was_forgotten (const Request *request);
/* The first call wins; later ones ALREADY_RESOLVED. `choice` not offered, or `fp` NULL or another key's for a choice that
 * raises trust: INVALID_ARGUMENT, MISMATCH; with legacy-peer there is no key, `fp` is NULL. `caller` goes to the audit. Choices for which trust_needs_comparison()
 * are answered by trust_resolve_verified() only; but of an introduction `verify` is the user's word to have compared the fingerprint
 * face to face, and the caller sees to it that it is one. */
void trust_resolve (Trust *trust, guint64 id, const char *choice, const Fingerprint *fp, const char *petname,
                    gboolean release, const char *caller, DoneFunc done, gpointer user);
/* `verify` and `verify-replace`: like accept and replace, but as `verified`, and only after a person has compared. */
gboolean trust_needs_comparison (const char *choice);
/* Could that be the answer, once compared? Nothing changes. Errors as of trust_resolve(), and NOT_TRUSTED: the key was revoked or blocked. */
gboolean trust_may_verify (Trust *trust, guint64 id, const char *choice, const Fingerprint *fp, const char *petname, const char *caller,
                           GError **error);
/* The person has: `source` is how (code, fingerprint). */
void trust_resolve_verified (Trust *trust, guint64 id, const char *choice, const Fingerprint *fp, const char *petname, gboolean release,
                             const char *source, const char *caller, DoneFunc done, gpointer user);
void trust_snooze (Trust *trust, guint64 id, gint64 until, DoneFunc done, gpointer user);

/* docs/protocol.md 3.5, T-13: `old` says, well signed, that the key of `proof`, which this very stream proved, takes its place. Once, one step
 * at a time: only a key that is trusted now and was never replaced may name its heir, and only one nothing was ever decided about.
 * Then the heir moves into the old key's contact at its level, and the old key is revoked in its favour. Said again it changes
 * nothing. `strict` and `ca` let nobody in by it: it goes into the question about the heir, and `replace` then inherits. NOT_TRUSTED:
 * refused, with the reason, and on record. QUOTA_EXCEEDED: TRUST_HEIRS_A_DAY changes of that contact are less than a day old. */
#define TRUST_HEIRS_A_DAY 8
void trust_succeed (Trust *trust, const Fingerprint *old_fp, const TrustProof *proof, DoneFunc done, gpointer user);
/* The same, said beforehand on a stream of the old key: `proof` is the heir's, which has proven nothing yet. So nothing moves; `strict` and
 * `ca`, where an unknown key has no stream to say it on, ask; about TRUST_HEIRS_EACH heirs of one key at a time. */
#define TRUST_HEIRS_EACH 4
void trust_expect_heir (Trust *trust, const Fingerprint *old_fp, const TrustProof *proof, DoneFunc done, gpointer user);
/* Would it be let through now? For what costs more than asking. NULL, or why not: a static word. */
const char *trust_why_no_heir (Trust *trust, const Fingerprint *old_fp, const Fingerprint *new_fp);
/* A statement that was refused for what it is. */
void trust_refuse_succession (Trust *trust, const Fingerprint *old_fp, const TrustProof *proof, const char *why);

/* A handshake proved our own key, and it was not with ourselves. People are asked (`duplicate-identity`), and not again about the same address
 * when they chose to ignore it. */
void trust_note_duplicate (Trust *trust, const TrustProof *proof);
#define TRUST_DUPLICATES_SETTING "duplicate-ignored"
/* A verified contact's word that our key is not to be trusted, until it says otherwise or our key is another; after trust_set_own(), from each
 * setting of that prefix: the rest of its name, and its value. Told of as the warning `key-distrusted`. */
#define TRUST_DISTRUST_SETTING "distrusts-us:"
void trust_restore_distrust (Trust *trust, const char *name, const char *value);
/* At start, with the setting of that name, and when our key has become another (NULL): what was asked about the old one is over. */
void trust_set_own (Trust *trust, const Fingerprint *own, const char *ignored);
/* That question: it is about nobody else. */
gboolean request_is_own (const Request *request);

/* How somebody came to trust a key. */
typedef struct {
  const char *source;      /* user, fingerprint, qr */
  gboolean in_person;      /* compared face to face: `verified`, else `pinned` */
} TrustEvidence;

/* Decisions without a question. Errors: NOT_FOUND, BLOCKED (accept a blocked contact's key). A higher level stays. */
void trust_accept (Trust *trust, const Fingerprint *fp, const TrustEvidence *evidence, const char *caller, DoneFunc done,
                   gpointer user);
/* The user has said that the code of this key is the one on the other screen (docs/protocol.md 3.6): `verified`, source "code". A key
 * below pinned is accepted by it. Also NOT_TRUSTED: revoked, or revoked meanwhile. */
void trust_verify (Trust *trust, const Fingerprint *fp, const char *caller, DoneFunc done, gpointer user);
/* Two codes differed, or somebody cheated: nothing changes, but it is on record. `caller` "peer": bounded, strangers can cause it. */
void trust_note_mismatch (Trust *trust, const Fingerprint *fp, const char *why, const char *caller);
void trust_revoke (Trust *trust, const Fingerprint *fp, const char *reason, const char *caller, DoneFunc done, gpointer user);
void trust_set_blocked (Trust *trust, Contact *contact, gboolean blocked, const char *caller, DoneFunc done, gpointer user);
/* Removes the contact, its keys and history; a tombstone of each key stays. */
void trust_forget (Trust *trust, Contact *contact, const char *caller, DoneFunc done, gpointer user);
/* What was said with it is gone as well. Until then a setting of this name and its number stands beside the decision: a start that finds one is
 * to delete the conversation. */
#define TRUST_FORGOTTEN_SETTING "forgotten:"
void trust_forget_done (Trust *trust, guint32 contact);
/* A contact known by key before it was ever seen. Reports the id. */
typedef void (*TrustAdded) (gpointer user, guint32 contact_id, const GError *error);
void trust_add_contact (Trust *trust, const char *petname, const Fingerprint *fp, const TrustEvidence *evidence,
                        const char *caller, TrustAdded done, gpointer user);
/* Invites (docs/protocol.md 3.11); trust-invite.c. Neither lifts a block, nor a word against a key: BLOCKED, NOT_TRUSTED.
 * A peer has proved that it knows the secret of invite `id`, made by `caller`: its key becomes pinned, or verified with `in_person`, source
 * "invite", and one use is spent, in one change. FALSE: its name is somebody else's, so that only the use is spent and the question
 * about that name stays open; `done` is called all the same. Also ALREADY_RESOLVED: people decide about it right now. */
gboolean trust_admit_invited (Trust *trust, const Fingerprint *fp, const char *id, gboolean in_person, const char *caller,
                              DoneFunc done, gpointer user);
/* The user accepts an invite: a contact with that key, pinned, or verified with `in_person`. `owed`: the proof that is owed from then on,
 * written with it; NULL = the link had no secret. */
void trust_accept_invite (Trust *trust, const char *petname, const Fingerprint *fp, gboolean in_person, const InviteOwedRow *owed,
                          const char *caller, TrustAdded done, gpointer user);

/* What a peer says about a key (docs/protocol.md 3.7): trust-introduce.c. */
#define TRUST_INTRODUCTIONS_MAX 64        /* open at once … */
#define TRUST_INTRODUCTIONS_EACH 16       /* … of one introducer */

typedef struct {
  Contact *from;
  Key *by;                 /* the stream's */
  gboolean trusted;        /* the stream is */
  gboolean ours;           /* it is about our own key */
  gboolean distrust;
  Fingerprint fp;          /* the key it is about */
  const char *name, *note; /* cleaned; "" = none */
} Testimony;

/* Asks policy. An introduction may raise a question and never more, a warning is shown at the key, and a key that gives itself up is
 * revoked. Nothing is kept of what the speaker may not say but a rationed record. `done` when what follows is on disk, perhaps
 * before this returns; a key is revoked, and level_changed was called, before that. */
void trust_hear (Trust *trust, const Testimony *testimony, DoneFunc done, gpointer user);
/* What could not be read as one of these: a rationed record. */
void trust_note_malformed (Trust *trust, Contact *from, Key *by, const char *why);
/* Into the audit: our user introduced a key to somebody. */
void trust_record_introduced (Trust *trust, Contact *to, const Fingerprint *fp, const char *caller);

/* Keeps a contact (somebody wrote to it, named it): gives it a row. */
void trust_keep (Trust *trust, Contact *contact, DoneFunc done, gpointer user);
/* Into the audit: a change of trust that is about no key (a setting). */
void trust_record (Trust *trust, const char *event, const char *inputs, const char *verdict, const char *caller);
/* <granted/> reached the peer. */
void trust_grant_done (Trust *trust, Key *key);
