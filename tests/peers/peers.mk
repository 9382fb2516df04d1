# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/peers/: XMPP software that is not ours, for tests/lan/test-foreign.py and test-legacy.py.
if STROPHE
check_PROGRAMS += tests/peers/strophe-peer
tests_peers_strophe_peer_SOURCES = tests/peers/strophe-peer.c
tests_peers_strophe_peer_CPPFLAGS = $(AM_CPPFLAGS) $(STROPHE_CFLAGS)
tests_peers_strophe_peer_LDADD = $(STROPHE_LIBS)
endif

if PURPLE
check_PROGRAMS += tests/peers/purple-peer
tests_peers_purple_peer_SOURCES = tests/peers/purple-peer.c
tests_peers_purple_peer_CPPFLAGS = $(AM_CPPFLAGS) $(PURPLE_CFLAGS) -DPURPLE_PLUGIN_DIR='"$(PURPLE_PLUGIN_DIR)"'
tests_peers_purple_peer_LDADD = $(PURPLE_LIBS)
endif
