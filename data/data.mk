# SPDX-License-Identifier: LGPL-2.1-or-later
# data/: what gets installed besides programs.
pkgconfigdir = $(datadir)/pkgconfig
pkgconfig_DATA = data/earshot.pc

# Made here and not by configure: it would leave ${exec_prefix} in @bindir@.
dbusservice_DATA = data/im.earshot.Earshot1.service
systemduserunit_DATA = data/earshotd.service
data_made = $(dbusservice_DATA) $(systemduserunit_DATA)
CLEANFILES += $(data_made)
EXTRA_DIST += data/im.earshot.Earshot1.service.in data/earshotd.service.in
data_subst = $(AM_V_GEN)$(MKDIR_P) data && $(SED) -e 's|@bindir[@]|$(bindir)|g'
data/im.earshot.Earshot1.service: $(srcdir)/data/im.earshot.Earshot1.service.in Makefile
	$(data_subst) '$(srcdir)/data/im.earshot.Earshot1.service.in' > $@
data/earshotd.service: $(srcdir)/data/earshotd.service.in Makefile
	$(data_subst) '$(srcdir)/data/earshotd.service.in' > $@
dist_examples_DATA = data/earshotd.conf

dist_man_MANS += data/xmppctl.1 data/earshotd.8 data/earshot-dbus.7
# Each shell has its own idea of where, and of the name: bash-completion loads a script by the command's name, without suffix.
EXTRA_DIST += $(completion_scripts)
install-data-local: install-completion
install-completion:
	$(MKDIR_P) '$(DESTDIR)$(bashcompletiondir)' '$(DESTDIR)$(zshcompletiondir)' '$(DESTDIR)$(fishcompletiondir)'
	$(INSTALL_DATA) $(srcdir)/data/xmppctl.bash '$(DESTDIR)$(bashcompletiondir)/xmppctl'
	$(INSTALL_DATA) $(srcdir)/data/xmppctl.zsh '$(DESTDIR)$(zshcompletiondir)/_xmppctl'
	$(INSTALL_DATA) $(srcdir)/data/xmppctl.fish '$(DESTDIR)$(fishcompletiondir)/xmppctl.fish'
uninstall-local: uninstall-completion
uninstall-completion:
	rm -f '$(DESTDIR)$(bashcompletiondir)/xmppctl' '$(DESTDIR)$(zshcompletiondir)/_xmppctl' '$(DESTDIR)$(fishcompletiondir)/xmppctl.fish'
.PHONY: install-completion uninstall-completion
