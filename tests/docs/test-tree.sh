#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The documents agree with the tree: links lead somewhere, interfaces and conformance ids are described, scripts parse.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/docs/tap.sh"
trap 'rm -rf "$scratch"' EXIT
cd "$top" || exit 1

links () {
  for file in *.md docs/*.md; do
    grep -o '](\([^)#]*\))' "$file" | sed 's/^](//; s/)$//' | grep -v '^[a-z]*:' | while read -r target; do
      [ -e "$(dirname "$file")/$target" ] || echo "$file: $target"
    done
  done >"$scratch/broken"
  cat "$scratch/broken"; [ ! -s "$scratch/broken" ]
}
ok '/tree/links-of-the-documents' links

members () { # every method and property of the interfaces is in docs/api.md
  for file in dbus/*.xml; do
    sed -n 's/.*<\(method\|property\|signal\) name="\([A-Za-z0-9]*\)".*/\2/p' "$file" | while read -r member; do
      grep -qw "$member" docs/api.md || echo "$file: $member"
    done
  done >"$scratch/unknown"
  cat "$scratch/unknown"; [ ! -s "$scratch/unknown" ]
}
ok '/tree/members-are-in-the-api-document' members

ids () { # an id that a test or a comment cites exists in section 9
  grep -rhoE '\b[PSTMGFX]-[0-9][0-9]\b' daemon tests --include='*.c' --include='*.h' --include='*.py' --include='*.sh' | sort -u | while read -r id; do
    grep -q "^| $id |" docs/protocol.md || echo "$id"
  done >"$scratch/ids"
  cat "$scratch/ids"; [ ! -s "$scratch/ids" ]
}
ok '/tree/conformance-ids-exist' ids

scripts () { for file in run check .ci/run scripts/*.sh docs/examples/client.sh tests/docs/*.sh; do sh -n "$file" || return 1; done; }
ok '/tree/shell-scripts-parse' scripts
ok '/tree/commands-are-executable' sh -c '[ -x run ] && [ -x check ] && [ -x .ci/run ] && [ -x docs/examples/client.py ] && [ -x docs/examples/client.sh ] && [ -x docs/examples/desktop-agent.py ]'

sections () { # (the list of 0 has numbers without a heading) "docs/protocol.md N.N" in a comment leads to a section
  grep -rhoE 'docs/protocol\.md [0-9]+\.[0-9]+' daemon cli tests --include='*.[ch]' | sed 's/.* //' | grep -v '^0[.]' | sort -u | while read -r number; do
    grep -qE "(\*\*|\()${number}[ .*]" docs/protocol.md || echo "$number"
  done >"$scratch/sections"
  cat "$scratch/sections"; [ ! -s "$scratch/sections" ]
}
ok '/tree/cited-sections-exist' sections
plan
