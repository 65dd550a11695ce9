# libtribikos as a host program meets it: built and linked against an installation by pkg-config, by CMake and as a static
# library, in C, Fortran and Python; its numbers are those of eval; damaged files are errors; nothing of MPI is in it.
. "$(dirname "$0")/lib.bash"
[ -e "$TRB_BUILD/libtribikos.so" ] || skip "this build has no library"
$python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
command -v pkg-config >/dev/null || skip "pkg-config is not installed"
for module in fortran/tribikos.f90 python/tribikos.py; do
    check "$module is short" test "$(wc -l <"$TRB_SOURCE/tools/$module")" -lt 150
done
prefix=$work/prefix
cmake --install "$TRB_BUILD" --prefix "$prefix" >"$work/log" 2>&1 || { cat "$work/log"; bad "installing"; finish; }
lib=$(dirname "$(find "$prefix" -name libtribikos.so)") examples=$prefix/share/tribikos/tools/examples
export PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[^=]*=//p' "$TRB_BUILD/CMakeCache.txt")

# ---- what is in it
check "it exports nothing but trb_model_*" test -z "$(nm -D --defined-only "$lib/libtribikos.so" | awk '{ print $3 }' | grep -vE '^(trb_model_[a-z_]+@@)?TRIBIKOS_0$')"
check "its functions are there" test "$(nm -D --defined-only "$lib/libtribikos.so" | grep -c ' T trb_model_')" -ge 16
check "the static one has no other global name" test -z "$(nm -g --defined-only "$lib/libtribikos.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -v '^trb_model_')"
symbols() { { nm "$lib/$1" || true; nm -D "$lib/$1"; } 2>/dev/null | awk 'NF > 1 { print $NF }'; }
check "its symbols are found" test "$(symbols libtribikos.a | grep -c '^H5')" -gt 10 -a "$(symbols libtribikos.so | grep -c '^H5')" -gt 10
for file in libtribikos.so libtribikos.a; do
    check "$file knows nothing of MPI" test "$(symbols $file | grep -ciE '^(mpi|ompi|pmpi)_')" = 0
    check "$file neither ends the process nor prints" test "$(symbols $file | grep -cxE '(_?exit|abort|puts|printf|putchar|stdout)(@.*)?')" = 0
done
check "it is linked to no MPI" test -z "$(objdump -p "$lib/libtribikos.so" | grep NEEDED | grep -i mpi)"

# ---- networks: classes by heads, by one Dirichlet, by rank one; images; regression
mpi 1 run "$work/small.yaml" --train.epochs=1 --student.phase1_epochs=1 --student.epochs=1 --students='[hydra, endd, batchensemble, images]' \
    --student.batchensemble.layers='[dense 24, relu, dense 10]' --student.images.method=hydra \
    --student.images.layers='[conv 4 5 stride 2, norm, relu, split, conv 4 3, norm, relu, globalpool, dense 10]' || { cat "$work/err"; bad "a run"; finish; }
$python - "$work" <<'END'
import h5py, numpy as np, sys
work = sys.argv[1]
np.fromfile(f"{work}/data/t10k-images-idx3-ubyte", np.uint8)[16:].astype("f4").tofile(f"{work}/classes.f4")
x = np.random.default_rng(1).uniform(-2, 2, (900, 5)).astype("f4")
x[600:].tofile(f"{work}/numbers.f4")
for name, rows in ("table", slice(0, 600)), ("test", slice(600, 900)):
    with h5py.File(f"{work}/{name}.h5", "w") as f:
        f["x"], f["y"] = x[rows], 50 + 20 * np.sin(x[rows, 0]) + 5 * x[rows, 1]
END
cat >"$work/table.yaml" <<END
run: {dir: $work/table}
data: {task: regression, format: hdf5, root: $work, train: [table.h5], test: [test.h5]}
members: {count: 3}
train: {layers: [dense 20, tanh, dense 2], epochs: 2, batch: 60, lanes: 4}
students: [hydra]
student: {layers: [dense 20, tanh, split, dense 2], phase1_epochs: 1, epochs: 1, batch: 60, lanes: 4}
END
mpi 1 run "$work/table.yaml" || { cat "$work/err"; bad "a regression"; finish; }
weights() { case $1 in numbers) echo "$work/table/student/hydra/weights.h5" ;; *) echo "$work/run/student/$1/weights.h5" ;; esac; }
rows() { case $1 in numbers) echo "300 $work/numbers.f4" ;; *) echo "500 $work/classes.f4" ;; esac; }

# ---- programs against the installation
cd "$work" || exit 1
check "C, by pkg-config" "$compiler" -std=c99 -Wall -Wextra -Werror "$examples/predict.c" $(pkg-config --cflags --libs tribikos) -o by_pkg
check "C, static" "$compiler" "$examples/predict.c" $(pkg-config --cflags tribikos) "$lib/libtribikos.a" $(pkg-config --libs --static tribikos | sed 's/-ltribikos//') -o by_static
check "the static program needs no libtribikos.so" test -z "$(ldd by_static | grep libtribikos)"
mkdir cmake_host && cat >cmake_host/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.18)
project(host LANGUAGES C)
find_package(tribikos 0.1 REQUIRED)
add_executable(host $examples/predict.c)
target_link_libraries(host PRIVATE tribikos::tribikos)
add_executable(host_static $examples/predict.c)
target_link_libraries(host_static PRIVATE tribikos::static)
END
check "C, by CMake's package" sh -c "cmake -S cmake_host -B cmake_build -DCMAKE_C_COMPILER='$compiler' -DCMAKE_PREFIX_PATH='$prefix' && cmake --build cmake_build" >"$work/log" 2>&1 || cat "$work/log"
programs="./by_pkg ./by_static ./cmake_build/host ./cmake_build/host_static"
echo '#include <tribikos/model.h>
int main() { return trb_model_open("nothing", 0, nullptr) == TRB_MODEL_EUSAGE ? 0 : 1; }' >host.cpp
if command -v g++ >/dev/null; then check "C++ takes the header" sh -c "g++ -Wall -Werror host.cpp $(pkg-config --cflags --libs tribikos) -o host_cpp && ./host_cpp"; else echo "SKIPPED: C++: no g++"; fi
if command -v gfortran >/dev/null; then
    check "Fortran" gfortran -std=f2018 -Wall -Werror "$prefix/share/tribikos/tools/fortran/tribikos.f90" "$examples/predict.f90" $(pkg-config --libs tribikos) -o by_fortran
else
    echo "SKIPPED: Fortran: gfortran is not installed"
fi
for kind in hydra endd batchensemble images numbers; do
    ./by_pkg "$(weights $kind)" $(rows $kind) >expected 2>err || { cat err; bad "predictions of $kind"; continue; }
    for program in $programs; do check "$kind: $program" sh -c "$program $(weights $kind) $(rows $kind) | cmp - expected"; done
    # NumPy's own BLAS must choose the kernels that the program chooses.
    core=$("$TRB_BUILD/tribikos" info "$(weights $kind)" | sed -n 's/^ *blas *OpenBLAS [^ ]* \([A-Za-z]*\).*/\1/p')
    check "$kind: Python" sh -c "OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=$core $python '$examples/predict.py' $(weights $kind) $(rows $kind) | cmp - expected"
    [ -x by_fortran ] || continue
    ./by_fortran "$(weights $kind)" $(rows $kind) >got
    check "$kind: Fortran has the same numbers" $python - <<'END'
a, b = ([[float(w) for w in line.split()] for line in open(name)] for name in ("expected", "got"))
assert len(a) == len(b) > 0 and a == b
END
done

# ---- what eval says, to the bit; several threads; a fork
cat >compare.py <<'END'
import ctypes, json, os, sys, threading
import h5py, numpy as np
sys.path.insert(0, sys.argv[1])
from tribikos import Error, Model
work = sys.argv[2]
x = np.fromfile(f"{work}/classes.f4", "f4").reshape(500, 784)
f = h5py.File(f"{work}/run/report/predictions.h5")
report = json.load(open(f"{work}/run/report/report.json"))["models"]
same = lambda a, b: a.dtype == b.dtype and np.array_equal(a, b)
opened = {}
for name in "hydra", "endd", "batchensemble", "images":
    path = f"{work}/run/student/{name}/weights.h5"
    opened[name] = Model(path)
    out = opened[name].predict(x)
    assert same(out["probabilities"], f[name][...]), name
    for what in "total", "model":
        assert same(out[f"{what}_uncertainty"], f[f"uncertainty/test/{name}/{what}"][...]), (name, what)
    assert np.allclose(out["data_uncertainty"] + out["model_uncertainty"], out["total_uncertainty"], atol=1e-12)
    # Blocks: rows come in the same ones, wherever a call begins.
    assert all(same(opened[name].predict(x[256:])[k], out[k][256:]) for k in out), name
    # Calibrated by the temperature of the file, which is the one that the report is about. The held-out samples need not have
    # a best one after one epoch.
    T, p = opened[name].temperature, np.maximum(out["probabilities"].astype(float), 1e-38)
    assert T == (report[name]["temperature"] or 0) and ("calibrated" in out) == (T > 0), (name, T, report[name]["temperature"])
    if T > 0:
        q = p ** (1 / T) / (p ** (1 / T)).sum(-1, keepdims=True)
        assert out["calibrated"].dtype == np.float32 and np.allclose(q, out["calibrated"], atol=1e-6)
        nll = -np.log(out["calibrated"][np.arange(500), f["label"][...]].astype(float)).mean()
        assert abs(nll - report[name]["calibrated_nll"]) < 1e-5, (name, T, nll, report[name]["calibrated_nll"])
    z = out["logits"].astype(float)
    if name != "endd":
        p = np.exp(z - z.max(-1, keepdims=True))
        p = (p / p.sum(-1, keepdims=True)).mean(1)
        assert np.allclose(p, out["probabilities"], atol=1e-6)
assert opened["hydra"].temperature > 0
assert opened["images"].shape == (1, 28, 28) and opened["hydra"].heads == 3 and opened["hydra"].outputs == 10
assert "method: hydra" in opened["hydra"].config and opened["hydra"].class_names is None
member = Model(f"{work}/run/members/m001/weights.h5").predict(x)
assert not member["model_uncertainty"].any() and (member["total_uncertainty"] > 0).all()

r = Model(f"{work}/table/student/hydra/weights.h5")
rows = np.fromfile(f"{work}/numbers.f4", "f4").reshape(300, 5)
out, g = r.predict(rows), h5py.File(f"{work}/table/report/predictions.h5")
total, model = (g[f"uncertainty/test/hydra/{what}"][...] for what in ("total", "model"))
assert r.temperature == 0 and "calibrated" not in out
assert same(out["std"], np.sqrt(total)) and np.allclose(out["model_std"] ** 2, model, rtol=1e-12)
assert np.allclose(out["mean"], g["hydra"][..., 0].astype(float).mean(1), rtol=1e-6)
assert np.allclose(out["std"] ** 2, out["model_std"] ** 2 + out["data_std"] ** 2)

# Four threads, each with handles of its own: the same bits as one.
expected = {name: m.predict(x) for name, m in opened.items()}
wrong = []
def work_on(name):
    for _ in range(5):
        with Model(f"{work}/run/student/{name}/weights.h5") as m:
            got = m.predict(x)
        if not all(same(got[k], expected[name][k]) for k in got):
            wrong.append(name)
threads = [threading.Thread(target=work_on, args=(name,)) for name in opened]
[t.start() for t in threads], [t.join() for t in threads]
assert not wrong, wrong
# Four threads with one handle: they wait for each other.
def share(_):
    if not same(opened["images"].predict(x)["logits"], expected["images"]["logits"]):
        wrong.append("shared")
threads = [threading.Thread(target=share, args=(i,)) for i in range(4)]
[t.start() for t in threads], [t.join() for t in threads]
assert not wrong, wrong
# Four threads fail at the same time, and each gets its own line.
def fails(path):
    for _ in range(50):
        try:
            Model(path)
            wrong.append(path)
        except Error as why:
            if path not in str(why):
                wrong.append((path, str(why)))
threads = [threading.Thread(target=fails, args=(f"{work}/nothing{i}.h5",)) for i in range(4)]
[t.start() for t in threads], [t.join() for t in threads]
assert not wrong, wrong[:3]

def refused(call, code, words):
    try:
        call()
    except Error as why:
        assert why.code == code and words in str(why), (why.code, str(why))
        return
    raise AssertionError(f"not refused: {words}")
bad = x.copy()
bad[300, 7] = np.nan
refused(lambda: opened["hydra"].predict(bad), -5, "row 300, input 7 is nan")
refused(lambda: Model(f"{work}/small.yaml"), -4, "small.yaml")
refused(lambda: Model(f"{work}/run/cache/manifest.h5"), -4, "tribikos weights")
refused(lambda: Model(f"{work}"), -2, "got a folder")
child = os.fork()
if child == 0:
    try:
        opened["hydra"].predict(x)
    except Error as why:
        os._exit(0 if "forked" in str(why) else 1)
    os._exit(2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
END
core=$("$TRB_BUILD/tribikos" info "$(weights hydra)" | sed -n 's/^ *blas *OpenBLAS [^ ]* \([A-Za-z]*\).*/\1/p')
OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=$core $python -W ignore compare.py "$prefix/share/tribikos/tools/python" "$work" >out 2>err
check "eval's predictions to the bit, threads, refusals" test $? = 0
check "nothing is printed" test ! -s out -a ! -s err || cat out err

# ---- what float32 cannot hold, and names of inputs, in each language
"$TRB_BUILD/tests/networks" . far >/dev/null
cat >far.py <<'END'
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from tribikos import Error, Model
x = 1600000000.25 + 10 * np.arange(12.0).reshape(2, 6)
with Model("far.h5") as model:
    print(*(f"{p:.9g}" for p in model.predict(x)["probabilities"].ravel()), model.input_names[1])
    assert model.needs_double and (model.predict(x.astype(np.int64) + 0.25)["probabilities"] == model.predict(x)["probabilities"]).all()
    assert (model.predict(x.astype(np.int64))["probabilities"] == model.predict(np.floor(x))["probabilities"]).all()
    try:
        model.predict(x.astype("f4"))
    except Error as why:
        assert why.code == -2 and "give an array of doubles" in str(why)
    else:
        raise AssertionError("float32 was taken")
END
$python far.py "$prefix/share/tribikos/tools/python" >expected
check "Python gives doubles, and floats are refused" test $? = 0
cat >far.f90 <<'END'
program far
   use, intrinsic :: iso_c_binding
   use tribikos
   implicit none
   type(tribikos_model) :: model
   integer :: status, i
   real(c_double) :: x(6, 2)
   real(c_float) :: p(4, 2)
   x = 1600000000.25_c_double + 10 * reshape([(real(i, c_double), i=0, 11)], [6, 2])
   call tribikos_open(model, "far.h5", status)
   call tribikos_predict(model, x, status, probabilities=p)
   if (status /= 0) error stop
   print "(8(g0.9, 1x), a)", p, tribikos_input_name(model, 2)
   call tribikos_predict(model, real(x, c_float), status, probabilities=p)
   if (status /= -2 .or. index(tribikos_message(model), "an array of doubles") == 0) error stop
   call tribikos_predict(model, int(x, c_int64_t), status, probabilities=p)
   if (status /= -2) error stop
   call tribikos_close(model)
end program
END
if [ -x by_fortran ]; then
    check "Fortran takes doubles" sh -c "gfortran -std=f2018 -Wall '$prefix/share/tribikos/tools/fortran/tribikos.f90' far.f90 $(pkg-config --libs tribikos) -o far_fortran && ./far_fortran >got"
    check "and has the same numbers and names" $python -c 'a, b = (open(f).read().split() for f in ("expected", "got")); assert [float(v) for v in a] == [float(v) for v in b] and a[-1] == b[-1] == "1"'
fi

# ---- damage: a byte of each part of the file, and every length
cat >damage.py <<'END'
import random, sys
sys.path.insert(0, sys.argv[1])
from tribikos import Error, Model
import numpy as np
whole = open(sys.argv[2], "rb").read()
x = np.zeros((3, 784), "f4")
expected, rng, refused, same = Model(sys.argv[2]).predict(x), random.Random(1), 0, 0
for i in range(300):
    data = bytearray(whole)
    if i % 3 == 0:
        data = data[: rng.randrange(len(data))]
    else:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    open("damaged.h5", "wb").write(data)
    try:
        got = Model("damaged.h5").predict(x)
        assert all(np.array_equal(got[k], expected[k]) for k in got), i
        same += 1
    except Error as why:
        assert "damaged.h5" in str(why), why
        refused += 1
print(f"{refused} refused, {same} without effect")
assert refused > 150
END
check "damaged files are refused, or do no harm" $python damage.py "$prefix/share/tribikos/tools/python" "$(weights hydra)" 2>err || cat err
if ! command -v mandoc >/dev/null; then echo "SKIPPED: the manual page: mandoc is not installed"; else check "it has a manual page" mandoc -T lint -W warning "$prefix/share/man/man3/tribikos.3"; fi
finish
