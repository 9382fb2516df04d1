# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/fuzz/: what strangers' bytes, and people's, come to first. `make check` replays the committed corpora; with
# `configure CC=clang --enable-fuzz --with-sanitizer=address`, `make fuzz FUZZ_SECONDS=60` runs each for that long.
fuzz_cppflags = $(AM_CPPFLAGS) $(GLIB_CFLAGS) -DFUZZ_CORPUS='"$(abs_top_srcdir)/tests/fuzz/corpus"'
fuzz_replays =
check_PROGRAMS += $(fuzz_replays)
TESTS += $(fuzz_replays)
fuzz_targets =
fuzz_headers = tests/fuzz/fuzz.h tests/fuzz/input.h

fuzz_replays += tests/fuzz/replay-xml-stream
tests_fuzz_replay_xml_stream_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-xml-stream.c $(fuzz_headers)
tests_fuzz_replay_xml_stream_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"xml-stream"'
tests_fuzz_replay_xml_stream_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-stanza
tests_fuzz_replay_stanza_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-stanza.c $(fuzz_headers)
tests_fuzz_replay_stanza_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"stanza"'
tests_fuzz_replay_stanza_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-stream
tests_fuzz_replay_stream_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-stream.c $(fuzz_headers)
tests_fuzz_replay_stream_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"stream"'
tests_fuzz_replay_stream_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-initiator
tests_fuzz_replay_initiator_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-conversation.c $(fuzz_headers)
tests_fuzz_replay_initiator_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_ROLE=STREAM_INITIATOR -DFUZZ_NAME='"initiator"'
tests_fuzz_replay_initiator_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-responder
tests_fuzz_replay_responder_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-conversation.c $(fuzz_headers)
tests_fuzz_replay_responder_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_ROLE=STREAM_RESPONDER -DFUZZ_NAME='"responder"'
tests_fuzz_replay_responder_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-txt
tests_fuzz_replay_txt_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-txt.c $(fuzz_headers)
tests_fuzz_replay_txt_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"txt"'
tests_fuzz_replay_txt_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-caps
tests_fuzz_replay_caps_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-caps.c $(fuzz_headers)
tests_fuzz_replay_caps_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"caps"'
tests_fuzz_replay_caps_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-jid
tests_fuzz_replay_jid_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-jid.c $(fuzz_headers)
tests_fuzz_replay_jid_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"jid"'
tests_fuzz_replay_jid_LDADD = $(base_libs)

fuzz_replays += tests/fuzz/replay-fingerprint
tests_fuzz_replay_fingerprint_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-fingerprint.c $(fuzz_headers)
tests_fuzz_replay_fingerprint_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"fingerprint"'
tests_fuzz_replay_fingerprint_LDADD = $(base_libs)

fuzz_replays += tests/fuzz/replay-certificate
tests_fuzz_replay_certificate_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-certificate.c $(fuzz_headers)
tests_fuzz_replay_certificate_CPPFLAGS = $(fuzz_cppflags) $(GNUTLS_CFLAGS) -DFUZZ_NAME='"certificate"'
tests_fuzz_replay_certificate_LDADD = $(io_libs)

fuzz_replays += tests/fuzz/replay-names
tests_fuzz_replay_names_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-names.c $(fuzz_headers)
tests_fuzz_replay_names_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"names"'
tests_fuzz_replay_names_LDADD = $(model_libs)

fuzz_replays += tests/fuzz/replay-config
tests_fuzz_replay_config_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-config.c $(fuzz_headers)
tests_fuzz_replay_config_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"config"'
tests_fuzz_replay_config_LDADD = $(io_libs)

fuzz_replays += tests/fuzz/replay-cli
tests_fuzz_replay_cli_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-cli.c $(fuzz_headers)
tests_fuzz_replay_cli_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"cli"'
tests_fuzz_replay_cli_LDADD = cli/libcli.a $(GLIB_LIBS)

fuzz_replays += tests/fuzz/replay-manage
tests_fuzz_replay_manage_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-manage.c $(fuzz_headers)
tests_fuzz_replay_manage_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"manage"'
tests_fuzz_replay_manage_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-succession
tests_fuzz_replay_succession_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-succession.c $(fuzz_headers)
tests_fuzz_replay_succession_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"succession"'
tests_fuzz_replay_succession_LDADD = $(proto_libs)
fuzz_replays += tests/fuzz/replay-trust-message
tests_fuzz_replay_trust_message_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-trust-message.c $(fuzz_headers)
tests_fuzz_replay_trust_message_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"trust-message"'
tests_fuzz_replay_trust_message_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-trust-uri
tests_fuzz_replay_trust_uri_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-trust-uri.c $(fuzz_headers)
tests_fuzz_replay_trust_uri_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"trust-uri"'
tests_fuzz_replay_trust_uri_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-invite
tests_fuzz_replay_invite_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-invite.c $(fuzz_headers)
tests_fuzz_replay_invite_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"invite"'
tests_fuzz_replay_invite_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-sas
tests_fuzz_replay_sas_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-sas.c $(fuzz_headers)
tests_fuzz_replay_sas_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"sas"'
tests_fuzz_replay_sas_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-message-parts
tests_fuzz_replay_message_parts_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-message-parts.c $(fuzz_headers)
tests_fuzz_replay_message_parts_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"message-parts"'
tests_fuzz_replay_message_parts_LDADD = $(proto_libs)

fuzz_replays += tests/fuzz/replay-bus-frame
tests_fuzz_replay_bus_frame_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-bus-frame.c $(fuzz_headers)
tests_fuzz_replay_bus_frame_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"bus-frame"'
tests_fuzz_replay_bus_frame_LDADD = daemon/libbus.a dbus/libearshot-dbus.a $(proto_libs)

fuzz_replays += tests/fuzz/replay-mdns-echo
tests_fuzz_replay_mdns_echo_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz-mdns-echo.c $(fuzz_headers)
tests_fuzz_replay_mdns_echo_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME='"mdns-echo"'
tests_fuzz_replay_mdns_echo_LDADD = $(io_libs)

if FUZZ
noinst_PROGRAMS += $(fuzz_targets)

fuzz_targets += tests/fuzz/fuzz-succession
tests_fuzz_fuzz_succession_SOURCES = tests/fuzz/fuzz-succession.c $(fuzz_headers)
tests_fuzz_fuzz_succession_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_succession_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_succession_LDADD = $(proto_libs)
fuzz_targets += tests/fuzz/fuzz-trust-message
tests_fuzz_fuzz_trust_message_SOURCES = tests/fuzz/fuzz-trust-message.c $(fuzz_headers)
tests_fuzz_fuzz_trust_message_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_trust_message_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_trust_message_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-trust-uri
tests_fuzz_fuzz_trust_uri_SOURCES = tests/fuzz/fuzz-trust-uri.c $(fuzz_headers)
tests_fuzz_fuzz_trust_uri_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_trust_uri_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_trust_uri_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-message-parts
tests_fuzz_fuzz_message_parts_SOURCES = tests/fuzz/fuzz-message-parts.c $(fuzz_headers)
tests_fuzz_fuzz_message_parts_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_message_parts_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_message_parts_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-manage
tests_fuzz_fuzz_manage_SOURCES = tests/fuzz/fuzz-manage.c $(fuzz_headers)
tests_fuzz_fuzz_manage_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_manage_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_manage_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-invite
tests_fuzz_fuzz_invite_SOURCES = tests/fuzz/fuzz-invite.c $(fuzz_headers)
tests_fuzz_fuzz_invite_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_invite_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_invite_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-sas
tests_fuzz_fuzz_sas_SOURCES = tests/fuzz/fuzz-sas.c $(fuzz_headers)
tests_fuzz_fuzz_sas_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_sas_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_sas_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-xml-stream
tests_fuzz_fuzz_xml_stream_SOURCES = tests/fuzz/fuzz-xml-stream.c $(fuzz_headers)
tests_fuzz_fuzz_xml_stream_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_xml_stream_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_xml_stream_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-stanza
tests_fuzz_fuzz_stanza_SOURCES = tests/fuzz/fuzz-stanza.c $(fuzz_headers)
tests_fuzz_fuzz_stanza_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_stanza_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_stanza_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-stream
tests_fuzz_fuzz_stream_SOURCES = tests/fuzz/fuzz-stream.c $(fuzz_headers)
tests_fuzz_fuzz_stream_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_stream_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_stream_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-initiator
tests_fuzz_fuzz_initiator_SOURCES = tests/fuzz/fuzz-conversation.c $(fuzz_headers)
tests_fuzz_fuzz_initiator_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_ROLE=STREAM_INITIATOR
tests_fuzz_fuzz_initiator_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_initiator_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-responder
tests_fuzz_fuzz_responder_SOURCES = tests/fuzz/fuzz-conversation.c $(fuzz_headers)
tests_fuzz_fuzz_responder_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_ROLE=STREAM_RESPONDER
tests_fuzz_fuzz_responder_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_responder_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-txt
tests_fuzz_fuzz_txt_SOURCES = tests/fuzz/fuzz-txt.c $(fuzz_headers)
tests_fuzz_fuzz_txt_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_txt_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_txt_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-caps
tests_fuzz_fuzz_caps_SOURCES = tests/fuzz/fuzz-caps.c $(fuzz_headers)
tests_fuzz_fuzz_caps_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_caps_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_caps_LDADD = $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-jid
tests_fuzz_fuzz_jid_SOURCES = tests/fuzz/fuzz-jid.c $(fuzz_headers)
tests_fuzz_fuzz_jid_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_jid_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_jid_LDADD = $(base_libs)

fuzz_targets += tests/fuzz/fuzz-fingerprint
tests_fuzz_fuzz_fingerprint_SOURCES = tests/fuzz/fuzz-fingerprint.c $(fuzz_headers)
tests_fuzz_fuzz_fingerprint_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_fingerprint_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_fingerprint_LDADD = $(base_libs)

fuzz_targets += tests/fuzz/fuzz-certificate
tests_fuzz_fuzz_certificate_SOURCES = tests/fuzz/fuzz-certificate.c $(fuzz_headers)
tests_fuzz_fuzz_certificate_CPPFLAGS = $(fuzz_cppflags) $(GNUTLS_CFLAGS)
tests_fuzz_fuzz_certificate_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_certificate_LDADD = $(io_libs)

fuzz_targets += tests/fuzz/fuzz-names
tests_fuzz_fuzz_names_SOURCES = tests/fuzz/fuzz-names.c $(fuzz_headers)
tests_fuzz_fuzz_names_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_names_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_names_LDADD = $(model_libs)

fuzz_targets += tests/fuzz/fuzz-config
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c $(fuzz_headers)
tests_fuzz_fuzz_config_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_config_LDADD = $(io_libs)

fuzz_targets += tests/fuzz/fuzz-cli
tests_fuzz_fuzz_cli_SOURCES = tests/fuzz/fuzz-cli.c $(fuzz_headers)
tests_fuzz_fuzz_cli_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_cli_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_cli_LDADD = cli/libcli.a $(GLIB_LIBS)

fuzz_targets += tests/fuzz/fuzz-bus-frame
tests_fuzz_fuzz_bus_frame_SOURCES = tests/fuzz/fuzz-bus-frame.c $(fuzz_headers)
tests_fuzz_fuzz_bus_frame_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_bus_frame_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_bus_frame_LDADD = daemon/libbus.a dbus/libearshot-dbus.a $(proto_libs)

fuzz_targets += tests/fuzz/fuzz-mdns-echo
tests_fuzz_fuzz_mdns_echo_SOURCES = tests/fuzz/fuzz-mdns-echo.c $(fuzz_headers)
tests_fuzz_fuzz_mdns_echo_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_mdns_echo_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_mdns_echo_LDADD = $(io_libs)
endif

# What is found new stays in the build tree until somebody picks it for the corpus.
FUZZ_SECONDS = 60
FUZZ_ONLY = $(fuzz_targets)
fuzz: $(fuzz_targets)
	@test -n "$(fuzz_targets)" || { echo "configure with CC=clang --enable-fuzz --with-sanitizer=address"; exit 1; }
	@for t in $(FUZZ_ONLY); do \
	  n=$${t##*/fuzz-}; $(MKDIR_P) fuzz-found/$$n; echo "== $$n"; \
	  G_SLICE=always-malloc ./$$t -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -artifact_prefix=fuzz-found/$$n- -max_len=4096 \
	    -rss_limit_mb=1024 -timeout=10 fuzz-found/$$n $(srcdir)/tests/fuzz/corpus/$$n || exit 1; \
	done
.PHONY: fuzz

EXTRA_DIST += tests/fuzz/corpus
