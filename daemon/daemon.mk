# SPDX-License-Identifier: LGPL-2.1-or-later
# daemon/: one library a floor, so that a call upward does not link.
noinst_LIBRARIES += daemon/libbase.a daemon/libproto.a daemon/libio.a daemon/libmodel.a daemon/libbus.a

daemon_libbase_a_SOURCES = \
	daemon/base/app-id.c daemon/base/app-id.h \
	daemon/base/error.c daemon/base/error.h \
	daemon/base/fingerprint.c daemon/base/fingerprint.h \
	daemon/base/message-id.c daemon/base/message-id.h \
	daemon/base/fsutil.c daemon/base/fsutil.h \
	daemon/base/jid.c daemon/base/jid.h \
	daemon/base/log.c daemon/base/log.h \
	daemon/base/names.h \
	daemon/base/thread.c daemon/base/thread.h
daemon_libbase_a_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS)

daemon_libproto_a_SOURCES = \
	daemon/proto/caps.c daemon/proto/caps.h \
	daemon/proto/emoji.c daemon/proto/emoji.h \
	daemon/proto/message-parts.c daemon/proto/message-parts.h \
	daemon/proto/endpoint.c daemon/proto/endpoint.h \
	daemon/proto/invite-id.c daemon/proto/invite-id.h \
	daemon/proto/invite-proof.c daemon/proto/invite-proof.h \
	daemon/proto/presence-txt.c daemon/proto/presence-txt.h \
	daemon/proto/sas.c daemon/proto/sas.h \
	daemon/proto/sm.c daemon/proto/sm.h \
	daemon/proto/stanza.c daemon/proto/stanza.h \
	daemon/proto/stream.c daemon/proto/stream.h daemon/proto/stream-private.h \
	daemon/proto/stream-clear.c \
	daemon/proto/stream-in.c daemon/proto/stream-in.h \
	daemon/proto/stream-manage.c daemon/proto/stream-negotiate.c \
	daemon/proto/stream-out.c daemon/proto/stream-out.h \
	daemon/proto/stream-words.c daemon/proto/stream-words.h \
	daemon/proto/succession.c daemon/proto/succession.h \
	daemon/proto/trust-message.c daemon/proto/trust-message.h \
	daemon/proto/trust-policy.c daemon/proto/trust-policy.h \
	daemon/proto/trust-uri.c daemon/proto/trust-uri.h \
	daemon/proto/web-link.c daemon/proto/web-link.h \
	daemon/proto/xml-stream.c daemon/proto/xml-stream.h
daemon_libproto_a_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS) $(EXPAT_CFLAGS)

daemon_libio_a_SOURCES = \
	daemon/io/addresses.c daemon/io/addresses.h \
	daemon/io/certificate.c daemon/io/certificate.h \
	daemon/io/confusable.c daemon/io/confusable.h \
	daemon/io/config.c daemon/io/config.h \
	daemon/io/crls.c daemon/io/crls.h \
	daemon/io/db.c daemon/io/db.h \
	daemon/io/db-open.c daemon/io/db-private.h \
	daemon/io/db-values.c daemon/io/db-values.h \
	daemon/io/discovery.c daemon/io/discovery.h \
	daemon/io/discovery-auto.c daemon/io/discovery-auto.h \
	daemon/io/discovery-avahi.c \
	daemon/io/discovery-backend.h \
	daemon/io/discovery-core.c daemon/io/discovery-core.h \
	daemon/io/discovery-embedded.c \
	daemon/io/discovery-none.c \
	daemon/io/discovery-private.h \
	daemon/io/discovery-publish.c \
	daemon/io/discovery-rdata.c \
	daemon/io/discovery-resolve.c \
	daemon/io/discovery-symbols.c daemon/io/discovery-symbols.h \
	daemon/io/host-facts.c daemon/io/host-facts.h \
	daemon/io/mdns-echo.c daemon/io/mdns-echo.h \
	daemon/io/history.c daemon/io/history.h \
	daemon/io/history-read.c daemon/io/history-keep.c daemon/io/history-forget.c daemon/io/history-search.c daemon/io/history-schema.c \
	daemon/io/history-upkeep.c daemon/io/history-clock.c daemon/io/history-private.h \
	daemon/io/history-amend.c daemon/io/history-read.c daemon/io/history-keep.c daemon/io/history-search.c \
	daemon/io/history-schema.c daemon/io/history-private.h \
	daemon/io/history-upkeep.c daemon/io/history-clock.c daemon/io/history-numbers.c daemon/io/history-private.h \
	daemon/io/history-upkeep.c daemon/io/history-clock.c daemon/io/history-numbers.c daemon/io/history-import.c daemon/io/history-private.h \
	daemon/io/identity.c daemon/io/identity.h \
	daemon/io/history-read.c daemon/io/history-keep.c daemon/io/history-schema.c daemon/io/history-private.h \
	daemon/io/identity.c daemon/io/identity.h daemon/io/identity-private.h \
	daemon/io/identity-portable.c daemon/io/identity-rotate.c \
	daemon/io/link.c daemon/io/link.h \
	daemon/io/link-private.h \
	daemon/io/link-dial.c \
	daemon/io/link-listener.c \
	daemon/io/mailbox.c daemon/io/mailbox.h \
	daemon/io/outbox.c daemon/io/outbox.h daemon/io/outbox-hold.c daemon/io/outbox-private.h \
	daemon/io/pace.c daemon/io/pace.h \
	daemon/io/renames.c daemon/io/renames.h \
	daemon/io/poller.c daemon/io/poller.h \
	daemon/io/roots.c daemon/io/roots.h \
	daemon/io/succession-sign.c daemon/io/succession-sign.h \
	daemon/io/tls.c daemon/io/tls.h \
	daemon/io/token.c daemon/io/token.h \
	daemon/io/trust-apps.c daemon/io/trust-apps.h \
	daemon/io/trust-audit.c daemon/io/trust-audit.h \
	daemon/io/trust-invites.c daemon/io/trust-invites.h \
	daemon/io/trust-store.c daemon/io/trust-store.h daemon/io/trust-store-load.c daemon/io/trust-store-private.h
daemon_libio_a_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS) $(GNUTLS_CFLAGS) $(SQLITE_CFLAGS) $(AVAHI_CFLAGS) $(ICU_CFLAGS)

daemon_libmodel_a_SOURCES = \
	daemon/model/app-access.c daemon/model/app-access.h \
	daemon/model/contact.c \
	daemon/model/contact-names.c \
	daemon/model/contact-words.c \
	daemon/model/contacts.c daemon/model/contacts.h daemon/model/contacts-private.h \
	daemon/model/contacts-legacy.c \
	daemon/model/contacts-select.c \
	daemon/model/contacts-write.c \
	daemon/model/sightings.c \
	daemon/model/doctor.c daemon/model/doctor.h daemon/model/doctor-private.h daemon/model/doctor-judge.c daemon/model/doctor-peer.c \
	daemon/model/delivery.c daemon/model/delivery.h daemon/model/delivery-private.h \
	daemon/model/delivery-in.c \
	daemon/model/delivery-out.c daemon/model/delivery-send.c daemon/model/delivery-mark.c \
	daemon/model/delivery-hold.c \
	daemon/model/delivery-ask.c \
	daemon/model/delivery-clear.c \
	daemon/model/invites.c daemon/model/invites.h daemon/model/invites-private.h \
	daemon/model/invites-accept.c \
	daemon/model/delivery-payload.c \
	daemon/model/introductions.c daemon/model/introductions.h \
	daemon/model/probe.c \
	daemon/model/lookalikes.c daemon/model/lookalikes.h \
	daemon/model/router.c daemon/model/router.h \
	daemon/model/self.c daemon/model/self.h \
	daemon/model/dialer.c daemon/model/dial-candidates.c daemon/model/dial-candidates.h \
	daemon/model/session.c daemon/model/session.h daemon/model/session-private.h \
	daemon/model/session-alive.c daemon/model/session-open.c \
	daemon/model/session-clear.c \
	daemon/model/session-chain.c \
	daemon/model/session-resume.c \
	daemon/model/sessions.c \
	daemon/model/settings.c daemon/model/settings.h \
	daemon/model/succession.c daemon/model/succession.h \
	daemon/model/trust.c daemon/model/trust.h daemon/model/trust-private.h \
	daemon/model/trust-chain.c \
	daemon/model/trust-decide.c \
	daemon/model/trust-duplicate.c daemon/model/trust-record.c \
	daemon/model/trust-succession.c \
	daemon/model/trust-invite.c \
	daemon/model/trust-introduce.c \
	daemon/model/trust-verified.c \
	daemon/model/trust-clear.c daemon/model/trust-decision.c \
	daemon/model/verification.c daemon/model/verification.h \
	daemon/model/watchers.h
daemon_libmodel_a_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS) $(GNUTLS_CFLAGS) $(SQLITE_CFLAGS)

daemon_libbus_a_SOURCES = \
	daemon/bus/bus-apps.c \
	daemon/bus/bus-scopes.c daemon/bus/bus-scopes.h \
	daemon/bus/bus-access.c daemon/bus/bus-access.h \
	daemon/bus/bus-agents.c \
	daemon/bus/bus-audit.c \
	daemon/bus/bus-call.c \
	daemon/bus/bus-connect.c daemon/bus/bus-connect.h \
	daemon/bus/bus-contact.c \
	daemon/bus/bus-conversation.c \
	daemon/bus/bus-debt.c daemon/bus/bus-debt.h \
	daemon/bus/bus-frame.c daemon/bus/bus-frame.h \
	daemon/bus/bus-gate.c daemon/bus/bus-gate.h \
	daemon/bus/bus-identity.c \
	daemon/bus/bus-invite.c \
	daemon/bus/bus-key.c \
	daemon/bus/bus-lines.c daemon/bus/bus-lines.h \
	daemon/bus/bus-link.c \
	daemon/bus/bus-manager.c \
	daemon/bus/bus-amend.c \
	daemon/bus/bus-export.c \
	daemon/bus/bus-import.c \
	daemon/bus/bus-messages.c \
	daemon/bus/bus-network.c \
	daemon/bus/bus-objects.c \
	daemon/bus/bus-options.c daemon/bus/bus-options.h \
	daemon/bus/bus-values.c daemon/bus/bus-values.h \
	daemon/bus/bus-request.c \
	daemon/bus/bus-verification.c \
	daemon/bus/front.c \
	daemon/bus/bus-pour.c daemon/bus/bus-pour.h \
	daemon/bus/private-bus.c daemon/bus/private-bus.h \
	daemon/bus/window.c daemon/bus/window.h \
	daemon/bus/window-private.h
daemon_libbus_a_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS) $(GNUTLS_CFLAGS) $(SQLITE_CFLAGS)

base_libs = daemon/libbase.a $(GLIB_LIBS)
proto_libs = daemon/libproto.a $(base_libs) $(EXPAT_LIBS)
io_libs = daemon/libio.a $(proto_libs) $(GNUTLS_LIBS) $(SQLITE_LIBS) $(AVAHI_GLIB_LIBS) $(ICU_LIBS)
model_libs = daemon/libmodel.a $(io_libs)
bus_libs = daemon/libbus.a dbus/libearshot-dbus.a $(model_libs)

bin_PROGRAMS += earshotd
earshotd_SOURCES = daemon/daemon.c daemon/daemon.h daemon/main.c
earshotd_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS) $(GNUTLS_CFLAGS) $(SQLITE_CFLAGS)
earshotd_LDADD = $(bus_libs)
