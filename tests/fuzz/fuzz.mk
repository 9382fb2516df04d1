# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/fuzz/: one harness a proto module. `make check` replays the committed corpora; with
# `configure CC=clang --enable-fuzz --with-sanitizer=address`, `make fuzz FUZZ_SECONDS=60` runs each for that long.
fuzz_cppflags = $(AM_CPPFLAGS) $(GLIB_CFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus"'
fuzz_replays =
check_PROGRAMS += $(fuzz_replays)
TESTS += $(fuzz_replays)
fuzz_targets =

fuzz_replays += tests/fuzz/replay-xml-stream
tests_fuzz_replay_xml_stream_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-xml-stream.c tests/fuzz/fuzz.h
tests_fuzz_replay_xml_stream_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"xml-stream"'
tests_fuzz_replay_xml_stream_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-stanza
tests_fuzz_replay_stanza_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-stanza.c tests/fuzz/fuzz.h
tests_fuzz_replay_stanza_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"stanza"'
tests_fuzz_replay_stanza_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-stream
tests_fuzz_replay_stream_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-stream.c tests/fuzz/fuzz.h
tests_fuzz_replay_stream_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"stream"'
tests_fuzz_replay_stream_LDADD = $(proto_libs)

if FUZZ
fuzz_targets += tests/fuzz/fuzz-xml-stream tests/fuzz/fuzz-stanza tests/fuzz/fuzz-stream
noinst_PROGRAMS += $(fuzz_targets)
tests_fuzz_fuzz_xml_stream_SOURCES = tests/fuzz/fuzz-xml-stream.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_xml_stream_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_xml_stream_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_xml_stream_LDADD = $(proto_libs)
tests_fuzz_fuzz_stanza_SOURCES = tests/fuzz/fuzz-stanza.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_stanza_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_stanza_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_stanza_LDADD = $(proto_libs)
tests_fuzz_fuzz_stream_SOURCES = tests/fuzz/fuzz-stream.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_stream_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_stream_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_stream_LDADD = $(proto_libs)
endif

# What is found new stays in the build tree until somebody picks it for the corpus.
FUZZ_SECONDS = 60
fuzz: $(fuzz_targets)
	@test -n "$(fuzz_targets)" || { echo "configure with CC=clang --enable-fuzz --with-sanitizer=address"; exit 1; }
	@for t in $(fuzz_targets); do \
	  n=$${t##*/fuzz-}; $(MKDIR_P) fuzz-found/$$n; echo "== $$n"; \
	  G_SLICE=always-malloc ./$$t -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -artifact_prefix=fuzz-found/$$n- \
	    -rss_limit_mb=1024 -timeout=10 fuzz-found/$$n $(srcdir)/tests/fuzz/corpus/$$n || exit 1; \
	done
.PHONY: fuzz

EXTRA_DIST += tests/fuzz/corpus
