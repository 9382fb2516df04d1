/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Windows: each exports the rooms on one D-Bus connection (object manager, singletons, contacts, keys, requests) and maps
 * errors. One file per interface beside this one; only this floor includes generated code. Main thread only.
 */
#pragma once

#include <gio/gio.h>

#include "daemon/io/config.h"
#include "daemon/io/identity.h"
#include "daemon/io/roots.h"
#include "daemon/model/app-access.h"
#include "daemon/model/contacts.h"
#include "daemon/model/delivery.h"
#include "daemon/model/doctor.h"
#include "daemon/model/invites.h"
#include "daemon/model/introductions.h"
#include "daemon/model/router.h"
#include "daemon/model/self.h"
#include "daemon/model/session.h"
#include "daemon/model/settings.h"
#include "daemon/model/succession.h"
#include "daemon/model/trust.h"
#include "daemon/model/verification.h"

/* All borrowed; they outlive the window. */
typedef struct {
  const Config *config;
  Identity *identity;
  Contacts *contacts;
  Trust *trust;
  TrustStore *trust_store; /* for the audit */
  Sessions *sessions;
  Router *router;          /* for Contact.Ping */
  Delivery *delivery;
  Discovery *discovery;
  History *history;
  Settings *settings;
  Self *self;
  Verifications *verifications;
  Successions *successions;
  Invites *invites;
  Introductions *introductions;
  Roots *roots;
  AppAccess *app_access;
  Doctor *doctor;
} Rooms;

/* What all windows have in common: warnings, the state of the network, agents. */
typedef struct _Front Front;
typedef struct _Window Window;

Front *front_new (const Rooms *rooms);
/* Releases the agents and closes every window. */
void front_free (Front *front);
/* Manager.Warnings: one per key; NULL text withdraws it. */
void front_set_warning (Front *front, const char *key, const char *text);
/* Network.Backend and State. */
void front_set_network (Front *front, const char *backend, const char *state, const char *reason);
/* Something of ourselves changed that nobody else reports: the roots, our certificate. */
void front_refresh_manager (Front *front);
/* Manager.Address and Network.InstanceName. */
void front_set_address (Front *front, const char *instance);

/* Exports everything on a connection: to a bus (the caller takes the name afterwards), or to one program. */
Window *window_open (Front *front, GDBusConnection *connection, GError **error);
void window_close (Window *window);
