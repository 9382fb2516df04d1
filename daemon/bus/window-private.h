/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of this floor share: objects on the bus, calls under way, tables of verbs. Main thread only.
 *
 * A call remembers *which* object it is for (a number or a fingerprint), never a pointer into a room: what vanishes
 * while a call waits is looked up again and not found.
 */
#pragma once

#include "daemon/bus/window.h"

#include "daemon/bus/bus-access.h"
#include "daemon/bus/bus-options.h"
#include "daemon/bus/bus-scopes.h"
#include "dbus/earshot-dbus.h"

typedef enum { BUS_ROOT, BUS_CONTACT, BUS_KEY, BUS_REQUEST, BUS_VERIFICATION, BUS_N_KINDS } BusKind;

typedef struct {
  BusKind kind;
  guint32 contact;
  Fingerprint key;
  guint64 request;
  guint32 verification;
} BusId;

typedef struct _BusCall BusCall;
typedef struct _BusObject BusObject;
typedef struct _BusAgents BusAgents;
typedef struct _BusObjects BusObjects;

/* Takes the call: answers it now or later, once. `value` is borrowed: the arguments, or the property's new value (its type
 * has been checked). */
typedef void (*BusFunc) (BusCall *call, GVariant *value);
typedef struct {
  const char *name;
  BusFunc func;
} BusVerb;

/* One D-Bus interface: how it is made, brought up to date, called and set. */
typedef struct {
  GType (*skeleton_type) (void);
  const BusVerb *methods;  /* end with a NULL name */
  const BusVerb *setters;
  /* Writes what the rooms say into the properties; `full` FALSE leaves out what is announced only now and then. */
  void (*refresh) (Window *window, BusObject *object, GDBusInterfaceSkeleton *skeleton, gboolean full);
  /* A property that signals must not carry: its value, floating, or NULL when `name` is none. May be NULL. */
  GVariant *(*read) (Window *window, BusObject *object, const char *name);
} BusInterface;

extern const BusInterface bus_manager, bus_messages, bus_network, bus_contact, bus_conversation, bus_key, bus_request,
  bus_verification;

struct _BusObject {
  BusId id;
  char *path;
  const BusInterface *interfaces[3];
  GDBusInterfaceSkeleton *skeletons[3];
  guint n;
  gboolean announced;      /* InterfacesAdded went out */
  GList touched;           /* a room changed: its place among those to refresh; without data it has none */
  gboolean has_session;    /* contact: as last told */
  gboolean late;           /* look again in a second */
  gboolean waiting;        /* news about a stranger waits for its turn */
  gboolean of_stranger;    /* as last told */
  guint prepaid;           /* verification: signals that have their token already */
  gint64 last_seen_told;   /* contact: monotonic time when LastSeen was last written for a signal */
  GVariant *preview;       /* request: aa{sv} or NULL */
  gboolean stale;          /* request: what was read of Details is not all of it any more */
};

/* What every window shows alike. */
struct _Front {
  Rooms rooms;
  GPtrArray *windows;      /* Window*, borrowed */
  BusAgents *agents;
  gint64 start_time;
  char *backend, *state, *instance;
  GTree *warnings;         /* key -> text */
  guint64 resolved[64];    /* requests that went in this run, as a ring */
  guint n_resolved;
};

struct _Window {
  gboolean closed;
  Front *front;            /* borrowed; not to be looked at when closed */
  GDBusConnection *connection;
  Rooms rooms;
  BusAccess *access;
  BusObjects *objects;
  BusObject *root;

  GHashTable *appended;    /* set of (kind, contact, highest seq), until the end of this turn */
  GHashTable *counted;     /* contacts whose counters changed */
  gboolean counted_all;
  gint64 counted_at;       /* monotonic: last announcement of counters */
  guint turn_source, count_source, late_source;
  guint registrations[5];
  GQueue touched[BUS_N_KINDS]; /* BusObject, by kind: what a turn costs is what changed in it, however many strangers there are */
  gboolean watching;
};

Window *window_ref (Window *window);
void window_unref (Window *window);
/* Announces what changed at the end of this loop turn. */
void window_touch (Window *window, BusObject *object);
void window_touch_root (Window *window);
/* It is up to date, or goes. */
void window_untouch (Window *window, BusObject *object);
/* LastSeen was left out: look again in a second. */
void window_touch_later (Window *window, BusObject *object);

/* --- bus-call.c: calls ----------------------------------------------------------------------------------------- */

struct _BusCall {
  Window *window;          /* held */
  BusId id;
  GDBusMethodInvocation *invocation;
  GDBusInterfaceSkeleton *skeleton; /* held; NULL for the object manager */
  const BusInterface *interface;
  char *audit;             /* who is calling */
  char *app;               /* the sandboxed application, NULL = in no sandbox */
  gpointer data;           /* the verb's own, freed with `data_free` */
  GDestroyNotify data_free;
};

/* Each ends the call. */
void bus_call_return (BusCall *call, GVariant *reply);
void bus_call_fail (BusCall *call, EarshotError code, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* Other domains become Failed. Takes the error. */
void bus_call_take_error (BusCall *call, GError *error);
void bus_call_return_error (BusCall *call, const GError *error);
/* A DoneFunc: an empty answer or the error. */
void bus_call_done (gpointer call, const GError *error);
/* The same after a change of our own settings: announces the root's properties. */
void bus_call_done_root (gpointer call, const GError *error);

/* The caller's unique name, NULL on the private socket. */
const char *bus_call_get_sender (const BusCall *call);
/* The call's object, or NULL after having failed it with NotFound. */
Contact *bus_call_get_contact (BusCall *call);
Key *bus_call_get_key (BusCall *call);
/* The contact of an object path of ours; NULL with NOT_FOUND. */
Contact *bus_contact_at (Window *window, const char *path, GError **error);

/* The type of an interface's objects: the generated skeleton with our hands on its calls and properties. */
GType bus_interface_get_type (const BusInterface *interface);
/* Calls on `skeleton` are for `object`, until its data is taken away again. */
void bus_call_bind (Window *window, BusObject *object, GDBusInterfaceSkeleton *skeleton);
void bus_call_unbind (GDBusInterfaceSkeleton *skeleton);
/* The object manager and what answers for objects that are not there. */
gboolean bus_calls_register (Window *window, GError **error);
void bus_calls_unregister (Window *window);

/* --- bus-objects.c: the table of objects ----------------------------------------------------------------------- */

BusObjects *bus_objects_new (Window *window);
void bus_objects_free (BusObjects *objects);
/* Exports; announcing follows window_touch(). NULL with a log line when the bus refuses. */
BusObject *bus_objects_add (BusObjects *objects, const BusId *id);
void bus_objects_remove (BusObjects *objects, const BusId *id);
BusObject *bus_objects_get (BusObjects *objects, const BusId *id);
BusObject *bus_objects_get_contact (BusObjects *objects, guint32 id);
BusObject *bus_objects_get_request (BusObjects *objects, guint64 id);
guint bus_objects_count (BusObjects *objects, BusKind kind);
/* All of a kind, in no order. */
void bus_objects_foreach (BusObjects *objects, BusKind kind, void (*func) (BusObject *object, gpointer user), gpointer user);
void bus_object_refresh (Window *window, BusObject *object, gboolean full);
/* Sends what changed, or the object itself, as far as strangers' news may. */
void bus_objects_publish (BusObjects *objects, BusObject *object);
/* Manager has something new because of a stranger: told when the ration allows. */
void bus_objects_publish_root (BusObjects *objects);
/* Only counters changed: one interface, no ration. */
void bus_object_emit (BusObject *object, const BusInterface *interface);
/* a{sv} of one interface, as Get and GetManagedObjects tell it to whom `scopes` were granted. */
GVariant *bus_object_describe (Window *window, BusObject *object, guint index, AppScopes scopes);
/* a{oa{sa{sv}}} */
GVariant *bus_objects_describe (BusObjects *objects, AppScopes scopes);

char *bus_path_contact (guint32 id);
char *bus_path_key (const Fingerprint *fp);
char *bus_path_request (guint64 id);
char *bus_path_verification (guint32 id);

/* --- bus-request.c --------------------------------------------------------------------------------------------- */

/* Looks at the messages aside again. */
void bus_request_load_preview (Window *window, guint64 id);
/* PropertiesChanged that says so, if it is so. */
void bus_request_tell_stale (Window *window, BusObject *object);
GVariant *bus_request_get_details (Window *window, BusObject *object);

/* What agents are to know of an open question, of a peer or an application. FALSE: there is none of that number. */
gboolean bus_request_look (Window *window, guint64 id, const char **kind, gint64 *snoozed);

/* --- bus-apps.c: what sandboxed callers may, and the questions about it ---------------------------------------- */

/* May the caller do this? Else fails the call, having asked a person if nobody did. `interface` is without prefix. */
gboolean bus_apps_permit (BusCall *call, const char *interface, const char *member, BusAction action);
/* What its caller may; everything without a sandbox. */
AppScopes bus_apps_granted (BusCall *call);
/* Methods of the Manager. */
void bus_apps_set (BusCall *call, GVariant *args);
void bus_apps_forget (BusCall *call, GVariant *args);
void bus_apps_list (BusCall *call, GVariant *args);
/* The question as properties, Details among them (floating), and its answers. */
GVariant *bus_apps_describe (const AppRow *row);
void bus_apps_refresh (BusObject *object, const AppRow *row, EarshotRequest *skeleton);
void bus_apps_resolve (BusCall *call, const AppRow *row, const char *choice, gboolean options);
void bus_apps_snooze (BusCall *call, const AppRow *row, gint64 until);

/* --- bus-verification.c ---------------------------------------------------------------------------------------- */

/* What an agent is told. Floating. */
GVariant *bus_verification_get_details (Verification *verification);
/* Writes how it ended into the properties: the room does not list it any more. */
void bus_verification_finish (BusObject *object, const Verification *verification);

/* --- bus-messages.c -------------------------------------------------------------------------------------------- */

/* INVALID_ARGUMENT, TOO_LARGE, NOT_FOUND. */
gboolean bus_check_id (const char *id, GError **error);
gboolean bus_check_body (const char *body, GError **error);
gboolean bus_check_kinds (char **kinds, GError **error);
/* 0 for `/`. */
gboolean bus_check_conversation (Window *window, const char *path, guint32 *id, GError **error);
/* bus-export.c: of the Messages. */
void bus_messages_export (BusCall *call, GVariant *args);
void bus_messages_import (BusCall *call, GVariant *args);
void bus_messages_emit_appended (Window *window, guint64 seq, const char *kind, guint32 contact);

/* --- bus-amend.c ----------------------------------------------------------------------------------------------- */

/* Methods of Messages. */
void bus_amend_react (BusCall *call, GVariant *args);
void bus_amend_retract (BusCall *call, GVariant *args);
/* What the data of an entry says beyond its text. */
void bus_amend_describe (Window *window, const LogEntry *entry, GVariantBuilder *builder);

/* --- bus-audit.c ----------------------------------------------------------------------------------------------- */

/* Methods of the Manager. */
void bus_audit_list (BusCall *call, GVariant *args);
void bus_audit_check (BusCall *call, GVariant *args);

/* --- bus-link.c ------------------------------------------------------------------------------------------------ */

/* Method of the Manager. */
void bus_link_parse (BusCall *call, GVariant *args);
/* Manager.TrustLink: "" while we have no address. Caller frees. */
char *bus_own_link (Window *window);
/* Options `source` and `in_person` of what raises trust; `otherwise` is the source of who gives none. */
gboolean bus_evidence_parse (GVariant *options, const char *otherwise, TrustEvidence *out, GError **error);

/* --- bus-invite.c ---------------------------------------------------------------------------------------------- */

/* Methods of the Manager. */
void bus_invite_create (BusCall *call, GVariant *args);
void bus_invite_revoke (BusCall *call, GVariant *args);
void bus_invite_accept (BusCall *call, GVariant *args);
/* Manager.Invites, floating. */
GVariant *bus_invites_describe (Window *window);
/* What a link says besides name and key: the third value of ParseLink, floating. */
GVariant *bus_link_describe (const TrustUri *uri);

/* --- bus-agents.c ---------------------------------------------------------------------------------------------- */

BusAgents *bus_agents_new (void);
void bus_agents_release_all (BusAgents *agents);
/* When the last window is closed. */
void bus_agents_free (BusAgents *agents);
/* Its agents leave the stack. */
void bus_agents_window_gone (BusAgents *agents, Window *window);
/* Methods of the Manager. */
void bus_agents_register (BusCall *call, GVariant *args);
/* bus-identity.c: of the Manager. */
void bus_identity_create_request (BusCall *call, GVariant *args);
void bus_identity_set_certificate (BusCall *call, GVariant *args);
/* The address for a certificate of our own making. Borrowed. */
const char *bus_own_addr (Window *window);
void bus_identity_rotate (BusCall *call, GVariant *args);
void bus_identity_export (BusCall *call, GVariant *args);
void bus_identity_import (BusCall *call, GVariant *args);
GVariant *bus_identity_describe (const Identity *identity); /* floating */
void bus_agents_unregister (BusCall *call, GVariant *args);
/* What this application may do changed. */
void bus_agents_review (BusAgents *agents, const char *app);
/* A question became visible, was snoozed, or its details changed; and it is gone. */
void bus_agents_request (BusAgents *agents, guint64 id);
void bus_agents_request_gone (BusAgents *agents, guint64 id);
/* A run that the peer began has a code to compare; and it is over. */
void bus_agents_verification (BusAgents *agents, guint32 id);
void bus_agents_verification_gone (BusAgents *agents, guint32 id);
