/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What trust.c (questions) and trust-decide.c (decisions) share. Nobody else includes it.
 */
#pragma once

#include "daemon/model/trust.h"
#include "daemon/io/pace.h"
#include "daemon/io/trust-invites.h"
#include "daemon/model/watchers.h"

struct _Request {
  Trust *trust;
  RequestRow row;
  gboolean resolving; /* the first Resolve is on its way to the disk */
  gboolean kept;      /* its row was committed */
};

/* Of peers, into the audit. */
typedef struct {
  Pace pace;
  guint left_out;         /* since the last record */
} Refusals;

struct _Trust {
  Contacts *contacts;
  TrustStore *store;
  TrustMode mode;
  GHashTable *requests;   /* &row.id -> Request* (owned) */
  Watchers watchers;
  LegacyPolicy legacy;
  guint review_source;     /* clear_changed is due */
  guint refused_strict;
  Refusals refusals, clear_refusals, testimonies;
  guint mismatches;        /* written to the audit at a peer's instance */
  gboolean first_use_full; /* people were told so */
  Fingerprint own;         /* our key; zeros = not said yet */
  GPtrArray *duplicates;   /* addresses that hold the key we have, and people said to leave them alone; at most DUPLICATES_MAX */
  GPtrArray *judgements;  /* Judgement*, not reported yet */
  GHashTable *warned;     /* Fingerprint* (owned), a set: a warning about the key is on its way to the disk */
};

/* One decision on its way to the disk: what becomes true when it got there. */
typedef struct {
  Trust *trust;
  TrustChange *change;
  /* What is wanted, and what was there when it was wanted (id 0, or level and times 0: nothing). The difference is what
   * is written, onto the rows as they are when its turn has come. */
  GArray *contacts, *contacts_before; /* ContactRow */
  GArray *keys, *keys_before;         /* KeyRow */
  guint64 request;         /* resolved by it, 0 = none */
  guint64 also;            /* another one that has its answer by it, 0 = none */
  guint32 forget;          /* contact deleted by it, 0 = none */
  guint32 emptied;         /* stranger whose last key moves away, 0 = none */
  guint32 replaces;        /* contact whose queue was held because its key is being replaced, 0 = none */
  guint32 moves_from;      /* kept contact whose key moves to the subject contact, 0 = none */
  gboolean resolves;       /* only if `request` is still open */
  gboolean release;
  gboolean unless_revoked; /* whoever revoked the key meanwhile wins */
  gboolean succeeds;       /* `subject` takes the place of `predecessor`, if it still may */
  Fingerprint predecessor;
  gboolean has_subject;
  Fingerprint subject;     /* the key it is about */
  guint32 subject_contact; /* or the contact, when it is about no key */
  char *event, *verdict, *caller; /* for the audit */
  DoneFunc done;
  gpointer user;
  TrustAdded added;
} Decision;

/* What the policy is asked about chains. */
void trust_ask_about_chain (TrustQuestion *question, const TrustProof *proof);
/* The question that a key raised by knocking, or NULL; not an introduction of it. */
Request *trust_find_request (Trust *trust, const Fingerprint *fp);
gboolean request_is_introduction (const Request *request);
/* One question a key, however often it knocks; but when it knocks under a friend's name the question says so. */
void trust_raise_request (Trust *trust, const char *kind, Key *key, const TrustProof *proof, Contact *contested);
/* Its row changed: to the disk, and told. */
void trust_keep_request (Trust *trust, Request *request);
/* Takes a new question among those open, without telling. Its row is filled but for id and created. */
void trust_take_request (Trust *trust, Request *request_take);
/* The same, and to the disk; tells. */
void trust_open_request (Trust *trust, Request *request_take);
/* trust-clear.c: the legacy-peer question of a contact, or NULL. */
Request *trust_find_legacy_request (Trust *trust, const Contact *contact);
/* A key belongs to the contact now: nothing is asked about clear text any more, and streams in clear are reviewed. */
void trust_clear_on_key (Trust *trust, Contact *contact);
/* Its answer did not get to the disk: it is open again, unless a key came meanwhile and there is nothing left to ask. */
void trust_reopen_request (Trust *trust, Request *request);
void trust_clear_on_removed (Trust *trust, Contact *contact);
/* From the loop, once: clear_changed. */
void trust_review_clear (Trust *trust);
/* Does anything stand against allowing this one? Error: PEER_INSECURE, with words. */
gboolean trust_check_legacy (Trust *trust, const Contact *contact, GError **error);
/* trust-duplicate.c */
/* What the owner of a trusted key says of ours. `done` when it is on disk. */
void trust_note_distrust (Trust *trust, Key *by, gboolean distrust, DoneFunc done, gpointer user);
void trust_resolve_own (Trust *trust, Request *request, const char *choice, const char *caller, DoneFunc done, gpointer user);
/* trust-succession.c: `replace` in answer to a question about an heir. */
void decide_succession (Decision *decision, Key *old, Key *new);
/* trust-decide.c: keeps a contact that the policy let speak in clear. */
void trust_keep_clear (Trust *trust, Contact *contact, const char *addr);
/* A person's word in a decision. */
void decide_legacy (Decision *decision, Contact *contact, LegacyChoice choice, const char *addr, const char *petname);
/* May it be answered like this? `fp` and `petname` may be NULL. That somebody named another key goes on record. */
gboolean trust_check_answer (Trust *trust, Request *request, const char *choice, const Fingerprint *fp, const char *petname,
                             const char *caller, GError **error);
/* The new key takes the old contact's place as `level`; its old keys are revoked in its favour. */
void decide_replace (Decision *decision, Key *key, Contact *contested, TrustLevel level, const char *source);
/* After decide_replace(): may what was written for the old keys go to the new one? Else it is held, from this moment on. */
void decide_release (Decision *decision, Contact *contested, gboolean release);
void trust_drop_request (Trust *trust, Request *request);
/* The same, and on disk. */
void trust_withdraw_request (Trust *trust, Request *request);
/* Reports from the loop, never from inside the verb; a negative `code` is success. */
void trust_report (DoneFunc done, gpointer user, int code, const char *format, ...) G_GNUC_PRINTF (4, 5);

/* --- trust-introduce.c ---- */

/* Introductions whose introducer counts no more, or whose key was decided about, are withdrawn. */
void trust_review_introductions (Trust *trust);
/* A key was seen for the first time, or goes: what is asked about it says so. */
void trust_introductions_on_key (Trust *trust, const Fingerprint *fp);
void trust_resolve_introduction (Trust *trust, Request *request, const char *choice, const char *petname, const char *caller,
                                 DoneFunc done, gpointer user);

/* --- trust-decide.c ---- */

/* The key becomes `level`, or stays what is more (a chain is not), in its own contact, which is kept from now on. The row is the
 * decision's. */
KeyRow *decide_accept (Decision *decision, Key *key, TrustLevel level, const char *source, const char *petname);
/* A contact of its own for a key never seen. */
KeyRow *decide_new_contact (Decision *decision, const char *petname, const Fingerprint *fp, TrustLevel level, const char *source);
/* NULL after having reported why not: NOT_FOUND (`key` is NULL), BLOCKED, ALREADY_RESOLVED. */
Decision *decide_about_key (Trust *trust, Key *key, const Fingerprint *fp, const char *event, const char *caller, DoneFunc done,
                            gpointer user);
/* Of an addition by a link: never lifts a word against the key. */
typedef struct {
  const InviteOwedRow *owed; /* a proof that is owed from then on; or NULL */
} TrustInvited;
/* trust_add_contact(), as `event`. `invited` may be NULL. */
void trust_add (Trust *trust, const char *event, const char *petname, const Fingerprint *fp, const TrustEvidence *evidence,
                const TrustInvited *invited, const char *caller, TrustAdded done, gpointer user);

/* --- trust-record.c ---- */

extern const Pace trust_refusal_pace, trust_clear_refusal_pace, trust_testimony_pace;
/* A peer's key was refused. `contact` may be NULL. */
void trust_record_refusal (Trust *trust, const TrustProof *proof, Contact *contact, TrustLevel level, const char *verdict);
/* A peer without TLS was. */
void trust_record_clear_refusal (Trust *trust, Contact *contact, const char *addr, const char *link,
                                 const LegacyQuestion *question, const char *verdict);
/* What a peer said about a key was not heeded, or is a warning. `by` may be NULL. */
void trust_record_testimony (Trust *trust, const char *event, const Fingerprint *fp, Contact *from, Key *by, const char *words,
                             const char *verdict);
/* A caller's decision was: `event` is what it wanted. `fp` may be NULL, `contact` 0. */
void trust_record_denied (Trust *trust, const char *event, const Fingerprint *fp, guint32 contact, const GError *error,
                          const char *caller);
/* What the decision changes, in words; before the rows are merged. Caller frees. */
char *decision_dup_inputs (Decision *decision);

/* --- trust-decision.c ---- */

Decision *decision_new (Trust *trust, DoneFunc done, gpointer user);
/* Rows of the decision, to be changed in place before decide(). Owned by it. */
ContactRow *decide_contact (Decision *decision, const Contact *contact);
KeyRow *decide_key (Decision *decision, const Key *key);
void key_row_set_level (KeyRow *row, TrustLevel level, const char *source);
/* Closes the question of a key, whoever decided it. NULL: there is none. */
void decide_request (Decision *decision, Request *request);
void decide_subject (Decision *decision, const Fingerprint *fp);
/* Sends it to the disk, with its audit record, when its turn has come; takes it. */
void decide (Decision *decision, const char *event, const char *verdict, const char *caller);
