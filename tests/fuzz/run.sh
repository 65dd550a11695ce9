#!/usr/bin/env bash
# Usage: tests/fuzz/run.sh SECONDS [HARNESS...]
# Builds the harnesses (clang, AddressSanitizer, UndefinedBehaviorSanitizer) into build-fuzz and runs each for so long,
# from its seeds in tests/fuzz/corpus and from what earlier runs have found in build-fuzz/found; 0: the same 500 inputs
# each time, the seeds and what a fixed random seed makes of them. What crashes, hangs for a minute, leaks, or has 64 MiB
# reserved at once (readers of packed files: 160) is kept as build-fuzz/NAME-*, and makes the exit status 1.
set -uo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \?//p' "$0"; exit 0 ;; esac
cd "$(dirname "$0")/../.."
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [HARNESS...]}
shift
tools/build build-fuzz -DTRB_FUZZ=ON -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1 -g" || exit 1
[ $# -gt 0 ] || set -- $(cd tests/fuzz/corpus && ls)
failed=0
for name; do
    found=build-fuzz/found/$name log=build-fuzz/$name.log begin=$SECONDS length=(-max_total_time="$seconds")
    if [ "$seconds" = 0 ]; then
        # Nothing by the clock, and nothing by values that are compared, which have process numbers among them.
        found=build-fuzz/again length=(-runs=500 -seed=1 -entropic=0 -use_cmp=0)
        rm -rf $found
    fi
    mkdir -p "$found"
    # liblzma and libzstd reserve at once what a packed file asks for, up to limits of 100 and 128 MiB (src/data/unpack.c).
    case $name in cifar10 | idx | npy | table) most=160 ;; *) most=64 ;; esac
    build-fuzz/fuzz/$name "${length[@]}" -max_len=12288 -timeout=60 -malloc_limit_mb=$most -rss_limit_mb=2048 \
        -artifact_prefix=build-fuzz/$name- -print_final_stats=1 "$found" tests/fuzz/corpus/$name >"$log" 2>&1
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
    branches=$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
    echo "$name: ${runs:-?} inputs in $((SECONDS - begin)) s, $branches branches"
    [ $status = 0 ] && continue
    failed=1
    grep -E 'not so|ERROR|SUMMARY|Test unit' "$log" >&2
done
exit $failed
