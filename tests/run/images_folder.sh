# Folders of images: `tribikos pack` gives the bytes that Pillow gives, and refuses what is no image with one line.
. "$(dirname "$0")/lib.bash"
$python -c 'import PIL, h5py, numpy' 2>/dev/null || skip "python3-pil or python3-h5py is not installed"
cd "$work" || exit 1
conf=$work/small.yaml
py() { $python "$TRB_SOURCE/tests/run/images_folder.py" "$@"; }
pack() { tribikos pack "$@" >out 2>err; }
$python "$TRB_SOURCE/tests/run/subset.py" $fashion data 300 100
py digits "$work/digits" data
py photos "$work/photos"
py bad "$work/bad"

# ---- the bytes
check "digits are packed" pack digits/train --output=train.h5
check "it says what it has packed" grep -qxF "train.h5: 300 images of 1 x 28 x 28, 10 classes" out || cat out err
check "the original bytes, by classes" py check_digits train.h5 digits/train.npz
for how in "RGB 24" "L 24" "RGB 7" "L 150"; do
    set -- $how
    pack photos --output=photos.h5 --size=$2 --channels="$([ $1 = L ] && echo 1 || echo 3)" --force || cat err
    check "images of every kind as Pillow has them: $how" py check_photos "$work/photos" photos.h5 $1 $2
done
cp train.h5 kept.h5
check "packed again, the same file" pack digits/train --output=train.h5 --force
check "byte for byte" cmp train.h5 kept.h5
check "info tells the classes" grep -q '"t9"' <(tribikos info train.h5)

# ---- what is refused. no WHAT STATUS WORDS ARGUMENTS...: one line says why, and no file is left.
no() {
    local what=$1 status=$2 words=$3
    shift 3
    rm -f bad.h5
    pack "$@"
    check "$what: exit $status" test $? = "$status" || cat err
    check "$what: one line that says why" test "$(wc -l <err)" = 1 -a "$(grep -cF -e "$words" err)" = 1 || cat err
}
refuses() { no "$1" 3 "$2" bad/$1 --output=bad.h5; }
refuses empty 'bad/empty/b/1.png: expected a PNG or JPEG image, but it looks like an empty file; `--skip-bad` leaves such files out'
refuses cmyk "its colours are CMYK"
refuses sixteen "has channels of 16 bits, expected 8"
refuses transparent "pixel 5 of row 3 is transparent"
refuses cut "damaged or truncated PNG image: it ends too early"
refuses flipped "damaged or truncated PNG image: IDAT: CRC error"
refuses cut_jpeg "damaged or truncated JPEG image: Premature end"
refuses text "expected a PNG or JPEG image, but it looks like text"
refuses page "looks like a web page"
refuses gif "looks like a GIF image"
refuses bomb "has 60000 x 60000 pixels; images of up to 100000000 pixels are read"
refuses claims "claims 9000 x 9000 pixels, which its"
refuses grey 'bad/grey/b/1.png: is grey, but a/0.png is coloured; `--channels=1` or `3` makes all alike'
refuses sizes 'bad/sizes/b/1.png: has 11 x 12 pixels, but a/0.png has 12 x 12; `--size=12` makes all alike'
refuses folder "bad/folder/b/1.png: expected a file, got a folder"
refuses nested "bad/nested/b/more: is a folder in the folder of a class"
refuses fifo "expected a file, got a FIFO"
refuses loop "Too many levels of symbolic links"
refuses nowhere "cannot be read: No such file"
refuses no_images "bad/no_images/c: there is no PNG or JPEG file in it"
refuses beside "bad/beside/1.png: is an image beside the folders of classes"
refuses flat "there is no folder in it"
refuses name "is not UTF-8"
no "no such folder" 2 "cannot be read" nowhere --output=bad.h5
no "a file for a folder" 2 "expected a folder" train.h5 --output=bad.h5
no "no output" 2 "needs --output=FILE" photos
no "an output that exists" 2 "train.h5 exists; --force overwrites it" photos --output=train.h5
no "a size of 0" 2 "expected a whole number from 1" photos --output=bad.h5 --size=0
no "two channels" 2 "expected 1 (grey) or 3 (coloured)" photos --output=bad.h5 --channels=2
no "a key" 2 "takes --output=FILE" photos --output=bad.h5 --train.epochs=3
check "nothing is left of what was refused" test -z "$(ls | grep '^bad.h5')"
check "nor was a file changed" cmp train.h5 kept.h5

# ---- bad files are left out
check "--skip-bad" pack bad/many --output=many.h5 --skip-bad
check "names each" test "$(grep -c 'left out: bad/many/[ab]/[12]' err)" = 2 || cat err
check "and counts them" grep -qx "2 files left out" out
check "other files are counted" grep -q "1 file is no image by name, and is passed over (the first is a/notes.txt)" err || cat err
check "the others are packed" $python -c 'import h5py, sys; f = h5py.File("many.h5"); sys.exit([bytes(n).rstrip(b"\0") for n in f["file"]] != [b"a/0.png", b"b/0.png"])'
pack bad/all_bad --output=bad.h5 --skip-bad
check "a class of which nothing is left: exit 3" test $? = 3
check "a class of which nothing is left: one line" grep -q "bad/all_bad/c: no image of this class is left" err

# ---- data.format: images: a run has the bits of the run on the same images in binary files
cat >images.yaml <<END
run: {dir: run, seed: 3}
data: {format: images, root: digits, train: [train], test: [t10k], validation: 30, normalize: unit}
members: {count: 2}
train: {layers: [dense 8, relu, dense 10], epochs: 1, batch: 32, lanes: 4}
students: [hydra]
student: {split: 2, phase1_epochs: 1, epochs: 1, batch: 32, lanes: 4}
END
binary=(--data.format=idx --data.root=digits/sorted --data.train='[train-images, train-labels]' --data.test='[t10k-images, t10k-labels]')
bits() {
    $python - "$1" <<'END'
import glob, h5py, hashlib, json, sys
h = hashlib.sha256()
for path in sorted(glob.glob(sys.argv[1] + "/**/*.h5", recursive=True)):
    if "/data/" in path: continue
    with h5py.File(path) as f: f.visititems(lambda n, d: h.update(n.encode() + d[()].tobytes()) if isinstance(d, h5py.Dataset) else None)
r = json.load(open(sys.argv[1] + "/report/report.json"))
print(h.hexdigest(), [m["nll"] for m in r["models"].values()])
END
}
mpi 1 run images.yaml --run.dir=binary "${binary[@]}" || cat err "$work/err"
bits binary >expected
mpi 2 plan images.yaml
check "plan refuses what is not packed" grep -q "its images are not packed yet, and this command writes nothing" "$work/err" || cat "$work/err"
for n in 1 2 3; do
    rm -rf run
    mpi $n run images.yaml
    check "a run on folders, $n ranks" test $? = 0 || cat "$work/err"
    bits run >got
    check "$n ranks: the bits of the run on binary files" cmp expected got
done
check "packed once" test "$(grep -c 'packed into run/data/train.h5' "$work/err")" = 1 || cat "$work/err"
check "plan then reads it" mpi 1 plan images.yaml
check "weights have the names of the classes" grep -q '"t9"' <(tribikos info run/student/hydra/weights.h5)
check "predict takes a packed file" mpi 1 predict run train.h5 --output=out.csv
check "and knows its labels" grep -q "with labels" "$work/err" || cat "$work/err"
check "predictions have the names of classes" grep -q 't[0-9]' out.csv || head -2 out.csv
cp -r digits/train digits/train2 && rm -rf digits/train && mv digits/train2 digits/train
check "copied files, whose times are others, are the same" mpi 2 eval images.yaml || cat "$work/err"
changes() { refused "$1" 2 "$2" eval images.yaml; }
mv digits/train/t3/00*5.png digits/train/t4/ 2>/dev/null || mv "$(ls digits/train/t3/*.png | head -1)" digits/train/t4/
changes "an image in another class" "digits/train: has changed since its images were packed into run/data/train.h5: digits/train/t"
refused "another size" 2 'was packed with `data.image_size: 0`, and now it is 14' eval images.yaml --data.image_size=14
refused "several folders" 2 "a set of images is one folder, got 2 names" eval images.yaml --data.train='[train, t10k]'
refused "a key of images" 2 "only images" eval "$conf" --data.skip_bad=true
refused "regression" 2 "folders of images name classes" eval images.yaml --data.task=regression
finish
