# tribikos export --format=c: networks of every kind, compiled by gcc and clang as C99 without a warning, need no library but libm,
# write nothing beyond their memory, and give the library's logits.
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
"$TRB_BUILD/tests/networks" . >list || { bad "networks"; finish; }
names=$(cut -d' ' -f1 list)
write() { tribikos export "$@" >out 2>err; }
wrong=0
for name in $names; do write $name.h5 --format=c --output=$name.c || { cat err; wrong=1; }; done
check "all networks are C" test $wrong = 0
cat >main.h <<'END'
#include <stdio.h>
int main(void)
{
    static INPUT x[INPUTS];
    static float work[WORK + 1], z[HEADS * OUTPUTS], p[OUTPUTS];
    work[WORK] = 7.0f; /* nothing is written beyond its end */
    while (fread(x, sizeof x, 1, stdin) == 1 && work[WORK] == 7.0f) {
        LOGITS(x, work, z);
        PROBABILITIES(z, p);
        fwrite(z, sizeof z, 1, stdout);
        fwrite(p, sizeof p, 1, stdout);
    }
    return work[WORK] == 7.0f ? 0 : 1;
}
END
host() { # NAME: a program that runs the network NAME
    local n=$1 upper=${1^^} type=float
    printf '#include "%s.h"\n' "$n"
    grep -q 'logits(const double \*x' "$n.h" && type=double
    echo "#define INPUT $type"
    for word in INPUTS WORK HEADS OUTPUTS; do echo "#define $word ${upper}_$word"; done
    echo "#define LOGITS ${n}_logits"
    if grep -q _probabilities "$n.h"; then echo "#define PROBABILITIES ${n}_probabilities"; else echo "#define PROBABILITIES(z, p) (void)p"; fi
    echo '#include "main.h"'
}
for name in $names; do host $name >main_$name.c; done
$python - $names <<'END'
import sys, numpy as np
rng = np.random.default_rng(3)
sizes = {name: np.prod([int(v) for v in shape]) for name, *shape in map(str.split, open("list"))}
for name in sys.argv[1:]:
    x = rng.uniform(0, 255, (3, sizes[name]))
    (x + 1.6e9 if name.startswith("far") else x.astype("f4")).tofile(f"{name}.x")
END
cat >same_logits.py <<'END'
import sys, numpy as np
from tribikos import Model
worst = 0
for name in sys.argv[2:]:
    model = Model(f"{name}.h5")
    x = np.fromfile(f"{name}.x", "f8" if model.needs_double else "f4").reshape(3, -1)
    want, got = model.predict(x), np.fromfile(f"{name}.{sys.argv[1]}", "f4").reshape(3, -1)
    z, p = got[:, : -model.outputs].reshape(want["logits"].shape), got[:, -model.outputs :]
    # Sums of float32 in another order differ in proportion to their largest terms, so large logits differ more.
    off = (abs(z - want["logits"]) / np.maximum(1, abs(want["logits"]).max())).max()
    if "probabilities" in want and "method: " not in model.config:
        off = max(off, abs(p - want["probabilities"]).max())
    assert off < 1e-5, (name, off)
    worst = max(worst, off)
print(f"logits and probabilities differ by at most {worst:.1e}")
END
for compiler in gcc clang; do
    command -v $compiler >/dev/null || { echo "SKIPPED: C by $compiler: it is not installed"; continue; }
    wrong=0 level=-O1 # where gcc sees more to warn of
    [ $compiler = gcc ] || level=-O0
    for name in $names; do
        $compiler -std=c99 -pedantic -Wall -Wextra -Werror $level -c $name.c -o $name.o && $compiler -std=c99 -Wall -Werror main_$name.c $name.o -lm -o main && ./main <$name.x >$name.$compiler || { echo "$name: $?"; wrong=1; }
        uses=$(nm -u $name.o | awk '{ print $2 }' | grep -vxE 'expf|tanhf|fmaxf|memcpy|memset|_GLOBAL_OFFSET_TABLE_')
        [ -z "$uses" ] || { echo "$name uses $uses"; wrong=1; }
    done
    check "$compiler compiles all of them, and they need libm only" test $wrong = 0
    if [ -e "$TRB_BUILD/libtribikos.so" ]; then
        check "$compiler: the library's logits" env PYTHONPATH="$TRB_SOURCE/tools/python" TRIBIKOS_LIBRARY="$TRB_BUILD/libtribikos.so" $python same_logits.py $compiler $names
    fi
done
# Names of inputs and classes are texts of the file, whatever they contain.
printf '#include "named.h"\n#include <stdio.h>\nint main(void)\n{\n    for (int i = 0; i < NAMED_INPUTS; i++) puts(named_columns[i]);\n    for (int k = 0; k < NAMED_OUTPUTS; k++) puts(named_classes[k]);\n    return 0;\n}\n' >main_names.c
printf '%s\n' 'a "b" ??/' '*/ \n' 'höhe' "kind=O'Hara" 'blue, "x"' red w%d >names_wanted
check "names of inputs and classes" sh -c 'gcc -std=c99 -pedantic -Wall -Wextra -Werror main_names.c named.c -lm -o names && ./names | cmp - names_wanted'
check "a network without names has none in its file" test "$(grep -c 'columns\[\|classes\[' mlp.h mlp.c | cut -d: -f2 | sort -u)" = 0
# Names with dots and dashes: one program takes both networks.
write mlp.h5 --format=c --output=a-b.v2.c
write hydra.h5 --format=c --output=a.b.v3.c
printf '#include "a-b.v2.h"\n#include "a.b.v3.h"\nint main(void) { return a_b_v2_logits == a_b_v3_logits || A_B_V2_HEADS != 1 || A_B_V3_HEADS != 3; }\n' >both.c
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    check "$compiler: names with dots become identifiers, and do not meet" sh -c "$compiler -std=c99 -pedantic -Wall -Wextra -Werror a-b.v2.c a.b.v3.c both.c -lm -o both && ./both"
done
finish
