# A run that is made again: what has another configuration is named with keys and both values, all of it in one message; students are
# trained again on request, and a job that is killed meanwhile loses neither the old nor the new ones; a report on other samples does
# not replace one; a partial training does not rewrite the configuration of other members, and jobs that distil
# one student each leave one that names all; a report of weights that are gone is known; a run is verified and summed up.
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
table_run 120 40
table other.csv 30 3
run() { mpi 1 "$@" || { cat err; bad "$*"; }; }
run run base.yaml
cp -r r two

# ---- four members instead of two
four=(base.yaml --members.count=4)
refused "more members" 3 "2 trained students in r/student are of another configuration (hydra, kd: of 2 members, members.count is 4 now); --retrain=all" \
    run "${four[@]}"
check "more members: before anything is trained" test ! -e r/members/m002
refused "one of two is trained again" 3 '1 trained student in r/student is of another configuration (kd: of 2 members' run "${four[@]}" --retrain=hydra
check "then none is touched" cmp r/student/hydra/weights.h5 two/student/hydra/weights.h5
refused "no such student" 2 'no student has the name `hidra`; `students` is [hydra, kd]' distill "${four[@]}" --retrain=hydra,hidra
refused "a cache of fewer members" 3 'r/cache holds 2 members, members.count is 4; set it back, or write the cache of these members' distill "${four[@]}"
run train "${four[@]}" && run cache "${four[@]}"
check "members and shards stay" test "$(grep -c '2 of 4 shards are there already' err)" = 1 || cat err
cp -r r start
rm -rf two/student && cp -r r fresh && rm -r fresh/{student,report} && run distill "${four[@]}" --run.dir=fresh
digest fresh >expected
run distill "${four[@]}" --retrain=hydra,kd
check "students are trained again, and say so" test "$(grep -c 'is trained again; until the new one is there, the old one is kept in r/student/' err)" = 2 || cat err
mv r/report report
same "they are those of a run that had always four" r
check "the old ones are gone" test -z "$(find r -name '*.before')"
run distill "${four[@]}"
check "again: both are there" test "$(grep -c 'is there already' err)" = 2 || cat err

# ---- a job that trains students again is killed at every step of files
rm -r start/report
tries=0 old=$(cd start && cat student/{hydra,kd}/weights.h5 | sha256sum)
for at in file.rename:{1..40} file.folder:{1..40..2} train.step:{2,9}; do
    point=${at%:*} nth=${at#*:}
    [ "$point" != "${ended:-}" ] || continue
    rm -rf r && cp -r start r
    ! TRB_FAULT=$at:0:kill mpi 1 distill "${four[@]}" --retrain=all || { ended=$point && continue; }
    tries=$((tries + 1))
    for name in hydra kd; do
        tribikos info r/student/$name/weights.h5 >out 2>&1 || tribikos info r/student/$name.before/weights.h5 >out 2>&1 ||
            bad "$at: neither the old nor the new $name is there"
    done
    # A job that was killed when all was trained only has to remove the old ones. All others are repeated, now and then without the flag.
    aside=$(find r/student -name '*.before' | wc -l) again=(--retrain=all) there=0
    [ $aside != 2 ] || [ $((nth % 4)) != 1 ] || again=()
    [ $aside = 0 ] || [ "$(cat r/student/{hydra,kd}/weights.h5 2>/dev/null | sha256sum)" = "$old" ] ||
        there=$(ls r/student/{hydra,kd}/weights.h5 2>/dev/null | wc -l)
    mpi 1 distill "${four[@]}" "${again[@]}" || { cat err; bad "$at: the rerun"; }
    [ $there != 2 ] || [ "$(grep -c 'is there already' err)" = 2 ] || bad "$at: both were trained, and one is trained once more"
    digest r >got
    cmp -s expected got && [ -z "$(find r -name '*.before')" ] || bad "$at: the rerun gives something else"
done
check "killed $tries times while students are trained again" test $tries -gt 10

# ---- a run that trains students again is stopped while it evaluates
rm -rf r && cp -r start r
TRB_FAULT=eval.unit:1:0:usr1 mpi 1 run "${four[@]}" --retrain=all
check "stopped in the evaluation: exit status 75" test $? = 75 || cat err
check "the old ones are still there" test "$(find r -name '*.before' | wc -l)" = 2
cat r/student/{hydra,kd}/weights.h5 | sha256sum >new
run run "${four[@]}" --retrain=all
check "repeated: no student is trained once more" test "$(grep -c 'student .* is there already' err)" = 2 || cat err
check "with the same bytes" cmp new <(cat r/student/{hydra,kd}/weights.h5 | sha256sum)
check "and the old ones are gone" test -z "$(find r -name '*.before' -o -name .retrained)"
TRB_FAULT=eval.unit:1:0:usr1 mpi 1 run "${four[@]}" --retrain=kd
check "one of them: stopped in the evaluation" test $? = 75 -a "$(find r -name '*.before')" = r/student/kd.before || cat err
run distill "${four[@]}" --retrain=all
check "another student is named meanwhile: it is trained again, and only it" test "$(grep -c 'student hydra is trained again' err) $(grep -c 'student kd is there already' err)" = "1 1" || cat err

# ---- what differs, in words
rm -rf r && cp -r start r && run distill "${four[@]}" --retrain=all
run eval "${four[@]}"
refused "all members in one message" 3 '4 trained members in r/members are of another configuration (m000, m001, m002, m003: `train.epochs` was 2 and is 3 now; `train.lr` was 0.001 and is 0.002 now); use another run.dir' \
    run "${four[@]}" --train.lr=2e-3 --train.epochs=3
refused "members that differ in their own ways" 3 '(m000, m002, m003: `train.lr` was 0.001 and is 0.002 now; m001: `train.lr` was 0.001 and is 0.003 now)' \
    cache "${four[@]}" --train.lr=2e-3 --members.overrides.1.lr=3e-3
refused "all students in one message" 3 '(hydra: `student.lr` was 0.001 and is 0.1 now; kd: `student.temperature` was 4 and is 2 now); --retrain=all' \
    eval "${four[@]}" --student.kd.temperature=2 --student.hydra.lr=0.1
refused "other columns, run: the members, and not the report" 3 'the training set (data.train) is another one: its samples were 4 x 1 x 1 float32 and are 3 x 1 x 1 float32 now' \
    run "${four[@]}" --data.features=[0-2]
refused "samples held out" 3 '(m000, m001, m002, m003: `data.validation` was 0 and is 20 now); use another run.dir' run "${four[@]}" --data.validation=20
refused "another type of the cache, run" 3 'r/cache: `cache.dtype` was float32 when the cache was written and is float16 now; set it back' run "${four[@]}" --cache.dtype=float16
refused "another block of the cache" 3 'r/cache: `cache.block` was 256 when the cache was written and is 64 now' cache "${four[@]}" --cache.block=64
cp train.csv kept.csv && sed -i '1s/^/9/' train.csv
refused "other training data" 3 'm000, m001, m002, m003: the training set (data.train) is another one)' eval "${four[@]}"
mv r/members members
refused "other training data than those of the cache" 3 'r/cache: the training set (data.train) is another one: the cache belongs' distill "${four[@]}"
mv members r/members
mv kept.csv train.csv
refused "members that are missing" 3 'hydra, kd: of 4 members, members.count is 5 now' eval base.yaml --members.count=5
mv r/members/m003 m003
run eval "${four[@]}" --eval.name=students
check "without a member: a warning that says how many and which" \
    grep -q 'warning: r/members lacks weights of 1 of 4 members (m003); `tribikos train` trains those that are missing' err || cat err
check "in one line, with what follows from it" test "$(grep -c 'warning: ' err) $(grep -c 'only students are evaluated on' err)" = "1 1" || cat err
check "and no ensemble" test "$(grep -c '^ensemble' out)" = 0
mv m003 r/members/m003

# ---- a report of weights that are no longer there
cp -r r stale && rm -r stale/report/*/
run distill "${four[@]}" --run.dir=stale --retrain=kd --student.kd.lr=0.01
check "the report is of older weights: said" grep -q 'stale/report is of other weights of kd than are there now; `tribikos eval` makes it anew' err || cat err
tribikos compare stale >out 2>err
check "compare refuses it" test $? = 3 -a "$(grep -c 'error: stale/report is of other weights of kd than are there now; run `tribikos eval`' err)" = 1 || cat out err
tribikos info stale >out 2>err
check "info says it" grep -q '^  report.json .* made with other weights than are there now of kd, by' out || cat out err
tribikos verify stale >out 2>err
check "verify: exit status 3" test $? = 3
check "verify names it" grep -q '^bad: stale/report/report.json: the report is of other weights of kd' out || cat out err
run eval "${four[@]}" --run.dir=stale --student.kd.lr=0.01
check "eval makes it anew, and says why" grep -q 'eval: the report in stale/report was of other weights of kd; it is made anew' err || cat err
tribikos compare stale >out 2>err
check "then it is compared" test $? = 0 -a "$(grep -c '^| kd ' out)" = 1 || cat out err
tribikos verify stale >out 2>err
check "and sound" test $? = 0 || cat out err

# ---- jobs that distil one student each
cp -r r jobs && rm -r jobs/{student,report,config.yaml}
mpirun=${TRB_MPIRUN:-mpirun}
for name in hydra kd; do
    $mpirun -n 1 "$TRB_BUILD/tribikos" distill "${four[@]}" --run.dir=jobs --students=[$name] >$name.out 2>$name.err </dev/null &
done
wait
tribikos config jobs/config.yaml >out 2>err
check "two jobs at a time: the file names both students" grep -Eq '^students: \[(hydra, kd|kd, hydra)\]' out || cat out {hydra,kd}.err
run eval jobs/config.yaml
check "and both are evaluated by it" test "$(grep -cE '^(hydra|kd) ' out)" = 4 || cat out
run distill "${four[@]}" --run.dir=jobs --students=[hydra] --retrain=hydra --student.hydra.lr=0.01
check "one of them with other options: the file has both" test "$(awk '/^  [a-z]+:/ { name = $1 } /^    lr: / { print name $2 }' jobs/config.yaml |
    sort | paste -sd,)" = hydra:0.01,kd:0.001 || cat jobs/config.yaml
rm -r jobs/student/kd
run distill "${four[@]}" --run.dir=jobs --students=[hydra] --student.hydra.lr=0.01
check "a student that is gone is not named" grep -q '^students: \[hydra\]' jobs/config.yaml || cat jobs/config.yaml
run distill "${four[@]}" --run.dir=jobs --students=[kd]
check "then it is again" grep -Eq '^students: \[hydra, kd\]' jobs/config.yaml || cat jobs/config.yaml

# ---- reports have names
cp r/report/report.json own.json
cp r/config.yaml own.yaml
run eval "${four[@]}" --data.test=[other.csv]
check "another test file: said" grep -q 'eval: the report is in r/report/other$' err
check "another test file: a report of its own" grep -q '"samples": 30' r/report/other/report.json
run eval "${four[@]}" --eval.split=train
check "another part: a report of its own" grep -q '"split": "train"' r/report/train/report.json
run eval "${four[@]}" --data.test=[other.csv] --eval.name=named
check "a name that is given" grep -q '"name": "named"' r/report/named/report.json
check "the run's own report is not touched" cmp own.json r/report/report.json
check "nor its configuration" cmp own.yaml r/config.yaml
mkdir elsewhere && cp train.csv elsewhere && head -n 20 test.csv >elsewhere/test.csv
run eval "${four[@]}" --data.root=elsewhere
check "the same name below another root: a report of its own" grep -q '"samples": 20' r/report/test/report.json
check "the run's own files stay" grep -qF "test: [$(realpath test.csv)]" r/config.yaml || cat r/config.yaml
run eval "${four[@]}"
check "and are known by root and name" test "$(grep -c 'the report is in' err)" = 0 -a "$(grep -c '"samples": 40' r/report/report.json)" -ge 1 || cat err
cp own.yaml r/config.yaml && cp own.json r/report/report.json
cp test.csv kept.csv && sed -i 1d test.csv
refused "another content under the same name" 3 'r/report is a report on other samples' eval "${four[@]}"
refused "and in a run before all else" 3 'r/report is a report on other samples' run "${four[@]}"
run eval "${four[@]}" --eval.name=shorter
mv kept.csv test.csv
run eval "${four[@]}" --eval.split=train --eval.name=part
refused "another part under the same name" 3 'r/report/part is a report on another part of the data: eval.split was train and is test now' \
    eval "${four[@]}" --eval.name=part
refused "a name that is no name" 2 'key `eval.name`: a name is 1 to 64 letters' eval "${four[@]}" --eval.name=a/b
run eval "${four[@]}"
check "the own set again: in its place" cmp <(sed 's/"ms_per_sample": [^,]*, //' own.json) <(sed 's/"ms_per_sample": [^,]*, //' r/report/report.json)

# ---- a partial training
rm -r r/members/m003
run train "${four[@]}" --members=3 --train.lr=2e-3
check "one member with another option: the file of the others stays" cmp own.yaml r/config.yaml
check "one member with another option: said" grep -q 'r/config.yaml stays as it is, because it is the configuration of the other members' err || cat err
rm -r r/members/m003
run train "${four[@]}" --members=3 --run.progress=5
check "one member with the same options: the file is that of the job" grep -q 'progress: 5' r/config.yaml

# ---- verify and info
tribikos verify r >out 2>err
check "a sound run is verified" grep -Eq '^r: [0-9]+ files of 4 members, 2 students, cache and reports: all good' out || cat out err
tribikos info r >out 2>err
for line in '^configuration: classes, 4 members, students hydra, kd, seed 1$' '^members: 4, ' '^  m003 .*67 parameters' '^cache: logits of 4 members, 120 samples, 1 view' \
    '^  hydra  .*hydra of 4 members' '^  kd  .*kd of 4 members, 67 parameters' '^  report.json  .*40 samples (test), 4 models, by tribikos' '^  train  .*120 samples (train)'; do
    check "info: $line" grep -q "$line" out || cat out err
done
tribikos info r/report/predictions.h5 >out 2>err
check "info knows predictions" grep -q '^r/report/predictions.h5: predictions of an evaluation' out || cat err
shard=r/cache/v00/m001-s00000.h5
cp $shard shard
$python - $shard r/student/kd/weights.h5 <<'END'
import h5py, sys
for path, name in zip(sys.argv[1:], ("logits", "body.0.weight")):
    with h5py.File(path) as f:
        at = f[name].id.get_offset() if f[name].chunks is None else f[name].id.get_chunk_info(0).byte_offset
    with open(path, "r+b") as f:
        f.seek(at + 8)
        byte = f.read(1)[0]
        f.seek(at + 8)
        f.write(bytes([byte ^ 1]))
END
mkdir -p r/cache/eval/far && echo words >r/cache/eval/far/manifest.h5
$python - r/report/other/predictions.h5 <<'END'
import h5py, sys
with h5py.File(sys.argv[1], "a") as f: # values whose checksum is wrong
    d = f.create_dataset("z", data=[1.5, 2.5, 3.5], chunks=(3,), fletcher32=True)
    at = d.id.get_chunk_info(0).byte_offset
with open(sys.argv[1], "r+b") as f:
    f.seek(at)
    f.write(b"\1")
END
rm r/members/m002/weights.h5 r/report/train/predictions.h5
tribikos verify r >out 2>err
check "a damaged run: exit status 3" test $? = 3
for line in "bad: $shard: " 'bad: r/student/kd/weights.h5: ' 'bad: r/cache/eval/far' 'bad: r/report/other/predictions.h5' 'missing: r/members/m002/weights.h5' 'missing: r/report/train/predictions.h5'; do
    check "verify: $line" grep -q "^$line" out || cat out
done
check "verify: the count" grep -q 'error: r: 4 files are bad, 2 missing, ' err || cat err
refused "a damaged shard, distill" 3 "remove the file, and \`tribikos cache\` or \`tribikos run\` writes it again (of members from elsewhere, write the cache anew): $shard: " \
    distill "${four[@]}" --students=[hydra] --retrain=hydra
run train "${four[@]}" && mpi 2 cache "${four[@]}"
check "a damaged shard that is written anew is named" grep -q "warning: $shard is damaged; it is written anew" err || cat err
check "with the same bytes" cmp shard $shard
for command in distill run; do
    refused "a damaged student, $command" 3 'put a copy in their place, or remove the file, and `tribikos run` trains the network again: r/student/kd/weights.h5: its digest is ' \
        $command "${four[@]}"
done
run distill "${four[@]}" --retrain=kd
tribikos verify r/nothing >out 2>err
check "neither a run nor a cache" grep -q 'r/nothing is neither the folder of a run nor that of a cache' err || cat err
finish
