#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# docs/walkthrough.md as a play: Juliet's front end is client.py, Romeo's is client.sh, and they get along.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/docs/tap.sh"
namespace
rm -rf "$scratch"
fail () { echo "Bail out! $*"; show_logs; exit 1; }
. "$top/scripts/stage.sh"
scratch=$dir
trap clear_stage EXIT
trap 'exit 143' TERM INT HUP
set_stage

# The distribution's python has the distribution's gi.
PATH=/usr/bin:$PATH; export PATH
juliet () { on juliet "$top/docs/examples/client.py" "$@" </dev/null; }
romeo () { on romeo "$top/docs/examples/client.sh" "$@" </dev/null; }
key_juliet=$(property juliet Fingerprint) key_romeo=$(property romeo Fingerprint)
# eventually TEXT COMMAND...: up to half a minute, until the output has it.
eventually () { text=$1; shift; n=0; until "$@" 2>&1 | tee "$dir/last" | grep -qF -e "$text"; do n=$((n + 1)); [ $n -le 150 ] || { cat "$dir/last"; return 1; }; sleep 0.2; done; }
fails () { ! "$@"; }
silent () { "$@" >"$dir/last"; cat "$dir/last"; ! grep -q "$needle" "$dir/last"; }

ok '/examples/python/peers' eventually 'romeo@forza' juliet peers
ok '/examples/shell/peers' eventually 'juliet@pronto' romeo peers
ok '/examples/shell/send' romeo send juliet@pronto 'He "jests" at scars \ that never felt a wound.'
ok '/examples/shell/requests' eventually "$key_juliet" romeo requests
ok '/examples/shell/accept-needs-the-whole-key' fails romeo accept "$(echo "$key_juliet" | cut -c1-16)"
ok '/examples/shell/accept' romeo accept "$key_juliet"
ok '/examples/python/requests' eventually "$key_romeo" juliet requests
ok '/examples/python/accept-needs-the-whole-key' fails juliet accept "$(echo "$key_romeo" | cut -c1-16)"
ok '/examples/python/accept' juliet accept "$key_romeo"
ok '/examples/python/receive' eventually "in romeo 'He \"jests\" at scars \\\\ that never felt a wound.'" juliet receive
needle=wound
ok '/examples/python/what-was-acknowledged-does-not-come-again' silent juliet receive
ok '/examples/python/send' juliet send romeo@forza "Ay me! It's the nightingale."
ok '/examples/shell/receive' eventually "It's the nightingale." romeo receive
needle=nightingale
ok '/examples/shell/what-was-acknowledged-does-not-come-again' silent romeo receive
ok '/examples/python/nobody-by-that-name' fails juliet send mercutio@verona 'A plague'
ok '/examples/shell/nobody-by-that-name' fails romeo send mercutio@verona 'A plague'
[ $failures = 0 ] || show_logs
plan
