# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for xmppctl(1). It knows nothing itself: xmppctl says what may come next.
#
# Names of peers are strangers' text. They are read line by line and quoted with printf %q; they never pass through
# compgen -W, eval or an unquoted expansion, all of which would run $(...) found in a name.

_xmppctl() {
    local rest=${COMP_LINE:0:COMP_POINT} trimmed piece='' head='' words=() line word i
    COMPREPLY=()

    # bash splits at = : and @, too; what stands together is one word. Nothing behind the cursor counts.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        trimmed=${rest#"${rest%%[![:space:]]*}"}
        piece=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || piece=$trimmed
        if ((i > 0)) && [[ $trimmed == "$rest" && -n $piece ]]; then
            head=${words[-1]}
            words[-1]+=$piece
        else
            head=''
            words+=("$piece")
        fi
        rest=${trimmed#"$piece"}
    done
    # What comes behind a separator is replaced; of @ itself, too.
    case $piece in '='|':') head+=$piece ;; esac
    head=${head%@}

    while IFS= read -r line; do
        if [[ $line == files ]]; then
            compopt -o default 2>/dev/null
        elif [[ $line == *$'\t'* ]]; then
            word=${line%%$'\t'*}
            case ${words[-1]} in
                \'*) # a quote cannot be inside these
                    [[ $word == *\'* ]] && continue ;;
                \"*) # a ! would be history, and a quote at the end be taken for the closing one
                    [[ $word == *!* || $word == *\" ]] && continue
                    word=${word//\\/\\\\} word=${word//\"/\\\"} word=${word//\$/\\\$} word=${word//\`/\\\`} ;;
                *) printf -v word '%q' "$word" ;;
            esac
            COMPREPLY+=("${word#"$head"}")
        fi
    done < <(xmppctl completion words "${words[@]:1}" 2>/dev/null)
}
complete -F _xmppctl xmppctl
