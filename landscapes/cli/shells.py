"""The scripts by which bash and zsh complete `landscapes`: names of commands by themselves, all else by asking it.

Knows those shells; knows no command.
"""

BASH = r"""# Completes `landscapes` in bash: source <(landscapes completion bash)
_landscapes() {
    local line=${COMP_LINE:0:COMP_POINT} current
    local -a words
    read -r -a words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]}-1]}
    local IFS=$'\n'
    if ((${#words[@]} == 2)); then
        COMPREPLY=($(compgen -W "$(printf '%s\n' @COMMANDS@)" -- "$current"))
    else
        COMPREPLY=($("${words[0]}" completion words "${words[@]:1}" 2>/dev/null))
    fi
    # Where bash takes words apart at "=", it replaces only what stands behind it.
    if [[ $COMP_WORDBREAKS == *=* && $current == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*=}"}"}")
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -o default -F _landscapes landscapes
"""

ZSH = r"""#compdef landscapes
# Completes `landscapes` in zsh, after compinit: source <(landscapes completion zsh)
_landscapes() {
    local -a found open
    if ((CURRENT == 2)); then
        found=(@COMMANDS@)
    else
        found=("${(@f)$("${words[1]}" completion words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    fi
    open=(${(M)found:#*[=/]})
    found=(${found:#*[=/]})
    ((${#open})) && compadd -Q -S '' -a open
    ((${#found})) && compadd -Q -a found
    if ((${#open} + ${#found} == 0)); then
        compset -P '*='
        _files
    fi
}
compdef _landscapes landscapes
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH}


def script(shell: str, commands: list[str]) -> str:
    """What that shell, one of SCRIPTS, is to read."""
    return SCRIPTS[shell].replace("@COMMANDS@", " ".join(commands))
