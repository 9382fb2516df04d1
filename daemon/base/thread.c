/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/base/thread.h"

#include <signal.h>

int
thread_start (pthread_t *thread, gsize stack, void *(*main) (void *user), void *user)
{
  pthread_attr_t attributes;
  sigset_t all, before;
  int code;

  /* What it inherits is blocked from its first instruction on. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  pthread_attr_init (&attributes);
  pthread_attr_setstacksize (&attributes, stack);
  code = pthread_create (thread, &attributes, main, user);
  pthread_attr_destroy (&attributes);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  return code;
}
