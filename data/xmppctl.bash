# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for xmppctl(1)
#
# Names of peers are strangers' text. They are read line by line, compared as strings and quoted with printf %q; they
# never pass through compgen -W, eval or an unquoted expansion, all of which would run $(...) found in a name.

_xmppctl_words() {
    local word
    for word in $1; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
}

_xmppctl_peers() {
    local name plain=${cur//\\/}
    plain=${plain#[\"\']}
    while IFS= read -r name; do
        if [[ -n $name && $name == "$plain"* ]]; then
            COMPREPLY+=("$(printf '%q' "$name")")
        fi
    done < <(xmppctl completion peers 2>/dev/null)
}

_xmppctl_options() {
    local global='--json --timeout --color --bus --quiet --verbose --help -q -v -h'
    case $1 in
        '') _xmppctl_words "--version $global" ;;
        peers) _xmppctl_words "--all -a $global" ;;
        send) _xmppctl_words "--reply-to --url --plain --wait --require --expires --token --lines --to $global" ;;
        inbox) _xmppctl_words "--mark-read $global" ;;
        log) _xmppctl_words "--ids -i --number --since --grep --export --import -n -g $global" ;;
        receive) _xmppctl_words "--all --consumer --follow --from --exec --from-start -f $global" ;;
        react) _xmppctl_words "--remove $global" ;;
        wait) _xmppctl_words "--for $global" ;;
        watch) _xmppctl_words "--since --kinds $global" ;;
        chat) _xmppctl_words "--number -n $global" ;;
        agent) _xmppctl_words "--exec $global" ;;
        verify) _xmppctl_words "--enter --cancel $global" ;;
        pair) _xmppctl_words "--ttl --uses --endpoint --qr --in-person --name --yes --wait --no-wait $global" ;;
        'trust accept') _xmppctl_words "--fingerprint --link --in-person --verify --yes --name --separate $global" ;;
        'trust reject') _xmppctl_words "--fingerprint $global" ;;
        'trust replace') _xmppctl_words "--fingerprint --verify --in-person --release $global" ;;
        'trust release') _xmppctl_words "--yes $global" ;;
        'trust revoke') _xmppctl_words "--fingerprint --reason $global" ;;
        'trust legacy') _xmppctl_words "--yes --name $global" ;;
        'trust forget') _xmppctl_words "--yes $global" ;;
        'id rotate') _xmppctl_words "--yes $global" ;;
        'id export') _xmppctl_words "--passphrase-file $global" ;;
        'id import') _xmppctl_words "--passphrase-file --yes $global" ;;
        'trust introduce') _xmppctl_words "--note --one-way $global" ;;
        audit) _xmppctl_words "--number --since --contact --event --check --head -n $global" ;;
        'access grant') _xmppctl_words "--yes -y $global" ;;
        'config ls') _xmppctl_words "--describe $global" ;;
        *) _xmppctl_words "$global" ;;
    esac
}

# The value of an option; 1 = the word before is no option that takes one.
_xmppctl_value() {
    case $1 in
        --color) _xmppctl_words 'auto always never' ;;
        --bus) _xmppctl_words 'session system private' ;;
        --wait) _xmppctl_words 'queued sent delivered displayed' ;;
        --require) _xmppctl_words 'insecure-ok encrypted pinned vouched ca verified' ;;
        --for) _xmppctl_words 'sighted online pinned verified message' ;;
        --kinds) _xmppctl_words 'message edit retract reaction state read trust request reach' ;;
        --event) _xmppctl_words 'pin join resolve accept add-contact revoke block unblock forget keep legacy resolve-legacy setting refused denied verify app-access invite invited accept-invite succession rotate export-identity import-identity introduce introduction distrust' ;;
        --passphrase-file) compopt -o default 2>/dev/null ;;
        --from|--to|--contact) _xmppctl_peers ;;
        --timeout|--expires|--reply-to|--url|--token|--number|-n|--since|--grep|-g|--export|--import|--consumer|--exec|--fingerprint|--name|--reason|--link|--head|--enter|--ttl|--uses|--endpoint|--note) ;;
        *) return 1 ;;
    esac
}

_xmppctl_arguments() {
    case $1 in
        '') _xmppctl_words 'status peers show send edit retract react inbox log receive wait watch chat trust verify pair agent block unblock name id audit access net config completion' ;;
        trust) _xmppctl_words 'ls pending accept reject replace release revoke legacy forget introduce' ;;
        id) _xmppctl_words 'show qr csr certificate rotate export import ignore' ;;
        'id certificate'|'id export'|'id import')
            compopt -o default 2>/dev/null ;;
        net) _xmppctl_words 'links static probe rescan' ;;
        'net static') _xmppctl_words 'ls add rm' ;;
        access) _xmppctl_words 'ls grant revoke forget' ;;
        'access grant'|'access revoke') _xmppctl_words 'read send trust admin' ;;
        config) _xmppctl_words 'ls get set' ;;
        'config get'|'config set')
            _xmppctl_words 'nick show status-text visibility eager-connect max-strangers trust-mode legacy-policy share-name share-jid share-email send-markers share-idle' ;;
        pair) _xmppctl_words 'revoke' ;;
        completion) _xmppctl_words 'bash peers' ;;
        show|send|edit|retract|react|log|wait|chat|verify|block|unblock|name|'trust accept'|'trust reject'|'trust replace'|'trust release'|'trust revoke'|'trust legacy'|'trust forget'|'trust introduce')
            _xmppctl_peers ;;
    esac
}

_xmppctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command='' i word skip=
    COMPREPLY=()

    # "--for=onl": bash splits at the equals sign.
    if [[ $cur == '=' ]]; then
        cur=''
    elif [[ $prev == '=' ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $skip ]]; then
            skip=
            continue
        fi
        case $word in
            --timeout|--color|--bus) skip=yes ;;
            -*|=) ;;
            *)
                case "$command $word" in
                    ' trust'|' id'|' net'|' config'|' access'|' completion'|'net static') command=${command:+$command }$word ;;
                    trust\ *|id\ *|net\ *|config\ *|access\ *|completion\ *)
                        [[ $command == *' '* && $command != 'net static' ]] || command="$command $word" ;;
                    *) [[ -n $command ]] || command=$word ;;
                esac ;;
        esac
    done
    _xmppctl_value "$prev" && return
    if [[ $cur == -* ]]; then
        _xmppctl_options "$command"
    else
        _xmppctl_arguments "$command"
    fi
}
complete -F _xmppctl xmppctl
