# The page of `tribikos report`: every figure is report.json's, every number of a chart is what NumPy computes from predictions.h5
# and metrics.jsonl, lines are where their numbers belong, images are those of the data; names from files stay text; what a run
# lacks is a sentence, and an existing page stays.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py, numpy' 2>/dev/null || skip "python3-h5py is not installed"
cd "$work" || exit 1
cat >>small.yaml <<END
eval: {ood: [other], corruptions: [noise]}
ood: {other: {files: [other-images, other-labels]}}
END
$python - <<'END'
import random, struct
random.seed(1)
for name, n in (("train.csv", 200), ("test.csv", 150)):
    rows = [[random.gauss(0, 1) for _ in range(3)] for _ in range(n)]
    with open(name, "w") as f, open("words-" + name, "w") as g:
        f.write("<script>alert(1)</script>,\"b&\"\"'\",c,price\n")
        g.write("<script>alert(1)</script>,\"b&\"\"'\",c,kind\n")
        for r in rows:
            inputs = ",".join(f"{v:.4f}" for v in r)
            f.write(f"{inputs},{50 + 3 * r[0] - r[1] + random.gauss(0, 0.5 + 0.4 * abs(r[2])):.4f}\n")
            g.write(f"{inputs},{'<img src=x onerror=alert(2)>' if r[0] + random.gauss(0, 0.7) > 0 else '</main>&amp;'}\n")
with open("data/other-images", "wb") as f, open("data/other-labels", "wb") as g:
    f.write(struct.pack(">4B3I", 0, 0, 8, 3, 80, 28, 28) + bytes(random.choice((0, 255)) for _ in range(80 * 784)))
    g.write(struct.pack(">4BI", 0, 0, 8, 1, 80) + bytes(80))
END
cat >table.yaml <<'END'
run: {dir: plain}
data: {format: table, root: ., train: [train.csv], test: [test.csv], task: regression, target: price}
members: {count: 3}
train: {layers: [dense 12, relu, dense 2], epochs: 4, batch: 40}
students: [hydra]
student: {split: 2, phase1_epochs: 2, epochs: 3, batch: 40}
END
mpi 1 run small.yaml || { cat err; bad "run of classes"; finish; }
mpi 1 run table.yaml || { cat err; bad "run of regression"; finish; }
mpi 1 run table.yaml --run.dir=words --data.task=classes --data.target=kind --data.train='[words-train.csv]' \
    --data.test='[words-test.csv]' || { cat err; bad "run of words"; finish; }

cat >page.py <<'END'
"""Reads a page as a browser does, and its charts as XML."""
import base64, html.parser, json, math, re, struct, sys, zlib
import xml.etree.ElementTree as ET
import numpy as np

class Reader(html.parser.HTMLParser):
    void = {"meta", "img"}
    allowed = set("html head meta title style body main h1 h2 h3 p ul li nav a section div table thead tbody tr th td b span data dl dt dd "
                  "figure figcaption svg g path circle text desc details summary pre img".split())
    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.text, self.images, self.links = [], [], "", [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open
    def handle_starttag(self, tag, attrs):
        assert tag in self.allowed, f"tag {tag}"
        if tag not in self.void:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert "http" not in (value or "") and "javascript:" not in (value or ""), value
            if name == "id":
                self.ids.append(value)
            if name == "href":
                self.links.append(value)
            if name == "src":
                assert value.startswith("data:image/png;base64,"), value
                self.images.append(value.split(",", 1)[1])
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.open)
    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)
    def handle_data(self, data):
        self.text += data

def png(text):
    raw = base64.b64decode(text)
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    at, data = 8, b""
    while at < len(raw):
        n, = struct.unpack(">I", raw[at:at + 4])
        kind, body = raw[at + 4:at + 8], raw[at + 8:at + 8 + n]
        assert zlib.crc32(kind + body) == struct.unpack(">I", raw[at + 8 + n:at + 12 + n])[0]
        if kind == b"IHDR":
            w, h, depth, colour = struct.unpack(">IIBB", body[:10])
        data += body if kind == b"IDAT" else b""
        at += 12 + n
    channels = {0: 1, 2: 3}[colour]
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(h, 1 + w * channels)
    assert depth == 8 and not lines[:, 0].any()
    return lines[:, 1:].reshape(h, w, channels)

class Chart:
    """A figure: its numbers, which are checked to be where its picture has them."""
    def __init__(self, text):
        self.figure = ET.fromstring(text)
        names = [e.text for e in self.figure.findall("details/dl/dt")]
        pairs = [[tuple(map(float, p.split())) for p in (e.text or "").split("; ") if p] for e in self.figure.findall("details/dl/dd")]
        self.numbers = dict(zip(names, pairs))
        assert len(self.numbers) == len(names), names
        self.svg = self.figure.find("svg[@class='c']")
        assert self.svg.find("title").text and self.svg.find("desc").text and self.svg.get("role") == "img"
        assert all(self.svg.find(f"text[@class='{c}']").text for c in ("lx", "ly"))
        places = [self.scale("x", 0), self.scale("y", 1)]
        for series, points in zip(self.svg.findall("g[@class='s']"), pairs):
            path = series.find("path")
            drawn = [tuple(map(float, c)) for c in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get("d"))] if path is not None else []
            if path is not None and "H" in path.get("d"):  # steps: up to each value, then along it
                heights = [float(v) for v in re.findall(r"V([\d.]+)", path.get("d"))]
                ends = [drawn[0][0]] + [float(v) for v in re.findall(r"H([\d.]+)", path.get("d"))]
                drawn = list(zip(ends, heights))
            circles = [(float(c.get("cx")), float(c.get("cy"))) for c in series.findall("circle")]
            assert drawn or circles
            for shown in filter(None, (drawn, circles)):
                assert len(shown) == len(points), (len(shown), len(points))
                for place, values in zip(shown, points):
                    for p, v, axis in zip(place, values, places):
                        if axis is not None:
                            assert abs(p - axis(v)) < 0.35, (self.svg.find("title").text, p, axis(v), v)
    def scale(self, which, index):
        raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
        group = self.svg.find(f"g[@class='{which}']")
        ticks = []
        for path, label in zip(group.findall("path"), group.findall("text")):
            at = float(re.match(r"M([\d.]+) ([\d.]+)", path.get("d")).group(index + 1))
            power = re.fullmatch(r"10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", label.text)
            ticks.append((at, 10.0 ** int(power.group(1).translate(raised)) if power else float(label.text)))
        log = ", log scale" in self.svg.find(f"text[@class='l{which}']").text
        if len(ticks) < 2:
            return None
        f = math.log if log else float
        (p, a), (q, b) = ticks[0], ticks[-1]
        ends = (46, 348) if which == "x" else (26, 210)
        return lambda v: min(max(p + (f(v) - f(a)) / (f(b) - f(a)) * (q - p), ends[0]), ends[1])

class Page:
    def __init__(self, path):
        self.raw = open(path, encoding="utf-8").read()
        assert len(self.raw.encode()) < 500_000
        self.reader = Reader(self.raw)
        ids = self.reader.ids
        assert len(ids) == len(set(ids)), "ids are not unique"
        assert all(link[1:] in ids for link in self.reader.links if link.startswith("#")) and self.reader.links
        assert 'name="viewport"' in self.raw and "@media print" in self.raw
        for svg in re.findall(r"<svg.*?</svg>", self.raw, re.S):
            ET.fromstring(svg)
        self.charts = {i: Chart(text) for text, i in re.findall(r'(<figure id="([^"]+)">.*?</figure>)', self.raw, re.S)}
    def table(self, name):
        """Rows of a table: {model: {title: (value or None, bold)}}."""
        tree = ET.fromstring(re.search(rf'<table id="{name}">.*?</table>', self.raw, re.S).group())
        head = [th.text for th in tree.findall("thead/tr")[-1]]
        rows = {}
        for tr in tree.findall("tbody/tr"):
            cells = tr.findall("td")
            rows[tr.find("th").text] = [(float(c.find(".//data").get("value")) if c.find(".//data") is not None else None,
                                         c.find("b") is not None) for c in cells]
        return head, rows

def near(got, want, tolerance=2e-4):
    got, want = np.asarray(got, float), np.asarray(want, float)
    assert got.shape == want.shape and np.allclose(got, want, rtol=tolerance, atol=1e-9), (got, want)

def curves(page, run, report, h5):
    """Charts of both tasks."""
    split, classes = report["split"], report["task"] == "classes"
    names = [n for n in report["models"] if n in h5]
    wrong = {}
    for name in names:
        p = h5[name][...]
        if classes:
            label = h5["label"][...]
            wrong[name] = (p.argmax(1) != label).astype(float)
        else:
            wrong[name] = (p[:, :, 0].astype(float).mean(1) - h5["target"][...]) ** 2
    for kind in "model", "total":
        chart = page.charts[f"rejection-{kind}"].numbers
        having = [n for n in names if kind in h5[f"uncertainty/{split}/{n}"]]
        assert sorted(chart) == sorted(having) and having
        for name in having:
            u = h5[f"uncertainty/{split}/{name}/{kind}"][...]
            mean = np.array([wrong[name][u == v].mean() for v in u])  # of rows that are equally uncertain
            order = np.argsort(u, kind="stable")
            total = np.concatenate([[0], np.cumsum(mean[order])])
            share = np.arange(2, 41) / 40
            kept = share * len(u)
            error = np.interp(kept, np.arange(len(u) + 1), total) / kept
            near(chart[name], np.stack([share, error if classes else np.sqrt(error)], 1))
        sets = [split, *report["ood"]]
        root = (lambda v: v) if classes else np.sqrt
        values = {n: {s: root(h5[f"uncertainty/{s}/{n}/{kind}"][...]) for s in sets} for n in having}
        every = [v for group in values.values() for v in group.values()]
        most = max(v.max() for v in every)
        edges = np.geomspace(min(max(min(np.sort(v)[len(v) // 200] for v in every), 1e-9), most / 10), most, 41)
        for i, name in enumerate([n for n in ["ensemble", *[n for n in names if n != "ensemble"]]][:4]):
            if name not in having:
                assert f"uncertainty-{i}-{kind}" not in page.charts
                continue
            chart = page.charts[f"uncertainty-{i}-{kind}"].numbers
            groups = dict(values[name])
            if classes:
                groups[f"{split}, wrong class"] = groups[split][wrong[name] > 0]
            assert sorted(chart) == sorted(groups), (sorted(chart), sorted(groups))
            for s, v in groups.items():
                bins = np.clip(np.searchsorted(edges, v, "right") - 1, 0, 39)
                near(chart[s], np.stack([edges, np.append(np.bincount(bins, minlength=40) / len(v), 0)], 1))
    for kind, folder in ("members", "members"), ("student", "student"):
        for name in [n for n in names if n != "ensemble"] if kind == "student" else ["m000"]:
            lines = [json.loads(line) for line in open(f"{run}/{folder}/{name}/metrics.jsonl")]
            drawn = next(c for i, c in page.charts.items() if i.startswith(f"training-{kind}") and
                         (kind == "members" or c.svg.find("title").text == f"Student {name}"))
            assert all(t.text.isdigit() for t in drawn.svg.findall("g[@class='x']/text")), "epochs are whole"
            chart = drawn.numbers
            phases = sorted({line["phase"] for line in lines})
            for phase in phases:
                want = [(i + 1, line["loss"]) for i, line in enumerate(lines) if line["phase"] == phase]
                title = "training loss, each member" if kind == "members" else \
                    "training loss" if len(phases) == 1 else f"training loss, phase {phase}"
                near(chart[title], want)
            if lines[0].get("validation_loss") is not None:
                near(chart["held-out samples"], [(i + 1, line["validation_loss"]) for i, line in enumerate(lines)])

def figures(page, report, titles):
    """The table's figures are report.json's, and the best is bold."""
    head, rows = page.table("models")
    assert sorted(rows) == sorted(report["models"]) and head[0] == "model"
    assert [t for t in titles if t in head] == head[1:], head
    for i, title in enumerate(head[1:]):
        figure, better = titles[title]
        values = {}
        for name, row in rows.items():
            want = report["models"][name][figure]
            if row[i][0] is None:
                assert want is None or want == 0, (name, title, want)
            else:
                assert row[i][0] == want, (name, title, row[i], want)
                values[name] = want
        bold = [name for name in rows if rows[name][i][1]]
        if better is None:
            assert not bold, (title, bold)
        else:
            assert better(values.values()) in [values[n] for n in bold], (title, bold)
END
cat >classes.py <<'END'
import h5py
from page import *
run = sys.argv[1]
page, report, h5 = Page(f"{run}/report/report.html"), json.load(open(f"{run}/report/report.json")), h5py.File(f"{run}/report/predictions.h5")
figures(page, report, {"accuracy": ("accuracy", max), "NLL": ("nll", min), "cNLL": ("calibrated_nll", min), "Brier": ("brier", min),
        "ECE": ("ece", min), "cECE": ("calibrated_ece", min), "MU": ("mu", None), "MU ratio": ("mu_ratio", None),
        "DEE": ("deep_ensemble_equivalent", max), "parameters": ("parameters", None), "ms/sample": ("ms_per_sample", None)})
curves(page, run, report, h5)
label, N = h5["label"][...], len(h5["label"])
for name, model in report["models"].items():
    if name not in h5:
        continue
    for chart, T in ("reliability-before", 1.0), ("reliability-after", model["temperature"]):
        p = h5[name][...].astype(float)
        p = (p / p.max(1, keepdims=True)) ** (1 / T) if T != 1 else p
        confidence = p.max(1) / p.sum(1) if T != 1 else p.max(1)
        right = h5[name][...].argmax(1) == label
        bins = np.minimum((confidence * 15).astype(int), 14)
        used = [b for b in range(15) if (bins == b).sum() >= 5]
        near(page.charts[chart].numbers[name], [(confidence[bins == b].mean(), right[bins == b].mean()) for b in used])
ensemble = report["models"]["ensemble"]
cost = page.charts["cost-dee"].numbers
for name in "ensemble", "hydra", "kd":
    model = report["models"][name]
    near(cost[name], [(model["ms_per_sample"] / ensemble["ms_per_sample"], model["deep_ensemble_equivalent"])])
for figure in "accuracy", "nll":
    for name, points in page.charts[f"corruptions-{figure}"].numbers.items():
        near(points, list(enumerate([report["models"][name][figure], *report["corruptions"]["noise"][name][figure]])))
# The images with the largest model uncertainty, in this order, as the file has them.
u = h5["uncertainty/test/ensemble/model"][...]
worst = np.argsort(-u, kind="stable")[:12]
images = np.frombuffer(open(f"{sys.argv[2]}/t10k-images-idx3-ubyte", "rb").read()[16:], np.uint8).reshape(-1, 28, 28)
assert [f"sample-{i}" for i in h5["sample_id"][...][worst]] == [i for i in page.reader.ids if i.startswith("sample-")]
assert len(page.reader.images) == 12
for row, image in zip(worst, page.reader.images):
    assert (png(image)[:, :, 0] == images[h5["sample_id"][row]]).all()
head, rows = page.table("detection")
for name, row in rows.items():
    want = [report["ood"]["other"]["models"][name][k]["auroc"] for k in ("model_uncertainty", "total_uncertainty", "max_probability")]
    assert [v for v, _ in row] == want
for words in ("members: {count: 3" , report["program"].split("\n")[0], "logits of 3 members"):
    assert words in page.reader.text or words.startswith("members"), words
assert open(f"{run}/config.yaml").read() in page.reader.text
END
cat >regression.py <<'END'
import h5py
from page import *
run = sys.argv[1]
page, report, h5 = Page(f"{run}/report/report.html"), json.load(open(f"{run}/report/report.json")), h5py.File(f"{run}/report/predictions.h5")
figures(page, report, {"RMSE": ("rmse", min), "NLL": ("nll", min), "NLL (mom.)": ("nll_moments", min), "CRPS": ("crps", min),
        "coverage": ("coverage", None), "width": ("width", None), "model variance": ("model_variance", None),
        "data variance": ("data_variance", None), "parameters": ("parameters", None), "ms/sample": ("ms_per_sample", None)})
curves(page, run, report, h5)
y = h5["target"][...].astype(float)
for name, points in page.charts["reliability-before"].numbers.items():
    mu, s = h5[name][..., 0].astype(float), h5[name][..., 1].astype(float)
    below = np.vectorize(math.erf)((y[:, None] - mu) / s / math.sqrt(2)).mean(1) / 2 + 0.5
    near(points, [(k / 20, (below <= k / 20).mean()) for k in range(1, 20)])
u = h5["uncertainty/test/ensemble/model"][...]
worst = h5["sample_id"][...][np.argsort(-u, kind="stable")[:12]]
assert [f"sample-{i}" for i in worst] == [i for i in page.reader.ids if i.startswith("sample-")]
row = open("test.csv").read().splitlines()[1 + worst[0]].split(",")
inputs = " \u00b7 ".join(f"{n}\u00a0{float(v):.6g}" for n, v in zip(("<script>alert(1)</script>", "b&\"'", "c"), row))
assert inputs in page.reader.text
assert not page.reader.images and "no set out of distribution" in page.reader.text
END
report() { tribikos report "$@" >out 2>err </dev/null; }
# cannot WHAT STATUS WORDS ARGUMENTS...
cannot() {
    local what=$1 status=$2 words=$3
    shift 3
    report "$@"
    check "$what" test "$? $(grep -c 'error: ' err) $(grep -cF -e "$words" err)" = "$status 1 1" -a ! -s out || cat out err
}
# says WHAT WORDS PAGE: it is a good page, and has these words.
says() {
    check "$1" $python - "$2" "$3" <<'END' || cat err
import sys
sys.path.insert(0, ".")
from page import Page
assert sys.argv[1] in " ".join(Page(sys.argv[2]).reader.text.split()), sys.argv[1]
END
}
report run
check "the page of a run, and where it is" test "$? $(cat out)" = "0 run/report/report.html" || cat err
check "classes: figures, charts, images" $python classes.py run data
report plain
check "regression: figures, charts, rows" $python regression.py plain || cat err
report words
says "names of classes from a file are text" "<img src=x onerror=alert(2)>" words/report/report.html
cp run/report/report.html kept.html
cannot "a page that exists stays" 2 'run/report/report.html exists; --force overwrites it' run
check "it is as before" cmp -s kept.html run/report/report.html
report run --force
check "--force writes it again, with the same bytes" cmp -s kept.html run/report/report.html
rm run/report/report.html
mpi 3 report run
check "of three processes one writes, and the others say that they do nothing" \
    test "$? $(cat out) $(grep -c 'process [12] of this job does nothing' err)" = "0 run/report/report.html 2" || cat err
report run --output other.html
check "--output" cmp -s kept.html other.html
check "no file is left over" test -z "$(find . -name '*.tmp.*')"

# What a file says stays text, whatever it says.
hostile="<b id=\"x\">&'\`;run"
cp -r run "$hostile"
rm "$hostile/report/report.html"
echo '# </pre><script>alert(3)</script>' >>"$hostile/config.yaml"
sed -i 's/"program": "/"program": "<script>alert(4)<\/script>/' "$hostile/report/report.json"
report "./$hostile/"
says "a hostile folder" "$hostile" "$hostile/report/report.html"
says "a hostile configuration" '# </pre><script>alert(3)</script>' "$hostile/report/report.html"
says "a hostile report.json" '<script>alert(4)</script>tribikos' "$hostile/report/report.html"

# Fields between tabs may be empty, and then only data.separator tells how to read the file again.
for part in train test; do tail -n +2 $part.csv | tr , '\t' | sed '1s/\t[^\t]*/\t/' >$part.tsv; done
mpi 1 run table.yaml --run.dir=tabs --data.train=train.tsv --data.test=test.tsv --data.header=no --data.target=-1 \
    --data.separator=tab --data.missing=mean || cat err
report tabs
check "rows of a table with empty fields between tabs" test "$(grep -c 'id="sample-' tabs/report/report.html) $(
    grep -c 'samples themselves are not shown' tabs/report/report.html)" = "12 0" || grep -o 'The samples themselves.\{150\}' tabs/report/report.html

# Parts that are missing.
mpi 1 eval small.yaml --eval.split=validation --eval.ood='[]' --eval.corruptions='[]' || cat err
report run --name validation
says "a report with a name" "evaluated on 100 samples (validation)" run/report/validation/report.html
mv data/t10k-images-idx3-ubyte moved
report run --output nodata.html
says "without the data" "The samples themselves are not shown: $work/data/t10k-images-idx3-ubyte" nodata.html ||
    grep -o 'The samples themselves.\{100\}' nodata.html
cp data/other-images data/t10k-images-idx3-ubyte
report run --output other-data.html
says "with other data" "The samples themselves are not shown" other-data.html
rm data/t10k-images-idx3-ubyte && mv moved data/t10k-images-idx3-ubyte
cp -r run bare && rm bare/report/predictions.h5 bare/report/report.html bare/student/*/metrics.jsonl && rm -r bare/cache
report bare
says "without predictions.h5" "These charts need predictions.h5" bare/report/report.html
says "without metrics.jsonl of students" "There are no curves of students" bare/report/report.html
says "without a cache" "cache: none" bare/report/report.html
rm -r bare/report bare/student
report bare
says "members alone" "This run is not evaluated" bare/report/report.html
mpi 1 run table.yaml --run.dir=single --members.count=1 --students='[]' || cat err
report single
says "one member, no student" "No model of this report has model uncertainty" single/report/report.html
check "figures of uncertainties" $python - <<'END'
import json, sys
sys.path.insert(0, ".")
from page import Page
header, rows = Page("plain/report/report.html").table("more")
models = json.load(open("plain/report/report.json"))["models"]
assert set(rows) == set(models)
for column, kind in ("AURC, MU", "model_uncertainty"), ("AURC, TU", "total_uncertainty"):
    shown = {name: row[header.index(column) - 1][0] for name, row in rows.items()}
    for name, model in models.items():
        value = model["aurc"][kind]
        assert shown[name] == value if value is None else abs(shown[name] - value) < 1e-3 * abs(value), (name, shown[name], value)
END

cp -r run far && rm far/report/report.html
sed -i '1s/"validation_loss": [^,}]*/"validation_loss": 1e17/' far/student/kd/metrics.jsonl
report far
check "a value far beyond all others does not flatten a chart" $python - <<'END'
import sys
sys.path.insert(0, ".")
from page import Page
chart = next(c for c in Page("far/report/report.html").charts.values() if c.svg.find("title").text == "Student kd")
assert chart.numbers["held-out samples"][0][1] == 1e17
assert all(float(t.text) < 1000 for t in chart.svg.findall("g[@class='y']/text"))
END
# Lines of metrics.jsonl that are damaged, but for the last one, which a training may just write.
cp -r run torn && rm torn/report/report.html
sed -i '2s/.*/{"phase": 1, "los/' torn/student/kd/metrics.jsonl
printf '{"phase": 1, "epo' >>torn/members/m001/metrics.jsonl
sed -i '1s/.*/words/' torn/members/m002/metrics.jsonl
report torn
says "a damaged line of a student" "1 of $(wc -l <run/student/kd/metrics.jsonl) lines of student/kd/metrics.jsonl cannot be read; the curves lack these epochs." torn/report/report.html
says "a damaged line of a member" "1 of $(wc -l <run/members/m002/metrics.jsonl) lines of members/m002/metrics.jsonl cannot be read" torn/report/report.html
check "a line that is just written is not damaged, and the others are where they belong" $python - <<'END'
import sys
sys.path.insert(0, ".")
from page import Page
torn, whole = Page("torn/report/report.html"), Page("run/report/report.html")
assert "m001/metrics.jsonl" not in torn.reader.text
for of, line, lost in ("training-members", "training loss, each member", None), ("training-members", "m001, training loss", None), \
        ("training-members", "m002, training loss", 1), ("Student kd", "training loss", 2):
    a, b = (next(c for i, c in p.charts.items() if of in (i, c.svg.find("title").text)).numbers[line] for p in (torn, whole))
    assert a == [pair for pair in b if pair[0] != lost], (line, a, b)
END

# Figures at their ends, and figures that a model does not have.
cp -r run ends && rm ends/report/report.html
$python - <<'END'
import h5py, json, numpy as np
r = json.load(open("run/report/report.json"))
members, kd, hydra = (r["models"][m] for m in ("member_mean", "kd", "hydra"))
kd["deep_ensemble_equivalent"], kd["calibrated_nll"] = 1.0, members["calibrated_nll"] + 0.5
hydra["deep_ensemble_equivalent"] = 3.0
kd["ms_per_sample"], hydra["ms_per_sample"] = 0.0000123456, 0.00123456
json.dump(r, open("ends/report/report.json", "w"))
END
report ends
says "less than one member" "It is worth less than one member." ends/report/report.html
says "all members" "It is worth all 3 members." ends/report/report.html
check "short times keep their digits" test "$(grep -o '>1.23e-05<\|>0.00123<' ends/report/report.html | sort -u | wc -l)" = 2
says "what a dash means" "A dash stands for a figure that a model does not have" ends/report/report.html
cp -r run lost && rm lost/report/report.html
$python - <<'END'
import h5py, json, numpy as np
r = json.load(open("run/report/report.json"))
empty = lambda v: {k: empty(w) for k, w in v.items()} if isinstance(v, dict) else None
figures = r["models"]["hydra"]
r["models"]["hydra"] = {k: v if k in ("parameters", "ms_per_sample") else empty(v) for k, v in figures.items()}
json.dump(r, open("lost/report/report.json", "w"))
with h5py.File("lost/report/predictions.h5", "r+") as f:
    for row in 3, 77:
        f["hydra"][row] = np.nan
        for kind in "total", "model", "max_probability":
            f[f"uncertainty/test/hydra/{kind}"][row] = np.nan
END
report lost
says "rows without a prediction" "hydra has no curves: 2 of its 500 predictions are not finite." lost/report/report.html
says "figures that they take with them" "The student hydra has no NLL: it is not a finite number." lost/report/report.html
check "all other models keep their curves" $python - <<'END'
import sys
sys.path.insert(0, ".")
from page import Page
lost, whole = Page("lost/report/report.html"), Page("run/report/report.html")
for chart in "reliability-before", "rejection-total":
    a, b = lost.charts[chart].numbers, whole.charts[chart].numbers
    assert a == {k: v for k, v in b.items() if k != "hydra"} and "hydra" in b, chart
head, rows = lost.table("models")
assert [v for v, _ in rows["hydra"]][:3] == [None] * 3, rows["hydra"]
END
cannot "no run" 2 'there is no run in nowhere; give the folder of a run' nowhere
cannot "two runs" 2 '`tribikos report` takes the folder of one run' run plain
cannot "another flag" 2 '`tribikos report` takes --name=NAME, --output=FILE and --force, got `--colour=red`' run --colour=red
cannot "a name that it does not have" 2 'there is no run/report/nothing/report.json' run --name=nothing
cannot "a folder that is not there" 1 'nowhere/page.html' run --output=nowhere/page.html
cp -r plain damaged && echo words >damaged/report/report.json
cp -r plain same
for file in config.yaml report/report.json report/predictions.h5; do
    cannot "a page over $file, which it shows" 2 "same/$file is read here" same --force --output=same/$file
done
check "all are as they were" diff -r plain same
cannot "a damaged report.json" 3 'damaged/report/report.json is no report of tribikos' damaged --force
cp plain/report/report.json damaged/report/ && head -c 3000 plain/report/predictions.h5 >damaged/report/predictions.h5
cannot "a damaged predictions.h5" 3 'damaged/report/predictions.h5' damaged --force
mpi 1 run table.yaml --run.dir=second --run.seed=2 || cat err
check "the table of eval keeps digits of short times" test -z "$(grep -oE ' 0\.000[0-9]{2}$' out)" || cat out
cp -r plain older && cp second/student/hydra/weights.h5 older/student/hydra/
cannot "a student that was trained again" 3 'older/report is of other weights of hydra than are there now; run `tribikos eval` again' older --force
cp second/members/m001/weights.h5 older/members/m001/
cannot "and a member" 3 'older/report is of other weights of m001, hydra than are there now' older --force
cp second/report/predictions.h5 damaged/report/
cannot "predictions of another evaluation" 3 'are not of the same evaluation: the mean uncertainty of' damaged --force
cp words/report/predictions.h5 damaged/report/
cannot "predictions of another task" 3 'damaged/report/predictions.h5' damaged --force
finish
