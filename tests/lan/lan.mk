# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/lan/: hosts as network namespaces, real avahi-daemon, real buses (rig.py).
# The longest first: none of them starts when all others are done.
lan_tests = tests/lan/test-attack.py tests/lan/test-resume.py tests/lan/test-discovery.py tests/lan/test-legacy.py \
	tests/lan/test-mishaps.py tests/lan/test-siege.py tests/lan/test-crash.py tests/lan/test-middle.py tests/lan/test-conversation.py \
	tests/lan/test-clear.py tests/lan/test-errors.py tests/lan/test-stream-life.py tests/lan/test-verify.py tests/lan/test-burst.py tests/lan/test-store.py \
	tests/lan/test-stream-answer.py tests/lan/test-stream-use.py tests/lan/test-bad-link.py tests/lan/test-presence.py \
	tests/lan/test-ways-out.py tests/lan/test-doctor.py tests/lan/test-stream-call.py tests/lan/test-succession.py tests/lan/test-roots.py \
	tests/lan/test-access.py tests/lan/test-agent.py tests/lan/test-amend.py tests/lan/test-audit.py tests/lan/test-clear-people.py \
	tests/lan/test-foreign.py tests/lan/test-headless.py tests/lan/test-introduce.py tests/lan/test-invite.py tests/lan/test-names.py \
	tests/lan/test-operation.py tests/lan/test-require.py tests/lan/test-token.py
TESTS += $(lan_tests)
EXTRA_DIST += $(lan_tests) tests/lan/campaign.py tests/lan/certs.py tests/lan/foe.py tests/lan/link.py tests/lan/middle.py \
	tests/lan/peer.py tests/lan/people.py tests/lan/purple.py tests/lan/rig.py tests/lan/sandbox.py tests/lan/talkers.py \
	tests/lan/victims.py

check_PROGRAMS += tests/lan/tool-discovery tests/lan/tool-link tests/lan/tool-knock
tests_lan_tool_discovery_SOURCES = tests/lan/tool-discovery.c
tests_lan_tool_discovery_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS)
tests_lan_tool_discovery_LDADD = $(io_libs)
tests_lan_tool_link_SOURCES = tests/lan/tool-link.c
tests_lan_tool_link_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS)
tests_lan_tool_link_LDADD = $(GLIB_LIBS)

# Preloaded into a daemon (shim.py): a clock that lies, death in a write.
lan_shim = tests/lan/shim.so
check_DATA += $(lan_shim)
CLEANFILES += $(lan_shim)
EXTRA_DIST += tests/lan/shim.c tests/lan/shim.py
tests/lan/shim.so: tests/lan/shim.c
	$(AM_V_CC)$(MKDIR_P) tests/lan && $(CC) -shared -fPIC -O1 -Wall -Wextra -o $@ $(top_srcdir)/tests/lan/shim.c

tests_lan_tool_knock_SOURCES = tests/lan/tool-knock.c
tests_lan_tool_knock_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS) $(GNUTLS_CFLAGS)
tests_lan_tool_knock_LDADD = $(GLIB_LIBS) $(GNUTLS_LIBS)

# Not part of `make check`: half an hour of cuts.
campaign: all tests/lan/tool-link$(EXEEXT)
	$(AM_V_at)top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' $(PYTHON3) $(srcdir)/tests/lan/campaign.py
.PHONY: campaign

# Not part of `make check` either: 1,000 times kill -9.
crash-campaign: all $(lan_shim) tests/lan/tool-link$(EXEEXT)
	$(AM_V_at)top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' CAMPAIGN_RESUMPTIONS=0 CAMPAIGN_COLLISIONS=0 \
	  CAMPAIGN_KILLS=$${CAMPAIGN_KILLS:-1000} CAMPAIGN_LANS=$${CAMPAIGN_LANS:-4} $(PYTHON3) $(srcdir)/tests/lan/campaign.py
.PHONY: crash-campaign
