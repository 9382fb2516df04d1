#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every xmppctl line of README.md is run as it stands there, between two real daemons.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/docs/tap.sh"
namespace
rm -rf "$scratch"
fail () { echo "Bail out! $*"; show_logs; exit 1; }
. "$top/scripts/stage.sh"
scratch=$dir
trap clear_stage EXIT
trap 'exit 143' TERM INT HUP

set_stage
key () { property "$1" Fingerprint; }

# What the README leaves to the reader: the other screen's fingerprint, a printer, something to build.
mkdir "$dir/bin" "$dir/desk"
ln -s "$built/xmppctl" "$built/earshotd" "$dir/bin/"
printf '#!/bin/sh\ncat >>"%s/printed"\n' "$dir" >"$dir/bin/lp"; chmod +x "$dir/bin/lp"
printf 'all:\n\t@echo "built, and nothing is wrong"\n' >"$dir/desk/Makefile"

readme () { # the command lines of a section: indented, comments off, FP filled in
  sed -n "/^## $1/,/^## /p" "$top/README.md" | sed -n 's/^    \(.*xmppctl.*\)/\1/p' | sed "s/ *#.*//; s/ FP\$/ $(key romeo | cut -c1-16)/"
}
# type PERSON LINE: as typed at a prompt there. What never ends by itself is ended after a while, and that is success.
type_line () {
  case $2 in *watch*|*--follow*) limit=6 ;; *) limit=60 ;; esac
  on "$1" env PATH="$dir/bin:$PATH" timeout $limit sh -c "cd '$dir/desk' && $2" </dev/null
  status=$?
  [ $status = 124 ] && [ $limit = 6 ] || return $status
}

type_yes () { # on a terminal of its own where there is script(1), else as a script would
  if command -v script >/dev/null; then
    { echo y; sleep 5; } | on "$1" env PATH="$dir/bin:$PATH" timeout 60 script -qec "$2" /dev/null
  else
    type_line "$1" "$2 --fingerprint $(key romeo)"
  fi
}

# Two who know each other's key; the question for trust accept is made by an earlier send.
on romeo gdbus call --session --dest im.earshot.Earshot1 --object-path /im/earshot/Earshot1 \
  --method im.earshot.Earshot1.Manager.AddContact juliet "$(key juliet)" '[]' '{}' >/dev/null || fail 'AddContact'

# A new cursor begins now; the README's printer has been there for a while.
on romeo "$built/xmppctl" receive --consumer printer </dev/null || fail 'no cursor'

readme 'Every day' >"$dir/every-day"
ok '/readme/has-commands' [ "$(wc -l <"$dir/every-day")" -ge 10 ]
while read -r line <&3; do
  case $line in
    *--json*|*'make 2>&1'*|*'wait juliet'*|*'--consumer'*)  # the lines for scripts: Romeo's side
      ok "/readme/romeo: $line" type_line romeo "$line" ;;
    *'trust accept'*)  # a person at a terminal, who compares and says yes
      n=0; until [ "$(property juliet PendingRequests)" -gt 0 ]; do n=$((n + 1)); [ $n -le 300 ] || break; sleep 0.1; done
      ok "/readme/juliet: $line" type_yes juliet "$line" ;;
    *) ok "/readme/juliet: $line" type_line juliet "$line" ;;
  esac
done 3<"$dir/every-day"

arrived () { n=0; until "$@" | grep -qF "$text"; do n=$((n + 1)); [ $n -le 300 ] || return 1; sleep 0.1; done; }
text='But soft!'
ok '/readme/what-juliet-said-arrived' arrived on romeo "$built/xmppctl" log juliet
text='nothing is wrong'
ok '/readme/what-romeo-built-arrived' arrived on juliet "$built/xmppctl" log romeo
ok '/readme/and-was-printed' grep -qF 'But soft!' "$dir/printed"
[ $failures = 0 ] || show_logs
plan
