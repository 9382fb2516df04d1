# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/cli/: xmppctl against a mock daemon on a private bus.
cli_tests = tests/cli/test-cli.py tests/cli/test-cli-trust.py tests/cli/test-cli-audit.py tests/cli/test-cli-verify.py \
	tests/cli/test-cli-names.py tests/cli/test-cli-access.py tests/cli/test-cli-agent.py tests/cli/test-cli-amend.py \
	tests/cli/test-cli-pair.py tests/cli/test-cli-introduce.py tests/cli/test-cli-ways-out.py tests/cli/test-cli-json.py tests/cli/test-cli-first.py \
	tests/cli/test-cli-completion.py tests/cli/test-cli-shell.py tests/cli/test-cli-progress.py tests/cli/test-cli-doctor.py
TESTS += $(cli_tests)
EXTRA_DIST += $(cli_tests) tests/cli/harness.py tests/cli/mock.py tests/cli/promise.py tests/cli/screen.py

cli_unit_tests = tests/unit/test-cli-escape tests/unit/test-cli-time tests/unit/test-cli-selector tests/unit/test-cli-parts
check_PROGRAMS += $(cli_unit_tests)
TESTS += $(cli_unit_tests)
cli_unit_cppflags = $(AM_CPPFLAGS) $(GLIB_CFLAGS)
cli_unit_libs = cli/libcli.a $(GLIB_LIBS)
tests_unit_test_cli_escape_SOURCES = tests/unit/test-cli-escape.c
tests_unit_test_cli_escape_CPPFLAGS = $(cli_unit_cppflags)
tests_unit_test_cli_escape_LDADD = $(cli_unit_libs)
tests_unit_test_cli_time_SOURCES = tests/unit/test-cli-time.c
tests_unit_test_cli_time_CPPFLAGS = $(cli_unit_cppflags)
tests_unit_test_cli_time_LDADD = $(cli_unit_libs)
tests_unit_test_cli_selector_SOURCES = tests/unit/test-cli-selector.c
tests_unit_test_cli_selector_CPPFLAGS = $(cli_unit_cppflags)
tests_unit_test_cli_selector_LDADD = $(cli_unit_libs)
tests_unit_test_cli_parts_SOURCES = tests/unit/test-cli-parts.c
tests_unit_test_cli_parts_CPPFLAGS = $(cli_unit_cppflags)
tests_unit_test_cli_parts_LDADD = $(cli_unit_libs)
