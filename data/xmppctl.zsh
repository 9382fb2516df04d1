#compdef xmppctl
# SPDX-License-Identifier: LGPL-2.1-or-later
# zsh completion for xmppctl(1). It knows nothing itself: xmppctl says what may come next.
#
# Names of peers are strangers' text. They are read line by line and handed to compadd in arrays, which quotes what it
# inserts; they never pass through eval, _arguments or a prompt expansion, which would run or expand what is in them.

_xmppctl() {
    emulate -L zsh
    local line word text files=''
    local -a found shown typed

    typed=("${(@)words[2,CURRENT-1]}")
    while IFS= read -r line; do
        if [[ $line == files ]]; then
            files=yes
        elif [[ $line == *$'\t'* ]]; then
            word=${line%%$'\t'*} text=${line#*$'\t'}
            found+=("$word")
            shown+=("$word${text:+  -- $text}")
        fi
    done < <(xmppctl completion words "${typed[@]}" "$PREFIX" 2>/dev/null)
    [[ -z $files ]] || _files
    (( ! $#found )) || compadd -l -d shown -a -- found
}

# Loaded as a file it is the function's body; evaluated it defines one.
if [[ ${funcstack[1]} == _xmppctl ]]; then
    _xmppctl "$@"
else
    compdef _xmppctl xmppctl
fi
