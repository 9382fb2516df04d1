# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for xmppctl(1). It knows nothing itself: xmppctl says what may come next.
#
# Names of peers are strangers' text. fish takes them line by line and escapes what it inserts; they never pass through
# eval, and a line has no second meaning.

function __xmppctl
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -e typed[1]
    set -l found (xmppctl completion words $typed "$current" 2>/dev/null)
    if test "$found[1]" = files
        __fish_complete_path "$current"
    end
    set -e found[1]
    test (count $found) -eq 0; or printf '%s\n' $found
end

complete -c xmppctl -f -a '(__xmppctl)'
