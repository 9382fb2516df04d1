# SPDX-License-Identifier: LGPL-2.1-or-later
# dbus/: the contract. Skeletons, proxies and the reference are generated from here.
dbus_xml = \
	dbus/im.earshot.Earshot1.Manager.xml \
	dbus/im.earshot.Earshot1.Contact.xml \
	dbus/im.earshot.Earshot1.Key.xml \
	dbus/im.earshot.Earshot1.Request.xml \
	dbus/im.earshot.Earshot1.Verification.xml \
	dbus/im.earshot.Earshot1.Agent.xml \
	dbus/im.earshot.Earshot1.Messages.xml \
	dbus/im.earshot.Earshot1.Conversation.xml \
	dbus/im.earshot.Earshot1.Network.xml
dbusinterface_DATA = $(dbus_xml)
EXTRA_DIST += $(dbus_xml)

dbus_generated = dbus/earshot-dbus.h dbus/earshot-dbus.c
BUILT_SOURCES += $(dbus_generated)
CLEANFILES += $(dbus_generated) dbus/generated.stamp
dbus/generated.stamp: $(dbus_xml)
	$(AM_V_GEN)$(MKDIR_P) dbus && cd $(srcdir) && \
	$(GDBUS_CODEGEN) --interface-prefix im.earshot.Earshot1. --c-namespace Earshot \
	  --c-generate-object-manager --c-generate-autocleanup all \
	  --output-directory '$(abs_top_builddir)/dbus' --generate-c-code earshot-dbus $(dbus_xml) && \
	touch '$(abs_top_builddir)/$@'
$(dbus_generated): dbus/generated.stamp

noinst_LIBRARIES += dbus/libearshot-dbus.a
nodist_dbus_libearshot_dbus_a_SOURCES = $(dbus_generated)
dbus_libearshot_dbus_a_SOURCES =
dbus_libearshot_dbus_a_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS) -UHAVE_CONFIG_H
# Generated code is not ours to warn about.
dbus_libearshot_dbus_a_CFLAGS = -std=gnu11 -w $(CFLAGS_HARD) $(CFLAGS_SAN)
