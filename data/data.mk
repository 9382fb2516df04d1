# SPDX-License-Identifier: LGPL-2.1-or-later
# data/: what gets installed besides programs.
pkgconfigdir = $(datadir)/pkgconfig
pkgconfig_DATA = data/earshot.pc

dist_man_MANS += data/xmppctl.1
# bash-completion loads a script by the command's name, without suffix.
EXTRA_DIST += data/xmppctl.bash
install-data-local: install-completion
install-completion:
	$(MKDIR_P) '$(DESTDIR)$(bashcompletiondir)'
	$(INSTALL_DATA) $(srcdir)/data/xmppctl.bash '$(DESTDIR)$(bashcompletiondir)/xmppctl'
uninstall-local: uninstall-completion
uninstall-completion:
	rm -f '$(DESTDIR)$(bashcompletiondir)/xmppctl'
.PHONY: install-completion uninstall-completion
