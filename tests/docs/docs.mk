# SPDX-License-Identifier: LGPL-2.1-or-later
# tests/docs/: what the README promises, done.
docs_tests = tests/docs/test-demo.sh tests/docs/test-examples.sh tests/docs/test-kit.sh tests/docs/test-desktop-agent.sh tests/docs/test-readme.sh tests/docs/test-run.sh \
	tests/docs/test-tree.sh tests/docs/test-transcript.py tests/docs/test-coverage.py tests/docs/test-errors.py tests/docs/test-commitment.py
TESTS += $(docs_tests)
EXTRA_DIST += $(docs_tests) tests/docs/uncovered.txt tests/docs/tap.sh tests/docs/notifications.py .ci/run \
	scripts/bootstrap.sh scripts/stage.sh scripts/demo.sh
