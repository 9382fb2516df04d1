/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Preloaded into a daemon under test: a wall clock that is wrong, death in the middle of a write to the disk, and a disk that takes no
 * writes any more. EARSHOT_SHIM names a file of four 64-bit numbers, three of which the test changes while the daemon runs: seconds to add to the
 * clock; how many writes and syncs of files it has left to live (0 = for ever), dying before the one that counts it down, as a power cut
 * would have it; and the errno that these get (0 = none). The fourth counts the syncs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *control;

__attribute__ ((constructor)) static void
shim_begin (void)
{
  const char *path = getenv ("EARSHOT_SHIM");
  int fd = path != NULL ? open (path, O_RDWR | O_CLOEXEC) : -1;
  void *map;

  if (fd < 0)
    return;
  map = mmap (NULL, 32, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close (fd);
  if (map != MAP_FAILED)
    control = map;
}

/* 0: the write is refused. */
static int
live_or_die (int fd)
{
  struct stat st;

  if (control == NULL || (control[1] <= 0 && control[2] == 0) || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return 1;
  if (control[1] > 0 && __atomic_sub_fetch (&control[1], 1, __ATOMIC_SEQ_CST) == 0)
    kill (getpid (), SIGKILL);
  errno = (int) control[2];
  return control[2] == 0;
}

static void
count_sync (void)
{
  if (control != NULL)
    __atomic_add_fetch (&control[3], 1, __ATOMIC_SEQ_CST);
}

#define REAL(type, name, ...)                                   \
  static type (*real) (__VA_ARGS__);                            \
  if (real == NULL)                                             \
    *(void **) &real = dlsym (RTLD_NEXT, name)

int
clock_gettime (clockid_t id, struct timespec *now)
{
  REAL (int, "clock_gettime", clockid_t, struct timespec *);
  int result = real (id, now);

  if (result == 0 && control != NULL && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
    now->tv_sec += control[0];
  return result;
}

int
gettimeofday (struct timeval *restrict now, void *restrict zone __attribute__ ((unused)))
{
  struct timespec precise;

  if (clock_gettime (CLOCK_REALTIME, &precise) != 0)
    return -1;
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t
time (time_t *out)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  if (out != NULL)
    *out = now.tv_sec;
  return now.tv_sec;
}

ssize_t
pwrite64 (int fd, const void *bytes, size_t n, off64_t at)
{
  REAL (ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  return live_or_die (fd) ? real (fd, bytes, n, at) : -1;
}

ssize_t
pwrite (int fd, const void *bytes, size_t n, off_t at)
{
  REAL (ssize_t, "pwrite", int, const void *, size_t, off_t);
  return live_or_die (fd) ? real (fd, bytes, n, at) : -1;
}

int
fdatasync (int fd)
{
  REAL (int, "fdatasync", int);
  count_sync ();
  return live_or_die (fd) ? real (fd) : -1;
}

int
fsync (int fd)
{
  REAL (int, "fsync", int);
  count_sync ();
  return live_or_die (fd) ? real (fd) : -1;
}
