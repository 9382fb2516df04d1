# SPDX-License-Identifier: LGPL-2.1-or-later
# cli/: xmppctl, on the generated proxies only; links nothing of daemon/.
noinst_LIBRARIES += cli/libcli.a
# What knows neither bus nor terminal; the unit tests link it alone.
cli_libcli_a_SOURCES = \
	cli/escape.c cli/escape.h \
	cli/exit-code.c cli/exit-code.h \
	cli/line-edit.c cli/line-edit.h \
	cli/model.c cli/model.h \
	cli/selector.c cli/selector.h \
	cli/time-text.c cli/time-text.h \
	cli/usage.c cli/usage.h
cli_libcli_a_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS)

bin_PROGRAMS += xmppctl
xmppctl_SOURCES = \
	cli/archive.c cli/archive.h \
	cli/bus.c cli/bus.h \
	cli/agent-hook.c cli/agent-hook.h \
	cli/cmd-access.c \
	cli/cmd-agent.c \
	cli/cmd-amend.c \
	cli/cmd-audit.c \
	cli/cmd-block.c \
	cli/cmd-chat.c \
	cli/cmd-completion.c \
	cli/cmd-config.c \
	cli/cmd-doctor.c \
	cli/cmd-id.c cli/cmd-id-key.c \
	cli/cmd-introduce.c \
	cli/cmd-log.c \
	cli/cmd-net.c \
	cli/cmd-pair.c \
	cli/cmd-pair-ls.c \
	cli/cmd-peers.c \
	cli/cmd-receive.c \
	cli/cmd-send.c \
	cli/cmd-shell.c \
	cli/cmd-show.c \
	cli/cmd-status.c \
	cli/cmd-trust.c \
	cli/cmd-verify.c \
	cli/cmd-wait.c \
	cli/cmd-watch.c \
	cli/commands.h \
	cli/complete.c cli/complete.h \
	cli/ctl.c cli/ctl.h \
	cli/consumer-lock.c cli/consumer-lock.h \
	cli/entry.c cli/entry.h \
	cli/history.c cli/history.h \
	cli/live.c cli/live.h \
	cli/message-ref.c cli/message-ref.h \
	cli/main.c \
	cli/name-warning.c cli/name-warning.h \
	cli/out.c cli/out.h \
	cli/passphrase.c cli/passphrase.h \
	cli/peer.c cli/peer.h \
	cli/progress.c cli/progress.h \
	cli/qr-draw.c cli/qr-draw.h \
	cli/trust-link.c cli/trust-link.h \
	cli/trust-release.c cli/verify.h \
	cli/trust-requests.c cli/trust-requests.h
nodist_xmppctl_SOURCES = cli/completion-scripts.h
xmppctl_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS) $(JSON_CFLAGS) $(QRENCODE_CFLAGS)
xmppctl_LDADD = cli/libcli.a dbus/libearshot-dbus.a $(JSON_LIBS) $(QRENCODE_LIBS) $(GLIB_LIBS)

# The completion scripts as C strings: the binary prints what data/ installs.
completion_scripts = data/xmppctl.bash data/xmppctl.zsh data/xmppctl.fish
cli/completion-scripts.h: $(completion_scripts)
	$(AM_V_GEN)$(MKDIR_P) cli && for shell in bash zsh fish; do \
	  echo "/* Made from data/xmppctl.$$shell. */"; \
	  echo "static const char completion_$$shell[] ="; \
	  $(SED) -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/  "/' -e 's/$$/\\n"/' "$(srcdir)/data/xmppctl.$$shell" || exit 1; \
	  echo '  ;'; done >$@.tmp && mv $@.tmp $@
# BUILT_SOURCES alone would not help `make xmppctl`.
$(xmppctl_OBJECTS): cli/completion-scripts.h dbus/earshot-dbus.h
BUILT_SOURCES += cli/completion-scripts.h
CLEANFILES += cli/completion-scripts.h
