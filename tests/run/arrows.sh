# The folders' arrows: a library uses only those before it in the list; MPI, HDF5 and the BLAS are each called from one folder;
# only src/cli ends the process or writes to stdout.
set -uo pipefail
folders="base math net comm store data cache methods stages cli"
passed=0 failed=0 known=$(mktemp)
trap 'rm -f "$known" "$known".*' EXIT
verdict() { if [ -z "$2" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $1: $2"; fi; }
uses() { nm -u "$TRB_BUILD/libtrb_$1.a" 2>/dev/null | awk '/ U / { print $2 }' | sort -u; }
for folder in $folders; do
    nm --defined-only "$TRB_BUILD/libtrb_$folder.a" 2>/dev/null | awk 'NF == 3 { print $3 }' >>"$known"
    sort -u -o "$known" "$known"
    verdict "src/$folder uses only folders before it" "$(uses $folder | grep '^trb_' | comm -23 - "$known" | tr '\n' ' ')"
    [ $folder = comm ] || verdict "src/$folder does not call MPI" "$(uses $folder | grep '^MPI_' | tr '\n' ' ')"
    [ $folder = store ] || verdict "src/$folder does not call HDF5" "$(uses $folder | grep -E '^H5[A-Z]' | tr '\n' ' ')"
    [ $folder = math ] || verdict "src/$folder does not call a BLAS" "$(uses $folder | grep -E '^(cblas|dnnl|openblas)_' | tr '\n' ' ')"
    [ $folder = cli ] || [ $folder = comm ] ||
        verdict "src/$folder does not end the process" "$(uses $folder | grep -xE 'exit|_exit|abort' | tr '\n' ' ')"
    [ $folder = cli ] || verdict "src/$folder does not print results" "$(uses $folder | grep -xE 'stdout|puts|printf|putchar' | tr '\n' ' ')"
done
# The list of prefixes is right only if those who may, do.
for pair in comm:MPI_ store:H5 math:dnnl_; do
    uses ${pair%:*} | grep -q "^${pair#*:}" && verdict "src/${pair%:*} calls ${pair#*:}" "" || verdict "src/${pair%:*} calls ${pair#*:}" "it does not"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
