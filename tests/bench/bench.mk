# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/bench/: numbers beside a floor measured in the same run. `make bench` builds and runs it; not part of `make check`.
bench_programs = tests/bench/bench-client tests/bench/bench-floor tests/bench/bench-sight
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)

tests_bench_bench_client_SOURCES = tests/bench/client.c
tests_bench_bench_client_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS)
tests_bench_bench_client_LDADD = $(GLIB_LIBS)

tests_bench_bench_floor_SOURCES = tests/bench/floor.c
tests_bench_bench_floor_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS) $(GNUTLS_CFLAGS) $(SQLITE_CFLAGS)
tests_bench_bench_floor_LDADD = $(GLIB_LIBS) $(GNUTLS_LIBS) $(SQLITE_LIBS)

tests_bench_bench_sight_SOURCES = tests/bench/sight.c
tests_bench_bench_sight_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS) $(AVAHI_CFLAGS)
tests_bench_bench_sight_LDADD = $(GLIB_LIBS) $(AVAHI_LIBS)

# tests/lan/test-burst.py uses it, too.
check_PROGRAMS += tests/bench/bench-burst
tests_bench_bench_burst_SOURCES = tests/bench/burst.c
tests_bench_bench_burst_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS)
tests_bench_bench_burst_LDADD = $(GLIB_LIBS)

EXTRA_DIST += tests/bench/bench.py tests/bench/burst.py tests/bench/commands.py tests/bench/idle.py tests/bench/streams.py tests/bench/past.py
bench: all $(bench_programs) tests/bench/bench-burst$(EXEEXT) $(lan_shim)
	$(AM_V_at)top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' $(PYTHON3) $(srcdir)/tests/bench/bench.py
bench-past: all
	$(AM_V_at)top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' $(PYTHON3) $(srcdir)/tests/bench/past.py
.PHONY: bench bench-past
