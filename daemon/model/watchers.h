/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small list of listeners, each a table of callbacks and its user pointer, for rooms that
 * more than one neighbour listens to. A listener may leave during a call. Main thread only.
 */
#pragma once

#include <glib.h>

typedef struct {
  const void *table; /* NULL once it left */
  gpointer user;
} Watcher;

typedef struct {
  GArray *list;
  guint calling;
} Watchers;

static inline void
watchers_init (Watchers *watchers)
{
  watchers->list = g_array_new (FALSE, FALSE, sizeof (Watcher));
  watchers->calling = 0;
}

static inline void
watchers_clear (Watchers *watchers)
{
  g_clear_pointer (&watchers->list, g_array_unref);
}

static inline void
watchers_add (Watchers *watchers, const void *table, gpointer user)
{
  Watcher watcher = { table, user };

  g_array_append_val (watchers->list, watcher);
}

static inline void
watchers_remove (Watchers *watchers, gpointer user)
{
  for (guint i = watchers->list->len; i > 0; i--)
    {
      Watcher *watcher = &g_array_index (watchers->list, Watcher, i - 1);

      if (watcher->user != user)
        continue;
      if (watchers->calling > 0)
        watcher->table = NULL;
      else
        g_array_remove_index (watchers->list, i - 1);
    }
}

/* Calls `member` of every table of type `Type` that has one. */
#define WATCHERS_CALL(watchers, Type, member, ...)                                        \
  G_STMT_START                                                                            \
  {                                                                                       \
    (watchers)->calling++;                                                                \
    for (guint w_ = 0; w_ < (watchers)->list->len; w_++)                                  \
      {                                                                                   \
        Watcher watcher_ = g_array_index ((watchers)->list, Watcher, w_);                 \
        const Type *table_ = watcher_.table;                                              \
                                                                                          \
        if (table_ != NULL && table_->member != NULL)                                     \
          table_->member (watcher_.user, ##__VA_ARGS__);                                  \
      }                                                                                   \
    (watchers)->calling--;                                                                \
  }                                                                                       \
  G_STMT_END
