/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Why does nobody hear us? Looks at what can be found out about this machine, our own state and, if one is named, one contact, and says of
 * each point how it stands, what that means and one thing to do. It changes nothing. What leaves the machine is one mDNS question per link
 * (io/mdns-echo.h) and, for a contact without a stream, a handshake with each of its addresses, as Network.Probe makes it.
 * Over contacts, trust, sessions, delivery. Main thread only.
 *
 * Threat: words of peers stand in no check; a contact is named by its number, an address as we dialled it.
 */
#pragma once

#include "daemon/io/config.h"
#include "daemon/io/history.h"
#include "daemon/io/host-facts.h"
#include "daemon/io/mdns-echo.h"
#include "daemon/model/contacts.h"
#include "daemon/model/delivery.h"
#include "daemon/model/session.h"
#include "daemon/model/trust.h"

#define DOCTOR_RUNS_MAX 4

typedef enum { CHECK_OK, CHECK_WARN, CHECK_FAIL } CheckStatus;
const char *check_status_to_string (CheckStatus status);

/* Texts are ours: English, without a stranger's words. */
typedef struct {
  const char *id;          /* "mdns", "link", "peer-seen", …: docs/api.md */
  CheckStatus status;
  char *title;             /* how it stands */
  char *meaning;           /* "" where the title says it */
  char *fix;               /* "" for ok */
  char *link;              /* which one it is about, or NULL */
} Check;

/* All borrowed; they outlive the doctor. */
typedef struct {
  const Config *config;
  Identity *identity;
  Contacts *contacts;
  Trust *trust;
  Sessions *sessions;
  Delivery *delivery;
  Discovery *discovery;
  History *history;
} DoctorRooms;

/* What the windows show of the network; borrowed for the call. */
typedef struct {
  const char *backend, *state;
  GTree *warnings;         /* key -> text, as in Manager.Warnings */
} DoctorView;

typedef struct _Doctor Doctor;

Doctor *doctor_new (const DoctorRooms *rooms);
/* Runs that are under way report CANCELLED. Before the sessions, discovery and the history go. */
void doctor_free (Doctor *doctor);
/* Array of Check*, what fails first, borrowed for the call; NULL with CANCELLED. Within some 3 s, with a contact 12; never before doctor_examine() returned. */
typedef void (*DoctorDone) (gpointer user, GPtrArray *checks, const GError *error);
/* `contact` 0 = this machine alone. FALSE, and no report follows: QUOTA_EXCEEDED (DOCTOR_RUNS_MAX are under way). */
gboolean doctor_examine (Doctor *doctor, const DoctorView *view, guint32 contact, DoctorDone done, gpointer user, GError **error);

/* --- the verdicts, from facts alone; for doctor.c and the tests ---------------------------------------------------- */

Check *check_new (const char *id, CheckStatus status, char *title_take, const char *meaning, const char *fix);
void check_free (Check *check);

typedef struct {
  const char *backend, *state, *reason; /* reason of `state`, or NULL */
  DiscoveryChoice choice;
} DoctorMdns;
void doctor_judge_mdns (GPtrArray *checks, const DoctorMdns *mdns);
void doctor_judge_holders (GPtrArray *checks, const char *backend, const GPtrArray *holders);
/* `echo` NULL: nothing was asked, because nothing of ours is announced. */
void doctor_judge_links (GPtrArray *checks, const GPtrArray *links, char **interfaces, const GArray *echo);
void doctor_judge_route (GPtrArray *checks, const HostFacts *facts);
void doctor_judge_disk (GPtrArray *checks, const char *data_dir, gint64 free_bytes, gboolean writable);
/* `expiry` 0 = never; `newest` 0 = no message. */
void doctor_judge_clock (GPtrArray *checks, gint64 now, gint64 expiry, gint64 newest);
void doctor_judge_calls (GPtrArray *checks, guint inbound, guint outbound, guint16 port);
