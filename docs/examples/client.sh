#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The same front end with nothing but gdbus: peers | requests | accept FINGERPRINT | send PEER TEXT | receive
set -eu
NAME=im.earshot.Earshot1
ROOT=/im/earshot/Earshot1

call () { # call PATH INTERFACE.METHOD [ARGUMENTS in GVariant text]
  path=$1 method=$2; shift 2
  gdbus call --session --dest $NAME --object-path "$path" --method "$method" -- "$@"
}
get () { # get PATH INTERFACE PROPERTY
  call "$1" org.freedesktop.DBus.Properties.Get "$NAME.$2" "$3" | sed "s/^(<\\(.*\\)>,)\$/\\1/"
}
children () { # the objects below PATH, from introspection, where no text of a stranger occurs
  gdbus introspect --session --dest $NAME --object-path "$ROOT/$1" --xml | sed -n 's/.*<node name="\([0-9a-f]*\)".*/\1/p'
}
quote () { # a string as GVariant text
  printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"
}

case ${1-} in
  peers)
    for n in $(children contact); do
      echo "$(get $ROOT/contact/$n Contact Trust) $(get $ROOT/contact/$n Contact Reach)" \
           "$(get $ROOT/contact/$n Contact DisplayName) $(get $ROOT/contact/$n Contact ClaimedAddress)"
    done ;;
  requests)
    for n in $(children request); do
      echo "$(get $ROOT/request/$n Request Kind) $(get $ROOT/request/$n Request Key) $(get $ROOT/request/$n Request Details)"
    done ;;
  accept)
    for n in $(children request); do
      case $(get $ROOT/request/$n Request Key) in
        *"/key/$2'") call $ROOT/request/$n $NAME.Request.Resolve accept "{'fingerprint': <'$2'>}"; exit ;;
      esac
    done
    echo "nobody with that key asks" >&2; exit 3 ;;
  send)
    contact=$(call $ROOT $NAME.Manager.FindContact "$(quote "$2")" | sed "s/^(objectpath '\\(.*\\)',)\$/\\1/")
    call $ROOT $NAME.Messages.Send "$contact" "$(quote "$3")" '{}' ;;
  receive)
    call $ROOT $NAME.Messages.CreateConsumer example-sh "{'from_start': <true>}" >/dev/null
    while :; do
      batch=$(call $ROOT $NAME.Messages.Fetch example-sh 100 '{}')
      printf '%s\n' "$batch"       # GVariant text: control characters are escaped already
      last=$(printf '%s\n' "$batch" | sed -n 's/.*, \(uint64 \)\{0,1\}\([0-9]*\), \(true\|false\))$/\2/p')
      [ "${last:-0}" -gt 0 ] || break
      call $ROOT $NAME.Messages.Ack example-sh "$last" >/dev/null
      case $batch in *', true)') ;; *) break ;; esac
    done ;;
  *) sed -n 's/^# The same/The same/p' "$0"; exit 2 ;;
esac
