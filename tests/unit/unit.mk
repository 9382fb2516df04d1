# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/unit/: one GTest program a module.
unit_cppflags = $(AM_CPPFLAGS) $(GLIB_CFLAGS) $(GNUTLS_CFLAGS) $(SQLITE_CFLAGS) $(EXPAT_CFLAGS) $(AVAHI_CFLAGS)
unit_tests =
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

unit_tests += tests/unit/test-error
tests_unit_test_error_SOURCES = tests/unit/test-error.c
tests_unit_test_error_CPPFLAGS = $(unit_cppflags)
tests_unit_test_error_LDADD = $(base_libs)

unit_tests += tests/unit/test-message-id
tests_unit_test_message_id_SOURCES = tests/unit/test-message-id.c
tests_unit_test_message_id_CPPFLAGS = $(unit_cppflags)
tests_unit_test_message_id_LDADD = $(base_libs)

unit_tests += tests/unit/test-fingerprint
tests_unit_test_fingerprint_SOURCES = tests/unit/test-fingerprint.c
tests_unit_test_fingerprint_CPPFLAGS = $(unit_cppflags)
tests_unit_test_fingerprint_LDADD = $(base_libs)

unit_tests += tests/unit/test-fsutil
tests_unit_test_fsutil_SOURCES = tests/unit/test-fsutil.c
tests_unit_test_fsutil_CPPFLAGS = $(unit_cppflags)
tests_unit_test_fsutil_LDADD = $(base_libs)

unit_tests += tests/unit/test-jid
tests_unit_test_jid_SOURCES = tests/unit/test-jid.c
tests_unit_test_jid_CPPFLAGS = $(unit_cppflags)
tests_unit_test_jid_LDADD = $(base_libs)

unit_tests += tests/unit/test-log
tests_unit_test_log_SOURCES = tests/unit/test-log.c
tests_unit_test_log_CPPFLAGS = $(unit_cppflags)
tests_unit_test_log_LDADD = $(base_libs)

unit_tests += tests/unit/test-caps
tests_unit_test_caps_SOURCES = tests/unit/test-caps.c
tests_unit_test_caps_CPPFLAGS = $(unit_cppflags)
tests_unit_test_caps_LDADD = $(proto_libs)

unit_tests += tests/unit/test-message-parts
tests_unit_test_message_parts_SOURCES = tests/unit/test-message-parts.c
tests_unit_test_message_parts_CPPFLAGS = $(unit_cppflags)
tests_unit_test_message_parts_LDADD = $(proto_libs)

unit_tests += tests/unit/test-presence-txt
tests_unit_test_presence_txt_SOURCES = tests/unit/test-presence-txt.c
tests_unit_test_presence_txt_CPPFLAGS = $(unit_cppflags)
tests_unit_test_presence_txt_LDADD = $(proto_libs)

unit_tests += tests/unit/test-sas
tests_unit_test_sas_SOURCES = tests/unit/test-sas.c
tests_unit_test_sas_CPPFLAGS = $(unit_cppflags)
tests_unit_test_sas_LDADD = $(proto_libs)

unit_tests += tests/unit/test-sm
tests_unit_test_sm_SOURCES = tests/unit/test-sm.c
tests_unit_test_sm_CPPFLAGS = $(unit_cppflags)
tests_unit_test_sm_LDADD = $(proto_libs)

unit_tests += tests/unit/test-stanza
tests_unit_test_stanza_SOURCES = tests/unit/test-stanza.c
tests_unit_test_stanza_CPPFLAGS = $(unit_cppflags)
tests_unit_test_stanza_LDADD = $(proto_libs)

unit_tests += tests/unit/test-stream-manage
tests_unit_test_stream_manage_SOURCES = tests/unit/test-stream-manage.c
tests_unit_test_stream_manage_CPPFLAGS = $(unit_cppflags)
tests_unit_test_stream_manage_LDADD = $(proto_libs)

unit_tests += tests/unit/test-stream-clear
tests_unit_test_stream_clear_SOURCES = tests/unit/test-stream-clear.c
tests_unit_test_stream_clear_CPPFLAGS = $(unit_cppflags)
tests_unit_test_stream_clear_LDADD = $(proto_libs)

unit_tests += tests/unit/test-stream
tests_unit_test_stream_SOURCES = tests/unit/test-stream.c
tests_unit_test_stream_CPPFLAGS = $(unit_cppflags)
tests_unit_test_stream_LDADD = $(proto_libs)

unit_tests += tests/unit/test-succession
tests_unit_test_succession_SOURCES = tests/unit/test-succession.c
tests_unit_test_succession_CPPFLAGS = $(unit_cppflags)
tests_unit_test_succession_LDADD = $(proto_libs)
unit_tests += tests/unit/test-trust-message
tests_unit_test_trust_message_SOURCES = tests/unit/test-trust-message.c
tests_unit_test_trust_message_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_message_LDADD = $(proto_libs)

unit_tests += tests/unit/test-trust-policy
tests_unit_test_trust_policy_SOURCES = tests/unit/test-trust-policy.c
tests_unit_test_trust_policy_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_policy_LDADD = $(proto_libs)

unit_tests += tests/unit/test-endpoint
tests_unit_test_endpoint_SOURCES = tests/unit/test-endpoint.c
tests_unit_test_endpoint_CPPFLAGS = $(unit_cppflags)
tests_unit_test_endpoint_LDADD = $(proto_libs)

unit_tests += tests/unit/test-invite-proof
tests_unit_test_invite_proof_SOURCES = tests/unit/test-invite-proof.c
tests_unit_test_invite_proof_CPPFLAGS = $(unit_cppflags)
tests_unit_test_invite_proof_LDADD = $(proto_libs)

unit_tests += tests/unit/test-trust-uri
tests_unit_test_trust_uri_SOURCES = tests/unit/test-trust-uri.c
tests_unit_test_trust_uri_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_uri_LDADD = $(proto_libs)

unit_tests += tests/unit/test-xml-stream
tests_unit_test_xml_stream_SOURCES = tests/unit/test-xml-stream.c
tests_unit_test_xml_stream_CPPFLAGS = $(unit_cppflags)
tests_unit_test_xml_stream_LDADD = $(proto_libs)

unit_tests += tests/unit/test-config
tests_unit_test_config_SOURCES = tests/unit/test-config.c
tests_unit_test_config_CPPFLAGS = $(unit_cppflags)
tests_unit_test_config_LDADD = $(io_libs)

unit_tests += tests/unit/test-db
tests_unit_test_db_SOURCES = tests/unit/test-db.c tests/unit/store-helper.h
tests_unit_test_db_CPPFLAGS = $(unit_cppflags)
tests_unit_test_db_LDADD = $(io_libs)

unit_tests += tests/unit/test-discovery
tests_unit_test_discovery_SOURCES = tests/unit/test-discovery.c
tests_unit_test_discovery_CPPFLAGS = $(unit_cppflags)
tests_unit_test_discovery_LDADD = $(io_libs)

unit_tests += tests/unit/test-mailbox
tests_unit_test_mailbox_SOURCES = tests/unit/test-mailbox.c
tests_unit_test_mailbox_CPPFLAGS = $(unit_cppflags)
tests_unit_test_mailbox_LDADD = $(io_libs)

unit_tests += tests/unit/test-history
tests_unit_test_history_SOURCES = tests/unit/test-history.c tests/unit/store-helper.h
tests_unit_test_history_CPPFLAGS = $(unit_cppflags)
tests_unit_test_history_LDADD = $(io_libs)

unit_tests += tests/unit/test-history-amend
tests_unit_test_history_amend_SOURCES = tests/unit/test-history-amend.c tests/unit/history-helper.h tests/unit/store-helper.h
tests_unit_test_history_amend_CPPFLAGS = $(unit_cppflags)
tests_unit_test_history_amend_LDADD = $(io_libs)
unit_tests += tests/unit/test-history-import
tests_unit_test_history_import_SOURCES = tests/unit/test-history-import.c tests/unit/history-helper.h tests/unit/store-helper.h
tests_unit_test_history_import_CPPFLAGS = $(unit_cppflags)
tests_unit_test_history_import_LDADD = $(io_libs)

unit_tests += tests/unit/test-history-forget
tests_unit_test_history_forget_SOURCES = tests/unit/test-history-forget.c tests/unit/history-helper.h tests/unit/store-helper.h
tests_unit_test_history_forget_CPPFLAGS = $(unit_cppflags)
tests_unit_test_history_forget_LDADD = $(io_libs)

unit_tests += tests/unit/test-history-numbers
tests_unit_test_history_numbers_SOURCES = tests/unit/test-history-numbers.c tests/unit/history-helper.h tests/unit/store-helper.h
tests_unit_test_history_numbers_CPPFLAGS = $(unit_cppflags)
tests_unit_test_history_numbers_LDADD = $(io_libs)

unit_tests += tests/unit/test-history-search
tests_unit_test_history_search_SOURCES = tests/unit/test-history-search.c tests/unit/history-helper.h tests/unit/store-helper.h
tests_unit_test_history_search_CPPFLAGS = $(unit_cppflags)
tests_unit_test_history_search_LDADD = $(io_libs)

unit_tests += tests/unit/test-history-upkeep
tests_unit_test_history_upkeep_SOURCES = tests/unit/test-history-upkeep.c tests/unit/history-helper.h tests/unit/store-helper.h
tests_unit_test_history_upkeep_CPPFLAGS = $(unit_cppflags)
tests_unit_test_history_upkeep_LDADD = $(io_libs)

unit_tests += tests/unit/test-identity
tests_unit_test_identity_SOURCES = tests/unit/test-identity.c tests/unit/test-certs.h
tests_unit_test_identity_CPPFLAGS = $(unit_cppflags)
tests_unit_test_identity_LDADD = $(io_libs)

unit_tests += tests/unit/test-link
tests_unit_test_link_SOURCES = tests/unit/test-link.c tests/unit/test-link.h tests/unit/test-link-listener.c
tests_unit_test_link_CPPFLAGS = $(unit_cppflags)
tests_unit_test_link_LDADD = $(io_libs)

unit_tests += tests/unit/test-old-files
tests_unit_test_old_files_SOURCES = tests/unit/test-old-files.c tests/unit/history-helper.h tests/unit/store-helper.h
tests_unit_test_old_files_CPPFLAGS = $(unit_cppflags)
tests_unit_test_old_files_LDADD = $(io_libs)
EXTRA_DIST += tests/unit/old/messages-1.sql tests/unit/old/trust-1.sql tests/unit/old/trust-2.sql tests/unit/old/trust-3.sql

unit_tests += tests/unit/test-outbox
tests_unit_test_outbox_SOURCES = tests/unit/test-outbox.c tests/unit/store-helper.h
tests_unit_test_outbox_CPPFLAGS = $(unit_cppflags)
tests_unit_test_outbox_LDADD = $(io_libs)

unit_tests += tests/unit/test-poller
tests_unit_test_poller_SOURCES = tests/unit/test-poller.c
tests_unit_test_poller_CPPFLAGS = $(unit_cppflags)
tests_unit_test_poller_LDADD = $(io_libs)

unit_tests += tests/unit/test-portable
tests_unit_test_portable_SOURCES = tests/unit/test-portable.c tests/unit/test-certs.h
tests_unit_test_portable_CPPFLAGS = $(unit_cppflags)
tests_unit_test_portable_LDADD = $(io_libs)

unit_tests += tests/unit/test-rotation
tests_unit_test_rotation_SOURCES = tests/unit/test-rotation.c tests/unit/test-certs.h
tests_unit_test_rotation_CPPFLAGS = $(unit_cppflags)
tests_unit_test_rotation_LDADD = $(io_libs)

unit_tests += tests/unit/test-roots
tests_unit_test_roots_SOURCES = tests/unit/test-roots.c tests/unit/test-certs.h
tests_unit_test_roots_CPPFLAGS = $(unit_cppflags)
tests_unit_test_roots_LDADD = $(io_libs)

unit_tests += tests/unit/test-tls
tests_unit_test_tls_SOURCES = tests/unit/test-tls.c tests/unit/test-certs.h
tests_unit_test_tls_CPPFLAGS = $(unit_cppflags)
tests_unit_test_tls_LDADD = $(io_libs)

unit_tests += tests/unit/test-trust-audit
tests_unit_test_trust_audit_SOURCES = tests/unit/test-trust-audit.c tests/unit/store-helper.h
tests_unit_test_trust_audit_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_audit_LDADD = $(io_libs)

unit_tests += tests/unit/test-trust-store
tests_unit_test_trust_store_SOURCES = tests/unit/test-trust-store.c tests/unit/store-helper.h
tests_unit_test_trust_store_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_store_LDADD = $(io_libs)

unit_tests += tests/unit/test-contacts
tests_unit_test_contacts_SOURCES = tests/unit/test-contacts.c tests/unit/people-helper.h tests/unit/store-helper.h
tests_unit_test_contacts_CPPFLAGS = $(unit_cppflags)
tests_unit_test_contacts_LDADD = $(model_libs)

unit_tests += tests/unit/test-confusable
tests_unit_test_confusable_SOURCES = tests/unit/test-confusable.c
tests_unit_test_confusable_CPPFLAGS = $(unit_cppflags)
tests_unit_test_confusable_LDADD = $(model_libs)

unit_tests += tests/unit/test-names
tests_unit_test_names_SOURCES = tests/unit/test-names.c tests/unit/people-helper.h tests/unit/store-helper.h
tests_unit_test_names_CPPFLAGS = $(unit_cppflags)
tests_unit_test_names_LDADD = $(model_libs)

unit_tests += tests/unit/test-contacts-keys
tests_unit_test_contacts_keys_SOURCES = tests/unit/test-contacts-keys.c tests/unit/people-helper.h tests/unit/store-helper.h
tests_unit_test_contacts_keys_CPPFLAGS = $(unit_cppflags)
tests_unit_test_contacts_keys_LDADD = $(model_libs)

unit_tests += tests/unit/test-delivery
tests_unit_test_delivery_SOURCES = tests/unit/test-delivery.c $(talk_helpers)
tests_unit_test_delivery_CPPFLAGS = $(unit_cppflags)
tests_unit_test_delivery_LDADD = $(model_libs)

unit_tests += tests/unit/test-delivery-hard
tests_unit_test_delivery_hard_SOURCES = tests/unit/test-delivery-hard.c $(talk_helpers)
tests_unit_test_delivery_hard_CPPFLAGS = $(unit_cppflags)
tests_unit_test_delivery_hard_LDADD = $(model_libs)

unit_tests += tests/unit/test-delivery-amend
tests_unit_test_delivery_amend_SOURCES = tests/unit/test-delivery-amend.c $(talk_helpers)
tests_unit_test_delivery_amend_CPPFLAGS = $(unit_cppflags)
tests_unit_test_delivery_amend_LDADD = $(model_libs)

unit_tests += tests/unit/test-delivery-clear
tests_unit_test_delivery_clear_SOURCES = tests/unit/test-delivery-clear.c $(talk_helpers)
tests_unit_test_delivery_clear_CPPFLAGS = $(unit_cppflags)
tests_unit_test_delivery_clear_LDADD = $(model_libs)

unit_tests += tests/unit/test-router
tests_unit_test_router_SOURCES = tests/unit/test-router.c $(talk_helpers)
tests_unit_test_router_CPPFLAGS = $(unit_cppflags)
tests_unit_test_router_LDADD = $(model_libs)

unit_tests += tests/unit/test-self
tests_unit_test_self_SOURCES = tests/unit/test-self.c tests/unit/store-helper.h $(fake_discovery)
tests_unit_test_self_CPPFLAGS = $(unit_cppflags)
tests_unit_test_self_LDADD = $(model_libs)

unit_tests += tests/unit/test-session
tests_unit_test_session_SOURCES = tests/unit/test-session.c tests/unit/host-helper.h tests/unit/people-helper.h \
	tests/unit/store-helper.h $(fake_discovery)
tests_unit_test_session_CPPFLAGS = $(unit_cppflags)
tests_unit_test_session_LDADD = $(model_libs)

# What people allow in clear is answered by the test.
unit_tests += tests/unit/test-session-clear
tests_unit_test_session_clear_SOURCES = tests/unit/test-session-clear.c tests/unit/host-helper.h tests/unit/people-helper.h \
	tests/unit/store-helper.h $(fake_discovery)
tests_unit_test_session_clear_CPPFLAGS = $(unit_cppflags)
tests_unit_test_session_clear_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=trust_admits_clear -Wl,--wrap=trust_still_admits_clear
tests_unit_test_session_clear_LDADD = $(model_libs)

unit_tests += tests/unit/test-settings
tests_unit_test_settings_SOURCES = tests/unit/test-settings.c tests/unit/store-helper.h
tests_unit_test_settings_CPPFLAGS = $(unit_cppflags)
tests_unit_test_settings_LDADD = $(model_libs)

unit_tests += tests/unit/test-trust
tests_unit_test_trust_SOURCES = tests/unit/test-trust.c tests/unit/people-helper.h tests/unit/store-helper.h
tests_unit_test_trust_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_LDADD = $(model_libs)

unit_tests += tests/unit/test-trust-introduce
tests_unit_test_trust_introduce_SOURCES = tests/unit/test-trust-introduce.c tests/unit/people-helper.h tests/unit/store-helper.h
tests_unit_test_trust_introduce_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_introduce_LDADD = $(model_libs)

unit_tests += tests/unit/test-introductions
tests_unit_test_introductions_SOURCES = tests/unit/test-introductions.c $(talk_helpers)
tests_unit_test_introductions_CPPFLAGS = $(unit_cppflags)
tests_unit_test_introductions_LDADD = $(model_libs)

unit_tests += tests/unit/test-trust-record
tests_unit_test_trust_record_SOURCES = tests/unit/test-trust-record.c tests/unit/people-helper.h tests/unit/store-helper.h
tests_unit_test_trust_record_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_record_LDADD = $(model_libs)

unit_tests += tests/unit/test-trust-succession
tests_unit_test_trust_succession_SOURCES = tests/unit/test-trust-succession.c tests/unit/people-helper.h tests/unit/store-helper.h
tests_unit_test_trust_succession_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_succession_LDADD = $(model_libs)

unit_tests += tests/unit/test-trust-clear
tests_unit_test_trust_clear_SOURCES = tests/unit/test-trust-clear.c tests/unit/people-helper.h tests/unit/store-helper.h
tests_unit_test_trust_clear_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_clear_LDADD = $(model_libs)

talk_helpers = tests/unit/talk-helper.h tests/unit/host-helper.h tests/unit/people-helper.h tests/unit/store-helper.h \
	$(fake_discovery)

# For tests of the model floor: add $(fake_discovery) to the sources and discovery.h has no network behind it.
fake_discovery = tests/unit/fake-discovery.c tests/unit/fake-discovery.h
EXTRA_DIST += $(fake_discovery)

# The window in front of cardboard rooms: neither model nor io is linked.
bus_fixture = tests/unit/bus-fixture.c tests/unit/bus-fixture.h tests/unit/fake-rooms.c tests/unit/fake-rooms.h
bus_fixture_libs = daemon/libbus.a dbus/libearshot-dbus.a $(proto_libs)

unit_tests += tests/unit/test-invites
tests_unit_test_invites_SOURCES = tests/unit/test-invites.c tests/unit/invite-helper.h $(talk_helpers)
tests_unit_test_invites_CPPFLAGS = $(unit_cppflags)
tests_unit_test_invites_LDADD = $(model_libs)

unit_tests += tests/unit/test-verification
tests_unit_test_verification_SOURCES = tests/unit/test-verification.c tests/unit/verify-helper.h $(talk_helpers)
tests_unit_test_verification_CPPFLAGS = $(unit_cppflags)
tests_unit_test_verification_LDADD = $(model_libs)

unit_tests += tests/unit/test-trust-verified
tests_unit_test_trust_verified_SOURCES = tests/unit/test-trust-verified.c tests/unit/verify-helper.h $(talk_helpers)
tests_unit_test_trust_verified_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trust_verified_LDADD = $(model_libs)

unit_tests += tests/unit/test-verification-foe
tests_unit_test_verification_foe_SOURCES = tests/unit/test-verification-foe.c tests/unit/verify-helper.h $(talk_helpers)
tests_unit_test_verification_foe_CPPFLAGS = $(unit_cppflags)
tests_unit_test_verification_foe_LDADD = $(model_libs)

unit_tests += tests/unit/test-bus
tests_unit_test_bus_SOURCES = tests/unit/test-bus.c $(bus_fixture)
tests_unit_test_bus_CPPFLAGS = $(unit_cppflags)
tests_unit_test_bus_LDADD = $(bus_fixture_libs)

unit_tests += tests/unit/test-bus-access
tests_unit_test_bus_access_SOURCES = tests/unit/test-bus-access.c $(bus_fixture)
tests_unit_test_bus_access_CPPFLAGS = $(unit_cppflags)
tests_unit_test_bus_access_LDADD = $(bus_fixture_libs)

unit_tests += tests/unit/test-bus-debt
tests_unit_test_bus_debt_SOURCES = tests/unit/test-bus-debt.c
tests_unit_test_bus_debt_CPPFLAGS = $(unit_cppflags)
tests_unit_test_bus_debt_LDADD = $(bus_fixture_libs)

unit_tests += tests/unit/test-bus-export
tests_unit_test_bus_export_SOURCES = tests/unit/test-bus-export.c $(bus_fixture)
tests_unit_test_bus_export_CPPFLAGS = $(unit_cppflags)
tests_unit_test_bus_export_LDADD = $(bus_fixture_libs)

unit_tests += tests/unit/test-bus-gate
tests_unit_test_bus_gate_SOURCES = tests/unit/test-bus-gate.c
tests_unit_test_bus_gate_CPPFLAGS = $(unit_cppflags)
tests_unit_test_bus_gate_LDADD = $(bus_fixture_libs)

unit_tests += tests/unit/test-bus-agents
tests_unit_test_bus_agents_SOURCES = tests/unit/test-bus-agents.c $(bus_fixture)
tests_unit_test_bus_agents_CPPFLAGS = $(unit_cppflags)
tests_unit_test_bus_agents_LDADD = $(bus_fixture_libs)

unit_tests += tests/unit/test-bus-scopes
tests_unit_test_bus_scopes_SOURCES = tests/unit/test-bus-scopes.c
tests_unit_test_bus_scopes_CPPFLAGS = $(unit_cppflags)
tests_unit_test_bus_scopes_LDADD = daemon/libbus.a $(base_libs)

unit_tests += tests/unit/test-app-access
tests_unit_test_app_access_SOURCES = tests/unit/test-app-access.c tests/unit/store-helper.h
tests_unit_test_app_access_CPPFLAGS = $(unit_cppflags)
tests_unit_test_app_access_LDADD = $(model_libs)

unit_tests += tests/unit/test-bus-objects
tests_unit_test_bus_objects_SOURCES = tests/unit/test-bus-objects.c $(bus_fixture)
tests_unit_test_bus_objects_CPPFLAGS = $(unit_cppflags)
tests_unit_test_bus_objects_LDADD = $(bus_fixture_libs)

unit_tests += tests/unit/test-private-bus
tests_unit_test_private_bus_SOURCES = tests/unit/test-private-bus.c $(bus_fixture)
tests_unit_test_private_bus_CPPFLAGS = $(unit_cppflags)
tests_unit_test_private_bus_LDADD = $(bus_fixture_libs)

# `make check-valgrind`: the same programs under valgrind; an error or a definite leak is a failure. GLib keeps its types and
# GnuTLS its tables until exit: reachable and possible ones are not counted. Of a child only the fork is followed, not what it executes.
VALGRIND = valgrind
VALGRIND_FLAGS = -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
	--num-callers=30 --suppressions='$(abs_top_srcdir)/tests/valgrind.supp'
valgrind_skipped =
check-valgrind:
	@test -z '$(CFLAGS_SAN)' || { echo "valgrind and a sanitizer do not go together: use a plain build"; exit 1; }
	@tests=; for t in $(unit_tests) $(fuzz_replays); do \
	  case " $(valgrind_skipped) " in *" $$t "*) ;; *) tests="$$tests $$t" ;; esac; \
	done; \
	G_SLICE=always-malloc $(MAKE) $(AM_MAKEFLAGS) check TESTS="$$tests" LOG_COMPILER="$(VALGRIND) $(VALGRIND_FLAGS)"
.PHONY: check-valgrind
EXTRA_DIST += tests/valgrind.supp

unit_tests += tests/unit/test-host-facts
tests_unit_test_host_facts_SOURCES = tests/unit/test-host-facts.c
tests_unit_test_host_facts_CPPFLAGS = $(unit_cppflags)
tests_unit_test_host_facts_LDADD = $(io_libs)

unit_tests += tests/unit/test-doctor
tests_unit_test_doctor_SOURCES = tests/unit/test-doctor.c
tests_unit_test_doctor_CPPFLAGS = $(unit_cppflags)
tests_unit_test_doctor_LDADD = $(model_libs)
