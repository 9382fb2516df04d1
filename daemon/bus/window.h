/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The window: exports the rooms on a D-Bus connection (object manager, singletons, contacts, keys, requests) and maps
 * errors. One file per interface beside this one; only this floor includes generated code. Main thread only.
 */
#pragma once

#include <gio/gio.h>

#include "daemon/io/config.h"
#include "daemon/io/identity.h"
#include "daemon/io/roots.h"
#include "daemon/model/contacts.h"
#include "daemon/model/delivery.h"
#include "daemon/model/router.h"
#include "daemon/model/self.h"
#include "daemon/model/session.h"
#include "daemon/model/settings.h"
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
  Roots *roots;
} Rooms;

typedef struct _Window Window;

/* Exports everything; the caller takes the bus name afterwards. */
Window *window_new (GDBusConnection *connection, const Rooms *rooms, GError **error);
void window_free (Window *window);

/* Manager.Warnings: one per key; NULL text withdraws it. */
void window_set_warning (Window *window, const char *key, const char *text);
/* Network.Backend and State. */
void window_set_network (Window *window, const char *backend, const char *state, const char *reason);
/* Something of ourselves changed that nobody else reports: the roots, our certificate. */
void window_refresh_manager (Window *window);
/* Manager.Address and Network.InstanceName. */
void window_set_address (Window *window, const char *instance);
