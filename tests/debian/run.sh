#!/usr/bin/env bash
# Usage: tests/debian/run.sh BUILD
# Builds and tests in a tree of the other Debian, which has the other generation of all libraries: of Debian 13 on Debian
# 12, and the other way round; then each reads what the other wrote. BUILD is the build by this machine's own libraries.
# The tree is made by debootstrap from where this machine's apt has its packages, in the folder TRB_TREES
# (/var/tmp/tribikos-trees), and kept; later runs bring its packages up to date. All happens in namespaces of its own, so
# that nothing is left mounted or running however it ends. Where it cannot be done it says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")/../.."
skip() {
    printf '\n*** SKIPPED: tests/debian/run.sh: %s\n\n' "$*" >&2
    exit 0
}
own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
case $own in
bookworm) other=trixie ;;
trixie) other=bookworm ;;
*) skip "this machine is neither Debian 12 nor Debian 13" ;;
esac
[ "$(id -u)" = 0 ] || skip "only root can make and enter a tree of $other"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"
if [ -z "${TRB_NAMESPACE:-}" ]; then
    unshare --mount --pid --fork true 2>/dev/null || skip "this machine allows no namespaces"
    TRB_NAMESPACE=1 exec unshare --mount --propagation private --pid --fork --kill-child "$0" "$@"
fi

build=$(realpath "$1") trees=${TRB_TREES:-/var/tmp/tribikos-trees}
tree=$trees/$other
mkdir -p "$trees"
exec 9>"$trees/$other.lock"
flock 9
scratch=$(mktemp -d "${TMPDIR:-/tmp}/tribikos-debian.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
step() { # WHAT COMMAND...
    local what=$1 since=$SECONDS
    shift
    "$@"
    echo "== $other: $what: $((SECONDS - since)) s"
}

# From where apt has this machine's packages, and through what, as it is set up now.
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v own="$own" '$1 == "Debian" && $2 == own && $3 == "main" { print $4; exit }')
proxies=$(apt-config dump | grep -i '^Acquire::.*Proxy' || true)
bootstrap() {
    local http_proxy=${http_proxy:-} https_proxy=${https_proxy:-}
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
    rm -rf "$tree.part"
    http_proxy=$http_proxy https_proxy=$https_proxy debootstrap --variant=minbase "$other" "$tree.part" "$mirror" \
        >"$scratch/log" 2>&1 9>&- || skip "debootstrap cannot make a tree of $other: $(tail -n 1 "$scratch/log")"
    mv "$tree.part" "$tree"
}
if [ ! -d "$tree" ]; then
    [ -n "$mirror" ] || skip "apt knows no packages of $own: apt-get update comes first"
    echo "making a tree of $other in $tree"
    step "debootstrap" bootstrap
fi

# The clone, which nothing may write to, and $scratch lie at the same paths inside.
mkdir -p "$tree$PWD" "$tree$scratch"
mount --bind "$PWD" "$tree$PWD"
mount -o remount,bind,ro "$tree$PWD"
mount --bind "$scratch" "$tree$scratch"
mount --rbind /dev "$tree/dev"
mount --rbind /sys "$tree/sys"
mount -t proc proc "$tree/proc"
cp /etc/resolv.conf /etc/hosts "$tree/etc"
printf '%s\n' "$proxies" >"$tree/etc/apt/apt.conf.d/50proxies"
export TMPDIR=$scratch DEBIAN_FRONTEND=noninteractive
inside() { chroot "$tree" "$@" </dev/null 9>&-; }

packages() {
    inside apt-get update -q >"$scratch/log" 2>&1 && inside apt-get dist-upgrade -q -y >>"$scratch/log" 2>&1 ||
        echo "*** the packages of $tree may be old: $(grep -m1 '^E:' "$scratch/log")" >&2
    inside "$PWD/tools/install" run
    local more=()
    [ $other = bookworm ] || more=(python3-onnx python3-onnxruntime) # which Debian 12 does not have
    inside apt-get install -q -y --no-install-recommends python3-h5py python3-numpy python3-xxhash "${more[@]}" >"$scratch/log" 2>&1 || {
        tail -n 5 "$scratch/log" >&2
        return 1
    }
}
tests() { # OPTIONS of ctest
    inside ctest --test-dir "$scratch/build" -j "$(nproc)" --output-on-failure --no-tests=error "$@"
}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
step "packages" packages
step "build" inside "$PWD/tools/build" "$scratch/build"
step "tests" tests -R '^(unit|mpi)[.]|^run[.](same_bits|foreign|resume|library|onnx)$'
step "quickstart" inside mpirun --oversubscribe -n 2 "$scratch/build/tribikos" run "$PWD/configs/quickstart.yaml" \
    --run.dir="$scratch/quickstart"
step "each other's files" env TRB_SOURCE="$PWD" TRB_BUILD="$build" TRB_OTHER_BUILD="$scratch/build" TRB_TREE="$tree" \
    bash tests/debian/exchange.sh
