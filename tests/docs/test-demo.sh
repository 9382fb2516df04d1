#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `./run demo` without a terminal plays the whole conversation and exits 0; when a part is missing it fails and says so.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/docs/tap.sh"
namespace
EARSHOT_BUILD=$built TMPDIR=$scratch; export EARSHOT_BUILD TMPDIR
trap 'rm -rf "$scratch"' EXIT

demo () { timeout --kill-after=10 120 "$top/run" demo </dev/null >"$scratch/demo.log" 2>&1; }
shows () { grep -qF -e "$1" "$scratch/demo.log" || { cat "$scratch/demo.log"; false; }; }
no_process () { ! running "$1"; }

ok '/demo/exits-0' demo
ok '/demo/both-spoke' shows 'By a name I know not how to tell thee who I am.'
ok '/demo/says-that-it-works' shows 'It works'
ok '/demo/leaves-no-process' no_process "$scratch/earshot-stage"

# A daemon that can not start must not look like success.
mkdir "$scratch/bin"
ln -s "$built/xmppctl" "$scratch/bin/xmppctl"
printf '#!/bin/sh\necho "no daemon today" >&2\nexit 1\n' >"$scratch/bin/earshotd"
chmod +x "$scratch/bin/earshotd"
EARSHOT_BUILD=$scratch/bin
demo_fails () { ! demo; }
ok '/demo/fails-loudly' demo_fails
ok '/demo/shows-the-log' shows 'no daemon today'
plan
