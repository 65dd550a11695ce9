# jobs/submit sources this file, and so does jobs/launch.bash in every job. It reads the settings of the site
# (jobs/site.example) and sets $tribikos, the program. If it cannot, it prints one line and returns 2.
#
#   TRIBIKOS_SITE  the file of settings; by default ~/.config/tribikos/site, if it exists
#   TRIBIKOS       the program; by default build/tribikos beside this folder, else bin/tribikos of the prefix in which
#                  this folder is installed, else the first one in $PATH
options=() train_options=() cache_options=() distill_options=() eval_options=()
[ -n "${TRIBIKOS_SITE:-}" ] || [ ! -e ~/.config/tribikos/site ] || TRIBIKOS_SITE=~/.config/tribikos/site
if [ -n "${TRIBIKOS_SITE:-}" ]; then
    TRIBIKOS_SITE=$(realpath -m "$TRIBIKOS_SITE")
    export TRIBIKOS_SITE # so that a job that cannot read the file fails
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

# run_dir CONFIG [--key=value ...]: prints the run's folder
run_dir() {
    local run
    run=$("$tribikos" config "$@" 2>/dev/null | sed -n '/^run:/,/^[^ ]/s/^  dir: //p')
    if [[ $run == '"'* ]]; then # a quoted text, with \", \\ and \xff, in which $$ is a dollar sign
        run=${run#\"} run=${run%\"}
        eval "run=\$'${run//\'/\\\'}'"
        run=${run//\$\$/\$}
    fi
    [ -n "$run" ] && printf %s "$run"
}
