# The folders' arrows: a library uses only those before it in the list; MPI, HDF5, the BLAS and libyaml are each called from
# one folder; only src/cli ends the process or writes to stdout. Inside a folder no file uses, be it through others, a file
# that uses it.
set -uo pipefail
folders="base math net comm store data cache methods model config stages cli"
passed=0 failed=0 known=$(mktemp)
trap 'rm -f "$known" "$known".*' EXIT
verdict() { if [ -z "$2" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $1: $2"; fi; }
uses() { nm -u "$TRB_BUILD/libtrb_$1.a" 2>/dev/null | awk '/ U / { print $2 }' | sort -u; }
# Who uses whom inside a folder: lines "FILE FILE".
pairs() {
    (cd "$TRB_BUILD" && nm -A "libtrb_$1.a" 2>/dev/null) | awk -F: '
        { n = split($3, word, " "); file = $2; sub(/\.o$/, "", file) }
        word[n - 1] == "U" { user[++uses] = file; used[uses] = word[n] }
        word[n - 1] ~ /^[TDBRCVW]$/ { home[word[n]] = file }
        END {
            for (i = 1; i <= uses; i++)
                if (used[i] in home && home[used[i]] != user[i]) print user[i], home[used[i]]
        }' | sort -u
}
# Circles that are still there, by the pair that closes each.
left="pages.c commands.c
inputs.c cache.c"
loops() { pairs $1 | grep -vxF "$left" | tsort 2>&1 >/dev/null | sed 's/.*input contains a loop:/;/; s/^tsort: //' | tr '\n' ' '; }
for folder in $folders; do
    verdict "no files of src/$folder use each other" "$(loops $folder)"
    nm --defined-only "$TRB_BUILD/libtrb_$folder.a" 2>/dev/null | awk 'NF == 3 { print $3 }' >>"$known"
    sort -u -o "$known" "$known"
    verdict "src/$folder uses only folders before it" "$(uses $folder | grep '^trb_' | comm -23 - "$known" | tr '\n' ' ')"
    [ $folder = comm ] || verdict "src/$folder does not call MPI" "$(uses $folder | grep '^MPI_' | tr '\n' ' ')"
    [ $folder = store ] || verdict "src/$folder does not call HDF5" "$(uses $folder | grep -E '^H5[A-Z]' | tr '\n' ' ')"
    [ $folder = math ] || verdict "src/$folder does not call a BLAS" "$(uses $folder | grep -E '^(cblas|dnnl|openblas)_' | tr '\n' ' ')"
    [ $folder = config ] || verdict "src/$folder does not call libyaml" "$(uses $folder | grep '^yaml_' | tr '\n' ' ')"
    [ $folder = cli ] || [ $folder = comm ] ||
        verdict "src/$folder does not end the process" "$(uses $folder | grep -xE 'exit|_exit|abort' | tr '\n' ' ')"
    [ $folder = cli ] || verdict "src/$folder does not print results" "$(uses $folder | grep -xE 'stdout|puts|printf|putchar' | tr '\n' ' ')"
done
# The lists are right only if those who may, do.
for pair in comm:MPI_ store:H5 math:dnnl_ config:yaml_; do
    uses ${pair%:*} | grep -q "^${pair#*:}" && verdict "src/${pair%:*} calls ${pair#*:}" "" || verdict "src/${pair%:*} calls ${pair#*:}" "it does not"
done
[ -n "$(pairs comm)" ] && verdict "nm tells who uses whom" "" || verdict "nm tells who uses whom" "it does not"
# A name has one meaning.
cd "$TRB_SOURCE" || exit 1
types=$(grep -roE '^\} trb__\w+;|^typedef .*[ *]trb__\w+;' src | sed -E 's/:.*(trb__\w+);/ \1/' | sort -u | awk '{ print $2 }' | sort | uniq -d | tr '\n' ' ')
verdict "no inner type has two definitions" "$types"
inner=$(grep -rhoE '\btrb__\w+' src | sort -u | sed 's/__/_/' | comm -12 - <(grep -rhoE '\btrb_\w+' include | sort -u) | tr '\n' ' ')
verdict "no inner name differs from a public one by an underscore" "$inner"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
