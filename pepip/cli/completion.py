"""Shell completion: uv's own script, which gets the words as if `uv` was typed, and pepip's commands in addition."""

from __future__ import annotations

import sys

from pepip.cli import commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_OWN = " ".join(commands.unlike_uv())
_PIPS = "|".join(commands.of_uv_pip())

_BASH = f"""
_pepip() {{
    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=()
        COMP_WORDS[0]=uv
        _uv uv "$2" "$3"
        COMPREPLY+=($(compgen -W "{_OWN}" -- "$2"))
        return
    fi
    local first="${{COMP_WORDS[1]}}"
    COMP_WORDS[0]=uv
    case "$first" in
        {_PIPS}) COMP_WORDS=(uv pip "${{COMP_WORDS[@]:1}}"); COMP_CWORD=$((COMP_CWORD + 1)) ;;
        x) COMP_WORDS=(uv tool run "${{COMP_WORDS[@]:2}}"); COMP_CWORD=$((COMP_CWORD + 1)) ;;
        uv) COMP_WORDS=("${{COMP_WORDS[@]:1}}"); COMP_CWORD=$((COMP_CWORD - 1)) ;;
    esac
    _uv uv "$2" "$3"
}}
complete -F _pepip -o bashdefault -o default pepip
"""

_ZSH = f"""
_pepip() {{
    if (( CURRENT == 2 )); then
        compadd -- {_OWN}
    fi
    case "$words[2]" in
        {_PIPS}) (( CURRENT > 2 )) && words=(uv pip "${{(@)words[2,-1]}}") && (( CURRENT += 1 )) ;;
        x) (( CURRENT > 2 )) && words=(uv tool run "${{(@)words[3,-1]}}") && (( CURRENT += 1 )) ;;
        uv) (( CURRENT > 2 )) && words=("${{(@)words[2,-1]}}") && (( CURRENT -= 1 )) ;;
    esac
    words[1]=uv
    _uv "$@"
}}
compdef _pepip pepip
"""

_FISH = f"""
function __pepip_has_own
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] {_OWN}
end

function __pepip_as_uv
    set -l words (commandline -opc)
    switch $words[2]
        case x
            set words tool run $words[3..]
        case uv
            set words $words[3..]
        case '*'
            set words pip $words[2..]
    end
    complete -C "uv $words "(commandline -ct)
end

complete -c pepip -w uv
complete -c pepip -n "__fish_is_nth_token 1" -f -a "{_OWN}"
complete -c pepip -n __pepip_has_own -f -a "(__pepip_as_uv)"
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def run(words: Sequence[str]) -> int:
    """Write a shell's completion script to stdout: uv's script, followed by pepip's addition to it.

    For other shells, and for the help, uv answers alone.
    """
    if len(words) != 1 or words[0] not in _SCRIPTS:
        from pepip.uv import handover

        return handover.become(["generate-shell-completion", *words])
    from pepip.uv import process

    sys.stdout.write(process.run(["generate-shell-completion", words[0]]).stdout + _SCRIPTS[words[0]])
    return 0
