# SPDX-License-Identifier: LGPL-2.1-or-later
# ./run demo, inside the network namespace that ./run made: demo.sh SOURCE-DIR BUILD-DIR
set -u
top=$1 built=$2
. "$top/scripts/bootstrap.sh"
. "$top/scripts/stage.sh"

ok=no
leave () {
  status=$?
  trap '' EXIT INT TERM HUP
  if [ "$ok" != yes ] && [ "$status" != 130 ] && [ "$status" != 143 ]; then
    show_logs
    say "--- the demo FAILED; the logs of both daemons are above"
    [ "$status" != 0 ] || status=1
  fi
  clear_stage
  exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
fail () { say "demo: $*"; exit 1; }

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m'); else bold='' dim='' plain=''; fi
tell () { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# ctl PERSON ARGUMENTS...: xmppctl as that person, shown as it would be typed.
ctl () {
  who=$1; shift
  eval "machine=\$machine_$who"
  line=
  for word in "$@"; do case $word in *[!A-Za-z0-9_@.,:/=+-]*) line="$line '$word'" ;; *) line="$line $word" ;; esac; done
  printf '%s%s$%s xmppctl%s\n' "$dim" "$machine" "$plain" "$line"
  on "$who" "$built/xmppctl" "$@" </dev/null || fail "xmppctl$line, for $who: exit $?"
}

quiet_ctl () { who=$1; shift; on "$who" "$built/xmppctl" "$@" </dev/null; }

short () { printf %.16s "$1"; }

# question PERSON: waits until somebody knocks.
question () {
  n=0
  until [ "$(property "$1" PendingRequests)" -gt 0 ] 2>/dev/null; do
    n=$((n + 1)); [ "$n" -le 300 ] || fail "no question for $1"
    sleep 0.1
  done
}

# arrives PERSON FROM TEXT: waits until the text stands in that person's log of the other.
arrives () {
  n=0
  until quiet_ctl "$1" log "$2" 2>/dev/null | grep -qF "$3"; do
    n=$((n + 1)); [ "$n" -le 300 ] || fail "a message to $1 did not arrive: $3"
    sleep 0.1
  done
}

# --- the play ------------------------------------------------------------------------------------------------

tell "Two machines on a link of their own: pronto (Juliet) and forza (Romeo)"
set_stage
ctl juliet peers
ctl romeo peers

key_juliet=$(property juliet Fingerprint) key_romeo=$(property romeo Fingerprint)

tell "Romeo writes. He does not know her key, so his own daemon asks him before anything leaves"
ctl romeo send juliet@pronto 'But soft! What light through yonder window breaks?'
question romeo
ctl romeo trust pending
tell "They hold their screens side by side and compare. It is her key: he accepts it, and calls her Juliet"
ctl juliet id
ctl romeo trust accept "$(short "$key_juliet")" --fingerprint "$key_juliet" --name Juliet

tell "Now she is asked: a stranger left a message, and it waits aside until she decides"
question juliet
ctl juliet trust pending
ctl juliet trust accept "$(short "$key_romeo")" --fingerprint "$key_romeo" --name Romeo
arrives juliet Romeo yonder
arrives romeo Juliet yonder

tell "They talk"
ctl juliet send Romeo 'What man art thou that, thus bescreened in night, so stumblest on my counsel?'
arrives romeo Juliet bescreened
ctl romeo send Juliet --wait=delivered 'By a name I know not how to tell thee who I am.'
ctl juliet log Romeo
ctl juliet peers

if [ -t 0 ] && [ -t 1 ]; then
  tell "You are Juliet now. Romeo answers what you write; /quit ends it"
  cat >"$dir/answer.sh" <<'END'
case $(($(date +%s) % 5)) in
  0) text='I take thee at thy word: call me but love, and I will be new baptized.' ;;
  1) text='With love'\''s light wings did I o'\''er-perch these walls.' ;;
  2) text='Lady, by yonder blessed moon I vow, that tips with silver all these fruit-tree tops...' ;;
  3) text='O, wilt thou leave me so unsatisfied?' ;;
  *) text='It is my lady, O, it is my love! O, that she knew she were!' ;;
esac
exec "$1" -q send Juliet "$text"
END
  exec_on romeo "$built/xmppctl" receive --consumer romeo --follow --exec "sh $dir/answer.sh $built/xmppctl" >/dev/null 2>"$dir/romeo/answers.log" </dev/null &
  children="$children $!"
  on juliet "$built/xmppctl" chat Romeo
  ok=yes
  exit 0
fi
tell "It works: both saw each other, both decided, both spoke. On a terminal the demo now lets you chat."
ok=yes
