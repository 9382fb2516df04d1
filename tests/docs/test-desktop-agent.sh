#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# docs/examples/desktop-agent.py with a desktop that is none: Romeo writes to Juliet, both are asked, and nobody is trusted at one click.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/docs/tap.sh"
namespace
rm -rf "$scratch"
fail () { echo "Bail out! $*"; show_logs; exit 1; }
. "$top/scripts/stage.sh"
scratch=$dir
trap clear_stage EXIT
trap 'exit 143' TERM INT HUP
set_stage
PATH=/usr/bin:$PATH; export PATH

ctl () { person=$1; shift; on "$person" "$built/xmppctl" "$@" </dev/null; }
# eventually TEXT FILE
eventually () { n=0; until grep -qF -e "$1" "$2"; do n=$((n + 1)); [ $n -le 150 ] || { cat "$2"; return 1; }; sleep 0.2; done; }
never () { ! grep -F -e "$1" "$2"; }
start () { person=$1 log=$2; shift 2; exec_on "$person" "$@" >"$dir/$log" 2>&1 </dev/null & last=$!; children="$children $last"; eventually listening "$dir/$log"; }
# desktop PERSON: notifications of that person in PERSON.desktop, clicks into PERSON.clicks.
desktop () {
  mkfifo "$dir/$1.clicks"
  exec_on "$1" "$top/tests/docs/notifications.py" >"$dir/$1.desktop" 2>&1 <>"$dir/$1.clicks" & children="$children $!"
  eventually listening "$dir/$1.desktop"
}
# newest PERSON WORD: number of the last notification with WORD in it.
newest () { grep '"event": "notify"' "$dir/$1.desktop" | grep -F -e "$2" | tail -n 1 | sed 's/.*"id": \([0-9]*\).*/\1/'; }
click () { number=$(newest "$1" "$2"); [ -n "$number" ] && echo "invoke $number $3" >"$dir/$1.clicks"; }
pins () { ctl "$1" --json trust ls | grep -c '"trust":"pinned"' | grep -qx "$2"; }
groups () { echo "$1" | sed 's/......../& /g; s/ $//'; }

key_juliet=$(property juliet Fingerprint) key_romeo=$(property romeo Fingerprint)
# The first that set_stage started.
daemon_juliet=${children# }; daemon_juliet=${daemon_juliet%% *}
# A desktop without notifications: the agent says so, and the question waits.
ok '/desktop/the-agent-starts-without-a-desktop' start juliet agent0.log "$top/docs/examples/desktop-agent.py"
agent0=$last
ok '/desktop/romeo-writes' ctl romeo send juliet@pronto '<b>Hark</b> & <img src="x">'
ok '/desktop/nobody-shows-it-and-it-waits' eventually 'no notifications' "$dir/agent0.log"
ok '/desktop/romeo-is-asked-too' desktop romeo
ok '/desktop/his-agent-starts' start romeo agent-romeo.log "$top/docs/examples/desktop-agent.py"
ok '/desktop/he-sees-the-question' eventually 'juliet@pronto' "$dir/romeo.desktop"
# Accept shows the key; only what comes then decides.
ok '/desktop/romeo-clicks-accept' click romeo juliet@pronto ask:accept
ok '/desktop/he-sees-the-whole-key' eventually "$(groups "$key_juliet")" "$dir/romeo.desktop"
ok '/desktop/and-nothing-is-decided' pins romeo 0
ok '/desktop/romeo-says-yes' click romeo "$(groups "$key_juliet")" do:accept
ok '/desktop/now-it-is' eventually 'resolved accept' "$dir/agent-romeo.log"
ok '/desktop/he-holds-her-key' pins romeo 1
# His message lies aside at Juliet's by now. The desktop comes, and what is a stranger's shows as it was typed.
waits () { n=0; until ctl juliet trust pending | grep -qF Hark; do n=$((n + 1)); [ $n -le 150 ] || return 1; sleep 0.2; done; }
ok '/desktop/the-message-lies-aside' waits
kill "$agent0"
ok '/desktop/her-desktop-comes' desktop juliet
ok '/desktop/her-agent-starts' start juliet agent-juliet.log "$top/docs/examples/desktop-agent.py"
ok '/desktop/markup-is-text' eventually '&lt;b&gt;Hark&lt;/b&gt; &amp; &lt;img' "$dir/juliet.desktop"
ok '/desktop/and-nothing-else' never '<b>' "$dir/juliet.desktop"
# The daemon is killed and comes back: the same question is shown again, once more.
before=$(newest juliet romeo@forza)
kill -9 "$daemon_juliet"
wait "$daemon_juliet" 2>/dev/null # the lock on its data is held until it is gone, which takes the sanitized program a while
restart () {
  exec_on juliet "$built/earshotd" --discovery=embedded --name=juliet >>"$dir/juliet/earshotd.log" 2>&1 </dev/null & children="$children $!"
  n=0; until [ "$(newest juliet romeo@forza)" -gt "$before" ]; do n=$((n + 1)); [ $n -le 150 ] || { cat "$dir/juliet.desktop"; return 1; }; sleep 0.2; done
}
ok '/desktop/it-is-asked-again-by-the-new-daemon' restart
# Later is no answer; decided elsewhere, it goes from the screen.
number=$(newest juliet romeo@forza)
ok '/desktop/decided-elsewhere' ctl juliet trust accept --fingerprint "$key_romeo"
ok '/desktop/it-goes-from-the-screen' eventually "{\"event\": \"close\", \"id\": $number}" "$dir/juliet.desktop"
ok '/desktop/a-late-click-decides-nothing' sh -c "echo 'invoke $number do:reject' >'$dir/juliet.clicks'"
arrives () { n=0; until ctl juliet log romeo@forza | grep -qF Hark; do n=$((n + 1)); [ $n -le 300 ] || return 1; sleep 0.2; done; }
ok '/desktop/the-message-arrives' arrives
ok '/desktop/and-his-key-is-held' pins juliet 1
[ $failures = 0 ] || { show_logs; sed 's/^/# /' "$dir"/*.desktop "$dir"/agent*.log; }
plan
