# libtribikos under ThreadSanitizer: four threads of a host open networks of several kinds at the same time, each with handles
# of its own; they predict, close, and fail to open a file. Then they share one handle. No two accesses race.
. "$(dirname "$0")/lib.bash"
[ -e "$TRB_BUILD/libtribikos.so" ] || skip "this build has no library"
cd "$work" || exit 1
cached() { sed -n "s/^$1:[^=]*=//p" "$TRB_BUILD/CMakeCache.txt"; }
compiler=$(cached CMAKE_C_COMPILER) launcher=$(cached CMAKE_C_COMPILER_LAUNCHER)
cat >host.c <<'END_OF_C'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tribikos/model.h>

enum { THREADS = 4, ROWS = 40 };
static char **path;
static size_t paths;
static trb_model *shared;
static long counted; /* without a lock, only if a race is asked for */

static int predict(trb_model *model)
{
    float *x = calloc(ROWS * trb_model_inputs(model), sizeof *x);
    float *z = calloc(ROWS * trb_model_heads(model) * trb_model_outputs_of_head(model), sizeof *z);
    const int st = trb_model_predict(model, ROWS, x, &(trb_model_outputs){.logits = z});
    free(z);
    free(x);
    return st;
}

static void *host(void *first)
{
    static char wrong;
    for (size_t i = 0; i < 2 * paths; i++) {
        trb_model *model = shared;
        if (shared == NULL && trb_model_open(path[(*(size_t *)first + i) % paths], 16, &model) != TRB_MODEL_OK) return &wrong;
        if (predict(model) != TRB_MODEL_OK) return &wrong;
        if (shared == NULL) trb_model_close(model);
        if (trb_model_open("nothing.h5", 0, &model) == TRB_MODEL_OK || strstr(trb_model_message(NULL), "nothing") == NULL) return &wrong;
        if (getenv("RACE") != NULL) counted++;
    }
    return NULL;
}

static int on_threads(void)
{
    pthread_t thread[THREADS];
    size_t first[THREADS];
    int wrong = 0;
    for (size_t i = 0; i < THREADS; i++) {
        first[i] = i;
        if (pthread_create(&thread[i], NULL, host, &first[i]) != 0) return 1;
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *found = NULL;
        (void)pthread_join(thread[i], &found);
        wrong += found != NULL;
    }
    return wrong;
}

int main(int argc, char **argv)
{
    path = argv + 1;
    paths = (size_t)argc - 1;
    int wrong = on_threads();
    if (trb_model_open(path[0], 0, &shared) != TRB_MODEL_OK) return 3;
    wrong += on_threads();
    trb_model_close(shared);
    return wrong == 0 ? 0 : 2;
}
END_OF_C
echo 'int main(void) { return 0; }' >nothing.c
# The sanitizer knows no addresses as random as those of newer kernels.
"$compiler" -fsanitize=thread nothing.c -o nothing 2>/dev/null && setarch -R ./nothing || skip "programs cannot be run under ThreadSanitizer here"
# One version of each loop: the function that chooses among several runs before the sanitizer is ready.
cmake -S "$TRB_SOURCE" -B sanitized -DCMAKE_C_COMPILER="$compiler" ${launcher:+-DCMAKE_C_COMPILER_LAUNCHER="$launcher"} -DBUILD_TESTING=OFF \
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="-O1 -g -fsanitize=thread -DTRB_WIDE=" >log 2>&1 || { tail -n 20 log; bad "CMake"; finish; }
# Only the files that the library consists of, and others of the same names, which the linker leaves out.
readelf -sW "$TRB_BUILD/libtribikos.o" | awk '$4 == "FILE" { print $8 }' >files
cat >compile.py <<'END'
import concurrent.futures, json, os, shlex, subprocess, sys
names, folders = set(open("files").read().split()), "base math net store data methods model".split()
def job(entry):
    output = shlex.split(entry["command"])[shlex.split(entry["command"]).index("-o") + 1]
    output = os.path.join(entry["directory"], output)
    os.makedirs(os.path.dirname(output), exist_ok=True)
    subprocess.run(entry["command"], shell=True, cwd=entry["directory"], check=True)
    return output
wanted = [e for e in json.load(open("sanitized/compile_commands.json")) if os.path.basename(e["file"]) in names and e["file"].split("/")[-2] in folders]
with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    subprocess.run(["ar", "qc", "library.a", *pool.map(job, wanted)], check=True)
END
check "its files are compiled for ThreadSanitizer" $python compile.py || finish
check "a host of it" "$compiler" -std=c99 -Wall -Wextra -Werror -g -fsanitize=thread host.c -I"$TRB_SOURCE/include" library.a \
    $(sed -n 's/^Libs.private: //p' "$TRB_BUILD/tribikos.pc") -lpthread -o host || finish
# OpenBLAS, oneDNN and HDF5 are compiled without it, so what they do inside is not seen, and would be misunderstood.
for name in openblas dnnl hdf5 gomp; do echo "race:lib$name"; done >suppressions
"$TRB_BUILD/tests/networks" . >list || { bad "networks"; finish; }
host() { TSAN_OPTIONS="suppressions=suppressions exitcode=66" setarch -R ./host mlp.h5 conv_heads.h5 rank1_conv.h5 endd.h5 numbers.h5 >out 2>&1; }
host
check "four threads, with handles of their own and with one handle: no race" test $? = 0 || head -n 40 out
RACE=1 host
check "a race would have been seen" test $? = 66 -a "$(grep -c 'data race.*' out)" -ge 1
finish
