# The installation, as on a cluster: libraries in folders of their own, no pkg-config, the source gone afterwards.
. "$(dirname "$0")/lib.bash"
for program in mandoc tclsh; do command -v $program >/dev/null || skip "$program is not installed"; done
copy=$work/copy build=$work/build prefix=$work/prefix home=$work/prefix/share/tribikos
mkdir "$copy"
(cd "$TRB_SOURCE" && cp -r CMakeLists.txt src include tools jobs configs "$copy")
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[^=]*=//p' "$TRB_BUILD/CMakeCache.txt")
configure() { # CMAKE-OPTIONS...
    cmake -S "$copy" -B "$build" -DCMAKE_C_COMPILER="$compiler" -DBUILD_TESTING=OFF -DTRB_ARCH=portable -DCMAKE_C_FLAGS_RELEASE=-O0 \
        -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON "$@" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }
}

# ---- what is missing or too old is named, all of it at once
site=$work/site
mkdir -p "$site/include/old" "$site/lib" "$work/empty"
header() { cat >"$site/old/include/$1"; }
mkdir -p "$site/old/include/oneapi/dnnl" "$site/old/lib"
touch "$site"/old/include/{hdf5,dnnl}.h "$site"/old/lib/lib{hdf5,dnnl,openblas}.so
printf '#define H5_VERS_%s %s\n' MAJOR 1 MINOR 8 RELEASE 23 | header H5public.h
printf '#define DNNL_VERSION_%s %s\n' MAJOR 1 MINOR 5 PATCH 0 | header oneapi/dnnl/dnnl_version.h
printf '#define OPENBLAS_VERSION " OpenBLAS 0.3.5 "\n' | header openblas_config.h
EBROOTHDF5=$site/old OPENBLAS_HOME=$site/old DNNLROOT=$site/old YAML_ROOT=$work/empty \
    configure -DRANDOM123_ROOT="$work/empty" >/dev/null && bad "a configuration of old and missing libraries"
check "one message" test "$(grep -c 'CMake Error' "$work/log")" = 1
for words in "HDF5: found version 1.8.23 in $site/old/include, expected at least 1.10.2" "oneDNN: found version 1.5.0 in .*, expected at least 2.6" \
    "OpenBLAS: found version 0.3.5 in .*, expected at least 0.3.20" "libyaml: found no yaml.h and libyaml below $work/empty (YAML_ROOT)" \
    "Random123: found no Random123/philox.h below $work/empty (RANDOM123_ROOT)"; do
    check "it says: $words" grep -q "^    $words\$" "$work/log" || cat "$work/log"
done

# ---- built against a site's own libraries
path_of() { sed -n "s/^TRB_$1:[^=]*=//p" "$TRB_BUILD/CMakeCache.txt"; }
cp "$(path_of libyaml_INCLUDE)/yaml.h" "$(path_of xxHash_INCLUDE)/xxhash.h" "$site/include"
cp "$(path_of libyaml_LIBRARY)" "$site/lib/libyaml.so"
soname=$(objdump -p "$site/lib/libyaml.so" | sed -n 's/ *SONAME *//p')
ln -s libyaml.so "$site/lib/$soname"
cp -r "$(path_of Random123_INCLUDE)/Random123" "$site/include"
EBROOTLIBYAML=$site EBROOTXXHASH=$site LOADEDMODULES=needed/1 configure -DRANDOM123_ROOT="$site/include" || { bad "configuring"; finish; }
put() { cmake --install "$build" --prefix "$prefix" >"$work/log" 2>&1; }
untouched() { check "$1: nothing is installed" test -z "$(find "$prefix" -type f -o -type l 2>/dev/null)"; }
put && bad "installing what is not built"
untouched "what is not built"
nice cmake --build "$build" -j 2 --target tribikos trb_pages tribikos_shared tribikos_static >"$work/log" 2>&1 || { tail -n 30 "$work/log"; bad "building"; finish; }
(ulimit -f 100; trap '' XFSZ; put) && bad "installing on a full disk"
untouched "a full disk"
mkdir -p "$prefix/share" && touch "$prefix/share/man"
put && bad "installing into a prefix with a file for a folder"
rm "$prefix/share/man"
untouched "a file where a folder is to be"
put || { cat "$work/log"; bad "installing"; finish; }
files() { (cd "$1" && find . -type f | sort); }
DESTDIR=$work/stage cmake --install "$build" --prefix /opt/tribikos >"$work/log" 2>&1 || cat "$work/log"
check "DESTDIR gets the same files" cmp <(files "$prefix") <(files "$work/stage/opt/tribikos")
check "and no trace of itself" test -z "$(grep -rl "$work/stage" "$work/stage")"
check "its module file names the prefix" grep -q '"/opt/tribikos"' "$work"/stage/opt/tribikos/share/modulefiles/tribikos/*
put || bad "installing once more"
check "once more gives the same" cmp <(files "$prefix") <(files "$work/stage/opt/tribikos")

# ---- the source is gone
rm -rf "$copy" "$build"
check "nothing that is installed names the source" test -z "$(grep -rlF -e "$copy" -e "$build" "$prefix")"
check "the site's libyaml is found without LD_LIBRARY_PATH" sh -c "ldd '$prefix/bin/tribikos' | grep -q '$site/lib/$soname'"
mkdir "$work/stubs" # a queue that is empty
printf '#!/bin/sh\n' | tee "$work/stubs/sbatch" >"$work/stubs/squeue"
chmod +x "$work"/stubs/*
cd "$work"
flags=(--run.dir="$work/quick" --train.epochs=1 --student.phase1_epochs=1 --student.epochs=1)
PATH=$work/stubs:$PATH "$home/jobs/submit" --dry-run "$home/configs/quickstart.yaml" "${flags[@]}" >out 2>err || cat err
check "jobs/submit finds its scripts" test "$(grep -o "$home/jobs/[a-z-]*\.sbatch" out | sort -u | wc -l)" = 4 || cat out
RANKS=2 bash "$home/jobs/run.sbatch" "$home/configs/quickstart.yaml" "${flags[@]}" >out 2>err </dev/null || { cat err; bad "the quickstart's run"; }
check "the quickstart's configuration runs" grep -q '^hydra ' out
for tool in user/{data,uci,plot.py} python/cache_write.py; do
    case $tool in *data) set -- "$home/tools/$tool" ;; *) set -- $python "$home/tools/$tool" ;; esac
    "$@" --help >out 2>&1
    check "tools/$tool starts" grep -qi '^usage: ' out || cat out
done
check "modules for Python are found by it" env PYTHONPATH="$home/tools/python" $python -c 'import cache_write, views' || cat out
mkdir -p uci/bostonHousing && echo 1 >uci/bostonHousing/n_splits.txt
$python "$home/tools/user/uci" uci uci-runs --sets boston --splits 0 >out 2>&1
check "tools/user/uci finds program and configuration" grep -q 'boston, split 0: exit status 2: .*bostonHousing/data.txt: cannot be read' out || cat out

"$prefix/bin/tribikos" --version >version || bad "--version"
cat version
for words in 'tribikos 0\.[0-9]*, commit unknown' 'built by .* for portable' 'kernels: OpenBLAS 0\.[0-9.]* .*, oneDNN [0-9.]* ' 'MPI: .* v\?[0-9]' \
    'libraries: HDF5 [0-9.]*, libyaml [0-9.]*, zlib [0-9.]*,.* xxHash [0-9.]*'; do
    check "--version says: $words" grep -q "^$words" version
done
check "the report says the same" cmp version <($python -c 'import json; print(json.load(open("quick/report/report.json"))["program"])')
check "a weights file says the same" cmp version <("$prefix/bin/tribikos" info quick/members/m000/weights.h5 | sed -n '/^  program  /,/^  [a-z]/ s/^  \(program\|       \) \{10\}//p')

# A source tells its commit, an archive of it too, and one inside another repository says nothing of that.
if [ -e "$TRB_SOURCE/.git" ] && commit=$(git -C "$TRB_SOURCE" rev-parse --short=12 HEAD); then
    said() { cmake -DIN="$1" -DOUT="$work/commit.h" -P "$1/tools/cmake/commit.cmake" && sed -n 's/^#define TRB_COMMIT "\(.*\)"$/\1/p' "$work/commit.h"; }
    check "a clone tells its commit" test "$(said "$TRB_SOURCE" | sed 's/-dirty$//')" = "$commit"
    git init -q "$work/other" && mkdir "$work/other/archive" "$work/other/copy"
    git -C "$work/other" -c user.name=x -c user.email=x@x commit -q --allow-empty -m x
    git -C "$TRB_SOURCE" archive HEAD .gitattributes tools/cmake | tar x -C "$work/other/archive"
    cp -r "$TRB_SOURCE/tools" "$work/other/copy"
    check "an archive tells its commit" test "$(said "$work/other/archive")" = "$commit"
    check "a copy inside another repository tells none" test "$(said "$work/other/copy")" = unknown
fi

# ---- manual pages
man=$prefix/share/man
check "manual pages without a fault" mandoc -T lint "$man/man1/tribikos.1" "$man/man5/tribikos_config.5"
check "that of the library" mandoc -T lint -W warning "$man/man3/tribikos.3"
text() { mandoc -T utf8 "$1" | sed 's/.\x08//g'; }
text "$man/man1/tribikos.1" >commands.txt
text "$man/man5/tribikos_config.5" >keys.txt
"$prefix/bin/tribikos" --help | awk '/^  [a-z]/ { print $1 }' >commands
"$prefix/bin/tribikos" config --help | awk '/^KEY / { on = 1 } /^members.overrides/ { on = 0 } on && /^[a-z]/ { print $1 }' >keys
absent() { while read -r word; do grep -qE "^ +$word( |\$)" "$2" || echo "$word"; done <"$1"; }
check "tribikos(1) has all $(wc -l <commands) commands" test "$(wc -l <commands)" -ge 11 -a -z "$(absent commands commands.txt)"
check "tribikos_config(5) has all $(wc -l <keys) keys" test "$(wc -l <keys)" -ge 85 -a -z "$(absent keys keys.txt)"

# ---- completion, in a bash that a person types into
cat >type.py <<'END'
import os, pty, re, select, sys
child, fd = pty.fork()
if child == 0:
    os.environ.update(PS1="ready> ", TERM="dumb", HOME=sys.argv[2], INPUTRC="/dev/null")
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
said = ""
def until(pattern):
    global said
    while not (found := re.search(pattern, said)):
        if not select.select([fd], [], [], 20)[0]:
            sys.exit(f"expected {pattern!r}, got {said!r}")
        said += os.read(fd, 4096).decode()
    said = said[found.end():]
    return found
until("ready> ")
os.write(fd, b". /usr/share/bash-completion/bash_completion; bind 'set enable-bracketed-paste off'\r")
until("ready> ")
# After the tab the line is made the argument of printf: ^A goes to its beginning, ^E to its end.
os.write(fd, sys.argv[1].encode() + b"\t\x01printf '<<%s>>\\n' '\x05'\r")
print(until(r"\n<<(.*)>>")[1])
os.write(fd, b"exit\r")
END
complete() { # WORDS EXPECTED: what the line is after a tab
    local got
    got=$(XDG_DATA_DIRS=$prefix/share PATH=$prefix/bin:$PATH $python "$work/type.py" "$1" "$work")
    check "\`$1\` becomes \`$2\`" test "$got" = "$2" || echo "it became \`$got\`"
}
if [ -r /usr/share/bash-completion/bash_completion ]; then
    complete "tribikos tr" "tribikos train "
    complete "tribikos --student.te" "tribikos --student.temperature="
    complete "tribikos run x.yaml --student.kd.te" "tribikos run x.yaml --student.kd.temperature="
    complete "tribikos run x.yaml --members.overrides.2.optimizer=s" "tribikos run x.yaml --members.overrides.2.optimizer=sgd "
    complete "tribikos info versi" "tribikos info version "
    complete "tribikos export w.h5 --forc" "tribikos export w.h5 --force "
    complete "tribikos export w.h5 --format=sa" "tribikos export w.h5 --format=safetensors "
else
    echo "SKIPPED: completion: bash-completion is not installed"
fi

# ---- the module file, in both that read it
mkdir -p modules/needed
printf '#%%Module1.0\nsetenv NEEDED 1\n' >modules/needed/1
try_module() { # NAME COMMAND...: what loads a module, as a bash script on stdout
    local name=$1
    shift
    check "$name: loads" bash -c 'said() { eval "$("$@" 2>>err)"; }
        unset XDG_DATA_DIRS TRIBIKOS_HOME
        said "$@" bash use "$0/modules" && said "$@" bash use "$0/prefix/share/modulefiles" && said "$@" bash load tribikos
        [ "$(type -P tribikos)" = "$0/prefix/bin/tribikos" ] && [ "$TRIBIKOS_HOME" = "$0/prefix/share/tribikos" ] && [ "$NEEDED" = 1 ] &&
        [ "$XDG_DATA_DIRS" = "$0/prefix/share:/usr/local/share:/usr/share" ] && said "$@" bash unload tribikos &&
        [[ $PATH != *"$0"* ]] && [ -z "${TRIBIKOS_HOME:-}" ]' "$work" "$@" || cat err
}
lmod=$(ls /usr/share/lmod/*/libexec/lmod 2>/dev/null | head -n 1)
if [ -n "$lmod" ]; then try_module Lmod "$lmod"; else echo "SKIPPED: Lmod is not installed"; fi
# Debian's two packages exclude each other, so this one is only unpacked.
mkdir deb && (cd deb && apt-get download environment-modules && dpkg-deb -x ./*.deb .) >err 2>&1
modulecmd=$(find deb /usr/lib -name modulecmd.tcl 2>/dev/null | head -n 1)
if [ -n "$modulecmd" ]; then try_module "Environment Modules" tclsh "$modulecmd"; else echo "SKIPPED: no Environment Modules: $(tail -n 1 err)"; fi
finish
