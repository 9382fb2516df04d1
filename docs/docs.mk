# SPDX-License-Identifier: LGPL-2.1-or-later
dist_doc_DATA = README.md NEWS \
	docs/api.md docs/architecture.md docs/operations.md docs/private-roots.md docs/protocol.md docs/threat-model.md docs/transcript.md docs/walkthrough.md
# What --json prints, for programs that check what they read.
schemadir = $(pkgdatadir)
dist_schema_DATA = docs/xmppctl.schema.json
examplesdir = $(docdir)/examples
dist_examples_SCRIPTS = docs/examples/client.py docs/examples/client.sh docs/examples/notify.py docs/examples/desktop-agent.py
dist_examples_DATA += docs/examples/bot.c

# The reference, from the interface files; gdbus-codegen does not look elsewhere than where it stands.
docs/reference/generated.stamp: $(dbus_xml)
	$(AM_V_GEN)$(MKDIR_P) docs/reference && cd $(srcdir) && \
	$(GDBUS_CODEGEN) --output-directory '$(abs_top_builddir)/docs/reference' --generate-rst earshot $(dbus_xml) && \
	touch '$(abs_top_builddir)/$@'
reference: docs/reference/generated.stamp
.PHONY: reference
all-local: reference
install-data-hook:
	$(MKDIR_P) '$(DESTDIR)$(docdir)/reference'
	$(INSTALL_DATA) docs/reference/earshot-*.rst '$(DESTDIR)$(docdir)/reference'
uninstall-hook:
	rm -rf '$(DESTDIR)$(docdir)/reference'
clean-local:
	rm -rf docs/reference

include tests/docs/docs.mk
