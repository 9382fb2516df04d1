/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A run of the doctor, shared by doctor.c (this machine) and doctor-peer.c (one contact). Everything that is under way holds a reference and
 * one of `pending`; when that is 0 the run reports. Main thread only.
 */
#pragma once

#include "daemon/model/doctor.h"

#define DOCTOR_ADDRESSES_MAX 4

typedef struct {
  guint refs, pending;
  Doctor *doctor;          /* NULL: it went; whatever comes in is only put away */
  GPtrArray *checks;
  MdnsEcho *echo;
  gpointer echo_user;
  DiscoveryQuery *query;
  GPtrArray *probed;       /* char*: endpoints that are tried */
  char *backend;
  gboolean announced;
  guint32 contact;
  DoctorDone done;
  gpointer user;
} DoctorRun;

DoctorRun *doctor_run_ref (DoctorRun *run);
void doctor_run_unref (DoctorRun *run);
/* One thing more, or less, is awaited. The latter gives back its reference. */
void doctor_run_begin (DoctorRun *run);
void doctor_run_end (DoctorRun *run);

struct _Doctor {
  DoctorRooms rooms;
  GPtrArray *runs;
};

/* Begins what is to be found out about run->contact. */
void doctor_look_at_peer (DoctorRun *run);
