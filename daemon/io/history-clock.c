/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How old is something? The clock of a machine without a battery, or of one whose time comes from a stranger, may be a year ahead,
 * and what is old is thrown away: expired messages, pruned history, ids and tokens that are remembered. So age is told by the clock
 * only while that goes on from where it last was (meta `clock`). After a leap (LEAP_FORWARD ahead or LEAP_BACK behind) it has to
 * stand by its story for a day of its own; until then time stands still (meta `clock_age`), and nothing is too old that was not so
 * before. A machine that was off for two weeks loses nothing by that but a day of tidiness.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"

#define LEAP_FORWARD (8 * G_TIME_SPAN_DAY)
#define LEAP_BACK G_TIME_SPAN_DAY
#define PROBATION G_TIME_SPAN_DAY

typedef struct
{
  gint64 last;  /* what the clock said when we last looked; 0 = never */
  gint64 doubt; /* what it said after its leap; 0 = it is believed */
  gint64 age;   /* what it said when it was last believed */
} Clock;

static void
judge (Clock *clock, gint64 now)
{
  gint64 step = now - clock->last;

  if (clock->last != 0 && (step > LEAP_FORWARD || step < -LEAP_BACK))
    clock->doubt = now;
  else if (clock->doubt != 0 && now - clock->doubt > PROBATION)
    clock->doubt = 0;
  clock->last = now;
  if (clock->doubt == 0)
    clock->age = now;
}

static gboolean
read_clock (sqlite3 *handle, Clock *clock, GError **error)
{
  static const char sql[] = "SELECT name, value FROM meta WHERE name IN ('clock', 'clock_age', 'clock_doubt')";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  *clock = (Clock){ 0 };
  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      g_autofree char *name = NULL;

      if (!row)
        return TRUE;
      name = db_column_dup_or_empty (stmt, 0);
      *(g_str_equal (name, "clock") ? &clock->last : g_str_equal (name, "clock_age") ? &clock->age : &clock->doubt)
        = db_column_positive (stmt, 1);
    }
  return FALSE;
}

static gboolean
write_clock (sqlite3 *handle, const Clock *clock, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "INSERT OR REPLACE INTO meta (name, value) VALUES ('clock', ?1), ('clock_age', ?2),"
                                           " ('clock_doubt', ?3)", error);

  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, clock->last);
  sqlite3_bind_int64 (stmt, 2, clock->age);
  sqlite3_bind_int64 (stmt, 3, clock->doubt);
  return db_step_done (handle, stmt, error);
}

gboolean
history_clock_in_job (sqlite3 *handle, gint64 now, gboolean look, gint64 *age, GError **error)
{
  Clock clock;

  if (!read_clock (handle, &clock, error))
    return FALSE;
  judge (&clock, now);
  /* Behind what was believed, what is made now is of now. */
  *age = MIN (clock.age, now);
  return !look || write_clock (handle, &clock, error);
}
