#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The front-end kit: Juliet runs the bot in C, Romeo the notifier in Python; the reference is generated and complete.
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
start () { person=$1 log=$2; shift 2; exec_on "$person" "$@" >"$dir/$log" 2>&1 </dev/null & last=$!; children="$children $last"; eventually listening "$dir/$log"; }
count () { [ "$(ctl romeo --json log juliet | grep -cF -e "$1")" = "$2" ]; }

# shellcheck disable=SC2046
ok '/kit/the-bot-compiles' cc -Wall -Wextra -Werror -Wno-unused-parameter "$top/docs/examples/bot.c" -o "$dir/bot" $(pkg-config --cflags --libs gio-2.0)
key_juliet=$(property juliet Fingerprint) key_romeo=$(property romeo Fingerprint)
ctl juliet trust accept --link "xmpp:romeo@forza?trust-message;encryption=im.earshot%3Atls%3A0;trust=$key_romeo" --yes >/dev/null
ctl romeo trust accept --link "xmpp:juliet@pronto?trust-message;encryption=im.earshot%3Atls%3A0;trust=$key_juliet" --yes >/dev/null
ctl romeo name "$key_juliet" juliet >/dev/null
ok '/kit/the-bot-starts' start juliet bot.log "$dir/bot"
bot=$last
ok '/kit/the-notifier-starts' start romeo notify.log "$top/docs/examples/notify.py"
ok '/kit/romeo-writes' ctl romeo --timeout 60 send juliet --wait=delivered 'What light?'
ok '/kit/the-bot-answers-and-the-notifier-says-so' eventually "'You said: What light?'" "$dir/notify.log"
kill -9 "$bot"
ok '/kit/romeo-writes-while-it-is-dead' ctl romeo --timeout 60 send juliet --wait=delivered 'It is the east.'
ok '/kit/the-bot-is-back' start juliet bot2.log "$dir/bot"
ok '/kit/and-answers-what-came-meanwhile' eventually "'You said: It is the east.'" "$dir/notify.log"
ok '/kit/each-once' count '"body":"You said: What light?"' 1
ok '/kit/and-the-other-once' count '"body":"You said: It is the east."' 1

# Every member of every interface stands in the reference with a text of its own.
reference_is_whole () {
  "${MAKE:-make}" -C "$built" reference >"$dir/reference.log" 2>&1 || { cat "$dir/reference.log"; return 1; }
  for xml in "$top"/dbus/im.earshot.Earshot1.*.xml; do
    interface=$(basename "$xml" .xml) text="$built/docs/reference/earshot-$(basename "$xml" .xml).rst"
    [ -s "$text" ] || { echo "no $text"; return 1; }
    for member in $(sed -n 's/.*<\(method\|signal\|property\) name="\([A-Za-z]*\)".*/\2/p' "$xml"); do
      grep -q "$member" "$text" || { echo "$interface.$member is not in the reference"; return 1; }
      grep -qE "^ *(<!-- )?$member:" "$xml" || { echo "$interface.$member has no text of its own"; return 1; }
    done
  done
}
ok '/kit/the-reference-is-whole' reference_is_whole
interfaces_in_manual () { for xml in "$top"/dbus/*.xml; do grep -q "$(basename "$xml" .xml | sed 's/.*\.//')" "$top/data/earshot-dbus.7" || { echo "$xml"; return 1; }; done; }
ok '/kit/earshot-dbus-7-names-every-interface' interfaces_in_manual
[ $failures = 0 ] || show_logs
plan
