# SPDX-License-Identifier: LGPL-2.1-or-later
dist_doc_DATA = README.md NEWS \
	docs/api.md docs/architecture.md docs/operations.md docs/private-roots.md docs/protocol.md docs/threat-model.md docs/walkthrough.md
examplesdir = $(docdir)/examples
dist_examples_SCRIPTS = docs/examples/client.py docs/examples/client.sh

include tests/docs/docs.mk
