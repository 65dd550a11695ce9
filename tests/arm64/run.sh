#!/usr/bin/env bash
# Usage: tests/arm64/run.sh
# Compiles for 64-bit Arm, with the cross compiler and the libraries that this machine's Debian has for it, and runs the unit
# tests there, each with fewer cases: qemu plays the processor. What it downloads is kept in the folder TRB_TREES
# (/var/tmp/tribikos-trees); later runs bring it up to date. Where it cannot be done it says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")/../.."
skip() {
    printf '\n*** SKIPPED: tests/arm64/run.sh: %s\n\n' "$*" >&2
    exit 0
}
for program in apt-get dpkg aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v $program >/dev/null || skip "$program is not installed"
done
tree=${TRB_TREES:-/var/tmp/tribikos-trees}/$(. /etc/os-release && echo "${VERSION_CODENAME:-own}")-arm64
root=$tree/root
mkdir -p "$tree"/{state/lists/partial,cache/archives/partial}
exec 9>"$tree.lock"
flock 9
scratch=$(mktemp -d "${TMPDIR:-/tmp}/tribikos-arm64.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# apt downloads what it would install on an empty machine of that kind; nothing is installed, so no script of a package runs.
: >"$tree/state/status"
cat >"$scratch/apt.conf" <<END
APT { Architecture "arm64"; Architectures { "arm64"; }; Install-Recommends "false"; Sandbox::User "root"; };
Dir { State "$tree/state"; State::status "$tree/state/status"; Cache "$tree/cache"; };
END
arm() { APT_CONFIG=$scratch/apt.conf apt-get -q -y "$@" >"$scratch/log" 2>&1 </dev/null 9>&-; }
packages=$(sed -n '/^run_apt=/,/"$/p' tools/install | grep -oE '\b(lib|zlib)[a-z0-9-]*-dev\b')
arm update && arm install --download-only $packages ||
    skip "apt has no packages for arm64 here: $(grep -m1 '^E:' "$scratch/log")"
list=$(cd "$tree/cache/archives" && ls ./*.deb)
if [ "$list" != "$(cat "$tree/unpacked" 2>/dev/null)" ]; then
    rm -rf "$root" "$tree/unpacked"
    for package in $list; do dpkg -x "$tree/cache/archives/$package" "$root"; done
    find "$root" -lname '/*' -printf '%p %l\n' | while read -r link to; do ln -sfnr "$root$to" "$link"; done
    echo "$list" >"$tree/unpacked"
fi

libraries=$root/usr/lib/aarch64-linux-gnu
export PKG_CONFIG_LIBDIR=$libraries/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root OMP_NUM_THREADS=1 TRB_BRIEF=1
since=$SECONDS
tools/build "$scratch/build" -C tools/cmake/release.cmake -DTRB_ARCH=portable -DCMAKE_SYSTEM_NAME=Linux \
    -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DCMAKE_SYSROOT="$root" \
    -DCMAKE_LIBRARY_ARCHITECTURE=aarch64-linux-gnu -DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER \
    -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY \
    -DCMAKE_CROSSCOMPILING_EMULATOR="qemu-aarch64;-cpu;${TRB_CPU:-cortex-a72};-L;$root" \
    -DMPI_C_HEADER_DIR="$libraries/openmpi/include" -DMPI_C_LIB_NAMES=mpi \
    -DMPI_mpi_LIBRARY="$libraries/openmpi/lib/libmpi.so" \
    -DTRB_OpenBLAS_LIBRARY="$libraries/openblas-pthread/libopenblas.so.0"
echo "== arm64: build: $((SECONDS - since)) s"
since=$SECONDS
# qemu 7.2 crashes when a process with several threads forks (lock.jobs). The other two take minutes.
ctest --test-dir "$scratch/build" -j "$(nproc)" --output-on-failure --no-tests=error -L unit \
    -E '^unit[.](lock[.]jobs|cache[.]damage|stop[.]products)$' "$@"
echo "== arm64: unit tests: $((SECONDS - since)) s"
