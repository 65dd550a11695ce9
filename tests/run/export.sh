# tribikos export: what it refuses, what it overwrites, and the formats that need no other program to be looked at.
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
"$TRB_BUILD/tests/networks" . >list || { bad "networks"; finish; }
write() { tribikos export "$@" >out 2>err; }
write mlp.h5 --format=onnx --output=mlp.onnx
check "nothing is said" test $? = 0 -a ! -s out -a ! -s err

# ---- refusals
refuses() { # WHAT STATUS WORDS ARGUMENTS...
    write "${@:4}"
    check "$1: exit $2" test $? = "$2"
    check "$1: one line that says why" test "$(wc -l <err)" = 1 -a "$(grep -cF -e "$3" err)" = 1 || cat err
}
cp mlp.onnx before
refuses "a file that exists" 2 "mlp.onnx exists; --force overwrites it" hydra.h5 --format=onnx --output=mlp.onnx
mv mlp.onnx aside
refuses "its JSON exists" 2 "mlp.json exists" hydra.h5 --format=onnx --output=mlp.onnx
check "nothing is left of a refusal" test ! -e mlp.onnx -a -z "$(ls | grep tmp)"
write mlp.h5 --force --format=onnx --output=mlp.onnx
check "--force overwrites, and the same call gives the same bytes" cmp mlp.onnx before
refuses "no format" 2 "needs --format=FORMAT" mlp.h5 --output=x.onnx
refuses "no output" 2 "needs --output=FILE" mlp.h5 --format=onnx
refuses "an unknown format" 2 "nearest is \`onnx\`" mlp.h5 --format=onx --output=x.onnx
refuses "an unknown flag" 2 "got \`--outputs=x.onnx\`" mlp.h5 --format=onnx --outputs=x.onnx
refuses "a value for --force" 2 "got \`--force=1\`" mlp.h5 --format=onnx --output=x.onnx --force=1
refuses "no file" 2 "takes a weights file" --format=onnx --output=x.onnx
refuses "a file that is absent" 2 "none.h5: cannot be read" none.h5 --format=onnx --output=x.onnx
refuses "a file that is no weights file" 3 "is no whole HDF5 file" small.yaml --format=onnx --output=x.onnx
refuses "members of other tasks" 2 "have different" mlp.h5 numbers.h5 --format=onnx --output=x.onnx
refuses "members of several heads" 2 "one head each" mlp.h5 hydra.h5 --format=onnx --output=x.onnx
refuses "a member that is a distribution" 2 "is no member" mlp.h5 endd.h5 --format=onnx --output=x.onnx
refuses "an ending that the JSON has" 2 "another one" mlp.h5 --format=onnx --output=x.json
refuses "a folder that is absent" 1 "cannot create" mlp.h5 --format=onnx --output=none/x.onnx
finish
