# tools/install where there is dnf instead of apt, where it is not root, and where there is neither: with stand-ins for the package
# managers, in a PATH that has nothing else. And README's table names what it installs.
set -uo pipefail
passed=0 failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/tribikos-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
check() { local what=$1; shift; if "$@"; then passed=$((passed + 1)) && echo "ok: $what"; else failed=$((failed + 1)) && echo "FAILED: $what"; fi; }
mkdir "$work/bin"
for program in bash env dirname grep tail head mktemp rm cat sed uname tr; do ln -s "$(type -P $program)" "$work/bin/$program"; done
stand_in() { # NAME SCRIPT
    printf '#!%s\n%s\n' "$(type -P bash)" "$2" >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}
install_() { PATH=$work/bin "$work/bin/bash" "$TRB_SOURCE/tools/install" "$@" >"$work/out" 2>"$work/err"; status=$?; }
says() { grep -qF -- "$1" "$work/err" || { cat "$work/err"; return 1; }; }
lists() { awk -v name="$1=\"" 'index($0, name) == 1 { on = 1; sub(name, "") } on { last = sub(/"$/, ""); print; if (last) exit }' "$TRB_SOURCE/tools/install"; }

# Whatever is asked for is there, but for two.
stand_in rpm "case \"\$*\" in *libyaml-devel | *Random123-devel) exit 1 ;; esac"
stand_in dnf "echo \"\$*\" >>'$work/called'"
stand_in id 'echo 0'
stand_in mpicc ''
install_ run
check "dnf: exit 0" test $status = 0
check "dnf installs what is missing" grep -q '^install -y .* libyaml-devel Random123-devel$' "$work/called" || cat "$work/called" "$work/err"
rm -f "$work/bin/mpicc" "$work/called"
install_ run
check "MPI as a module: exit 1" test $status = 1
check "MPI as a module: it says what to type" says "type \`module load mpi/openmpi-$(uname -m)\`"
stand_in mpicc ''
stand_in id 'echo 1000'
stand_in sudo 'exit 1'
install_ run
check "not root: exit 1" test $status = 1
check "not root: it says what to type" says "sudo dnf install -y --setopt=install_weak_deps=False libyaml-devel Random123-devel"
stand_in id 'echo 0'
stand_in dnf 'echo "Error: Unable to find a match: Random123-devel"; exit 1'
install_ run
check "a package that is not to be had: exit 1" test $status = 1
check "a package that is not to be had: its reason" says "Error: Unable to find a match: Random123-devel"
stand_in rpm ''
stand_in dnf 'exit 1'
install_ test
check "nothing is missing: dnf is not called" test $status = 0
rm "$work/bin/rpm" "$work/bin/dnf"
install_ run
check "neither: exit 1" test $status = 1
check "neither: it names the packages" says libyaml-dev

# The table has a row a library, with the names of four.
table=$(sed -n '/^## Building on a cluster/,/^## A /p' "$TRB_SOURCE/README.md" | grep '^|')
tools=' build-essential pkg-config dataset-fashion-mnist gcc make pkgconf-pkg-config pkgconf ' # not libraries
unnamed() {
    for package in $(lists run_apt) $(lists run_dnf) $(lists run_spack); do
        [[ $tools == *" $package "* ]] || grep -qF " ${package%%\~*} " <<<"$table" || echo "$package"
    done
}
check "README has all names: $(unnamed | tr '\n' ' ')" test "$(grep -c . <<<"$table")" -ge 6 -a -z "$(unnamed)"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
