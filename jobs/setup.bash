# Sourced by jobs/submit, and by jobs/launch.bash in every job: reads the settings of the site (jobs/site.example) and
# sets $tribikos, the program. Returns 2 after one line that says why it cannot.
#
#   TRIBIKOS_SITE  the file of settings; without it ~/.config/tribikos/site, if there is one
#   TRIBIKOS       the program; without it build/tribikos beside this folder, bin/tribikos of the prefix in which this
#                  folder is installed, or the first one in $PATH
options=() train_options=() cache_options=() distill_options=() eval_options=()
[ -n "${TRIBIKOS_SITE:-}" ] || [ ! -e ~/.config/tribikos/site ] || TRIBIKOS_SITE=~/.config/tribikos/site
if [ -n "${TRIBIKOS_SITE:-}" ]; then
    TRIBIKOS_SITE=$(realpath -m "$TRIBIKOS_SITE")
    export TRIBIKOS_SITE # a job that cannot see the file must not run without it
    . "$TRIBIKOS_SITE" || {
        echo "site settings: $TRIBIKOS_SITE cannot be read, or its last command failed" >&2
        return 2
    }
fi
for name in $(compgen -v | grep '_options$'); do
    if [[ ! $name =~ ^(train|cache|distill|eval)_ && $(declare -p "$name") == "declare -a"* ]]; then
        echo "site settings: $TRIBIKOS_SITE sets $name; expected train_, cache_, distill_ or eval_options" >&2
        return 2
    fi
done
tribikos=tribikos
for name in "$(dirname "${BASH_SOURCE[0]}")"/../{../../bin,build}/tribikos; do
    [ ! -x "$name" ] || tribikos=$name
done
tribikos=${TRIBIKOS:-$tribikos}

# run_dir CONFIG [--key=value ...]: the run's folder
run_dir() {
    local run
    run=$("$tribikos" config "$@" 2>/dev/null | sed -n '/^run:/,/^[^ ]/s/^  dir: //p')
    if [[ $run == '"'* ]]; then # in quotes, with \", \\ and \xff
        run=${run#\"} run=${run%\"}
        eval "run=\$'${run//\'/\\\'}'"
    fi
    [ -n "$run" ] && printf %s "$run"
}
