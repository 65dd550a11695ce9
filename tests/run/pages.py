"""Compares what the pages claim (README.md of the top and of the folders) with the sources and the program. See pages.sh.

A code block is marked by its language. `sh` blocks run in a copy of the tree in which every program, also mpirun, only notes how it
was called. Loops, variables and quotes are therefore the shell's affair. Then each call is checked: the program must exist,
`tribikos config` must accept the configuration and the flags, a tool must know its flags. Lines of a `text` block that begin with
"$ " are commands too. A `yaml` block is a whole configuration. It begins with its name, "# my.yaml", and commands of its page can
use it.

A span between backquotes is checked if it is a command, a file (as seen from the page, from the top or from include/tribikos), a key
of the configuration, or an identifier. CONFIG, RUN and other words in capitals stand for what a user puts there. What an item of a
numbered list says of files must be in one of the files that it names."""
import ast
import functools
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SOURCE, BUILD = os.environ["TRB_SOURCE"], os.environ["TRB_BUILD"]
FOLDERS = "configs", "jobs", "tools", "include", "tests", "src"
README_LINES = 170
SYSTEM = "mpirun srun sbatch scancel squeue bash python3 cmake ctest git grep module"  # programs that are not ours
FOREIGN = {"send_user_signal", "MPI_HOME", "CMAKE_PREFIX_PATH"}  # words of other programs
ENDINGS = r"\.(c|h|sh|py|bash|sbatch|yaml|md|svg|png|txt|model|csv)$"


def program(*arguments, cwd=None):
    return subprocess.run([f"{BUILD}/tribikos", *arguments], capture_output=True, text=True, cwd=cwd)


@functools.cache
def commands():
    """{command: operand} of `tribikos --help`."""
    return dict(re.findall(r"^  ([a-z]+) +([A-Z]+) ", program("--help").stdout, re.M))


@functools.cache
def keys():
    """A pattern of all keys in `tribikos config --help`, with those of members.overrides and of each student."""
    named = re.findall(r"^([a-z][\w.]*(?:NAME\.\w+)?) ", program("config", "--help").stdout, re.M)
    fit = [k[6:] for k in named if k.startswith("train.")]
    student = fit + [k[8:] for k in named if k.startswith("student.")]
    more = [r"members\.overrides\.\w+", r"student\.(?:NAME\.)?grid"] + [rf"members\.overrides\.\w+\.{k}" for k in fit]
    more += [rf"student\.(?:[\w-]+\.)?(?:grid\.)?{k}" for k in student]
    return re.compile("|".join(more + [re.escape(k).replace("NAME", r"[\w-]+") for k in named]))


@functools.cache
def words():
    """All identifiers of sources and scripts, and the names of their files without the ending."""
    found = set()
    for folder in FOLDERS:
        for path in glob.glob(f"{SOURCE}/{folder}/**", recursive=True):
            if os.path.isfile(path) and not path.endswith((".md", ".h5", ".png", "/pages.py")) and "/corpus/" not in path:
                found.add(os.path.splitext(os.path.basename(path))[0])
                found.update(re.findall(r"\w+", open(path, encoding="utf-8", errors="replace").read()))
    return found


def text_of(path):
    return open(f"{SOURCE}/{path}", encoding="utf-8").read()


def slug(heading):
    heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)  # a link counts by its words
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


class Page:
    def __init__(self, path, text=None):
        self.path, self.folder = path, os.path.dirname(path)
        self.text = text_of(path) if text is None else text
        self.blocks, prose, language = [], [], None
        for line in self.text.splitlines():
            if line.startswith("```"):
                if language is None:
                    self.blocks.append((line[3:].strip(), []))
                    language = line[3:].strip()
                else:
                    language = None
            elif language is not None:
                self.blocks[-1][1].append(line)
            elif not line.startswith("    "):
                prose.append(line)
        self.prose, self.ends = "\n".join(prose), language is None
        self.spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", self.prose)]
        self.headings = [slug(h) for h in re.findall(r"^#+ (.*)$", self.prose, re.M)]
        self.links = re.findall(r"\]\(([^)\s]+)\)", self.prose)

    def finds(self, name):
        """Whether a file of this name exists, as seen from the page, the top or include/tribikos. NAME matches any name."""
        pattern = re.sub(r"(?<![A-Za-z])[A-Z]{3,}(?![a-z])", "*", name) if not os.path.exists(f"{SOURCE}/{name}") else name
        places = {os.path.join(SOURCE, folder, pattern) for folder in (self.folder, "", "include/tribikos")}
        return any(glob.glob(place) for place in places)


class Checker:
    def __init__(self):
        self.faults, self.checked = [], 0
        self.work = tempfile.mkdtemp(prefix="tribikos-pages.")
        self.tree, self.log = f"{self.work}/tree", f"{self.work}/log"
        self.plant()

    def check(self, good, page, message):
        self.checked += 1
        if not good:
            self.faults.append(f"{page.path}: {message}")

    def plant(self):
        """Make the tree in which commands of pages run: every program only writes its arguments to the log."""
        stub = f"#!/bin/bash\nprintf '%s\\0' \"$0\" \"$@\" $'\\1' >>'{self.log}'\n"
        wanted = [f"build/{name}" for name in ("tribikos", "tools/bench/bench_step")] + [f"bin/{name}" for name in SYSTEM.split()]
        for folder in ("configs", "jobs", "tools", "tests"):
            for path in glob.glob(f"{SOURCE}/{folder}/**", recursive=True):
                to = f"{self.tree}/{os.path.relpath(path, SOURCE)}"
                if os.path.isfile(path) and os.access(path, os.X_OK):
                    wanted.append(os.path.relpath(path, SOURCE))
                elif os.path.isfile(path) and "/corpus/" not in path and "/golden/" not in path:
                    os.makedirs(os.path.dirname(to), exist_ok=True)
                    shutil.copy(path, to)
        for name in wanted:
            os.makedirs(os.path.dirname(f"{self.tree}/{name}"), exist_ok=True)
            with open(f"{self.tree}/{name}", "w") as f:
                f.write(stub)
            os.chmod(f"{self.tree}/{name}", 0o755)
        os.symlink(f"{self.tree}/build/tribikos", f"{self.tree}/bin/tribikos")

    def shell(self, page, script):
        """Run commands in the tree; look at each call."""
        open(self.log, "w").close()
        path = f"{self.tree}/bin"
        done = subprocess.run(["/bin/bash", "-eu", "-o", "pipefail", "-c", script], capture_output=True, text=True, timeout=60,
                              cwd=self.tree, env={"PATH": path, "HOME": self.work})
        said = done.stderr.strip().splitlines()
        self.check(done.returncode == 0, page, f"{said[-1] if said else 'fails'}: {script}")
        for call in open(self.log).read().split("\x01\0")[:-1]:
            argv = call.split("\0")[:-1]
            self.call(page, [re.sub(rf"^{re.escape(self.tree)}/(bin/)?", "", argv[0]), *argv[1:]])

    def call(self, page, argv):
        """Check one call of a program."""
        name, rest = argv[0], argv[1:]
        what = shlex.join(argv)
        if name in ("mpirun", "srun"):
            while rest and rest[0].startswith("-"):
                rest = rest[2:] if rest[0] in ("-n", "-np", "-H") else rest[1:]
            self.check(rest != [], page, f"starts nothing: {what}")
            return self.call(page, rest) if rest else None
        if name in ("bash", "sbatch", "python3"):
            while rest and rest[0].startswith("-"):
                rest = rest[1:]
            self.check(rest != [] and os.path.isfile(f"{SOURCE}/{rest[0]}"), page, f"no such script: {what}")
            return self.call(page, rest) if rest else None
        if name in ("tribikos", "build/tribikos"):
            return self.tribikos(page, rest, what)
        if name == "ctest" or name == "tools/test":
            if "-R" in rest:
                listed = subprocess.run(["ctest", "--test-dir", BUILD, "-N", "-R", rest[rest.index("-R") + 1]], capture_output=True,
                                        text=True).stdout
                self.check("Total Tests: 0" not in listed, page, f"chooses no test: {what}")
            return None
        if name in SYSTEM.split():
            return None
        if name.startswith("build/"):  # its source has the same name
            self.check(os.path.isfile(f"{BUILD}/{name[6:]}"), page, f"no such program: {what}")
            name = f"{name[6:]}.c"
        self.check(os.path.isfile(f"{SOURCE}/{name}"), page, f"no such program: {what}")
        if not os.path.isfile(f"{SOURCE}/{name}"):
            return None
        script = "".join(text_of(path) for path in {name, re.sub(r"\.sh$", ".py", name)} if os.path.isfile(f"{SOURCE}/{path}"))
        flags = [w for w in rest if re.match(r"--\w[\w-]*\.", w)]  # keys of the configuration
        for word in [w.split("=")[0] for w in rest if w.startswith("--") and w not in flags]:
            self.check(re.search(rf"{word}(?![\w-])", script), page, f"no such flag {word}: {what}")
        for word in [w for w in rest if re.fullmatch("[a-z0-9]*[a-z][a-z0-9]*", w)]:
            self.check(re.search(rf"\b{word}\b", script), page, f"knows no {word}: {what}")
        config = {"tools/quickstart": "configs/quickstart.yaml", "tools/user/uci": "configs/uci.yaml"}.get(name)
        if name.startswith("jobs/"):
            config = next((w for w in rest if not w.startswith("--")), None)
            self.check(config is not None or rest == ["--help"], page, f"names no configuration: {what}")
        if config is not None:
            self.tribikos(page, ["config", config, *flags], what)
        return None

    def tribikos(self, page, argv, what):
        """Check a call of tribikos: the command, its operand, and that `tribikos config` accepts configuration and flags."""
        command, rest = argv[0] if argv else "", argv[1:]
        if command.startswith("--"):
            self.check(program(command).returncode == 0, page, f"no such flag: {what}")
            return
        self.check(command in commands(), page, f"no such command of tribikos: {what}")
        if command not in commands() or "--help" in rest:
            return
        own = {"plan": ("ranks",), "cache": ("report",), "run": ("retrain",), "distill": ("retrain",), "compare": ("format", "report")}.get(command, ())
        rest = [w for w in rest if w.split("=")[0] not in [f"--{flag}" for flag in own]]
        if commands()[command] != "CONFIG":
            own = re.findall(r"^  (--[a-z]+)", program(command, "--help").stdout, re.M)
            rest = [w for w in rest if w.split("=")[0] not in own]
            self.check(len(rest) == 1 or (own and rest), page, f"tribikos {command} takes one {commands()[command]}: {what}")
            return
        run = program("config", *rest, cwd=self.tree)
        self.check(run.returncode == 0, page, f"{run.stderr.strip().splitlines()[-1] if run.stderr else 'refused'}: {what}")

    def span(self, page, span):
        """Check a span between backquotes by its form: a command, a key, a file, an identifier; other spans are not checked."""
        first = next((w for w in span.split() if not re.match(r"\w+=", w)), "")
        ours = re.match(r"(build/)?tribikos$|(build|tools|jobs|tests)/[\w./-]+$|(mpirun|sbatch|bash)$", first)
        if re.fullmatch(r"tribikos [a-z]+", span):
            self.check(span[9:] in commands(), page, f"no such command of tribikos: `{span}`")
            return
        if ours and " " in span:
            # In place of what a user puts there; ten members, so that some of them can be named.
            line = re.sub(r" \.\.\.$", "", span)
            for word, stand_in in (("CONFIG", "configs/quickstart.yaml --members.count=10"), ("RUN/cache", "runs/x/cache"),
                                   ("RUN", "runs/x"), ("FILE", "x.h5"), ("DATA", "x"), ("RUNS", "runs/x")):
                line = re.sub(rf"(?<![\w/]){word}\b", stand_in, line)
            self.shell(page, line)
            return
        key = re.match(r"(?:--)?((?:run|checkpoint|data|members|train|cache|student|server|comm|eval|ood|math)\.[\w.-]+)", span)
        if key and not re.search(ENDINGS, span) and not re.match(r"run\.NAME", span):
            self.check(keys().fullmatch(key[1]), page, f"no such key: `{span}`")
            return
        top = span.split("/")[0]
        if re.fullmatch(r"[\w./*?<>-]+", span) and (("/" in span and top in FOLDERS) or re.search(ENDINGS, span)):
            made = re.match(r"(build|runs|RUN|report|cache|members|student)/", span) or span in page.made
            self.check(made or page.finds(span), page, f"no such file: `{span}`")
            return
        name = re.match(r"(?:trb_|TRB_)\w+", span) or re.fullmatch(r"[A-Za-z]\w*_\w*", span)
        if name and name[0] not in FOREIGN and not re.search("NAME|NOUN", span):
            self.check(name[0] in words(), page, f"occurs nowhere: `{span}`")

    def block(self, page, language, lines):
        self.check(language in ("sh", "yaml", "python", "text"), page,
                   f"a block is marked sh, yaml, python or text, not `{language}`: {lines[:1]}")
        if language == "sh":
            self.shell(page, "\n".join(lines))
        elif language == "text":
            for line in lines:
                if line.startswith("$ "):
                    self.shell(page, line[2:])
        elif language == "yaml":
            name = re.fullmatch(r"# ([\w-]+\.yaml)", lines[0])
            self.check(name, page, f"a configuration begins with its name, as in `# my.yaml`, not {lines[0]}")
            if name:
                with open(f"{self.tree}/{name[1]}", "w") as f:
                    f.write("\n".join(lines) + "\n")
                self.tribikos(page, ["config", name[1]], f"the configuration {name[1]}")
        elif language == "python":
            try:
                tree = ast.parse("\n".join(lines))
            except SyntaxError as wrong:
                self.check(False, page, f"no Python: {wrong}")
                return
            for node in ast.walk(tree):
                path = f"tools/python/{node.module}.py" if isinstance(node, ast.ImportFrom) else ""
                if os.path.exists(f"{SOURCE}/{path}") and path:
                    for alias in node.names:
                        self.check(re.search(rf"^(def|class) {alias.name}\b|^{alias.name} =", text_of(path), re.M), page,
                                   f"{path} has no {alias.name}")

    def link(self, page, target, pages):
        if re.match("https?://", target):
            return
        path, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(page.folder, path)) if path else page.path
        self.check(os.path.exists(f"{SOURCE}/{path}"), page, f"a link leads nowhere: {target}")
        to = page if path == page.path else pages.get(path)
        if anchor and to:
            self.check(anchor in to.headings, page, f"a link to a heading that is not there: {target}")

    def page(self, page, pages):
        self.check(page.ends, page, "a code block has no end")
        page.made = [lines[0][2:] for language, lines in page.blocks if language == "yaml"]
        for language, lines in sorted(page.blocks, key=lambda block: block[0] != "yaml"):
            self.block(page, language, lines)
        for span in dict.fromkeys(page.spans):
            self.span(page, span)
        self.items(page)
        for target in page.links:
            self.link(page, target, pages)
        for name in page.made:
            if os.path.exists(f"{self.tree}/{name}"):
                os.remove(f"{self.tree}/{name}")

    def items(self, page):
        """In a numbered list: each identifier of an item occurs in one of the files that the item names."""
        for item in re.findall(r"^\d\. (.*(?:\n   .*)*)", page.prose, re.M):
            spans = [" ".join(s.split()) for s in re.findall(r"`([^`]+)`", item)]
            files = [s for s in spans if os.path.isfile(f"{SOURCE}/{s}")]
            told = "\n".join(text_of(f) for f in files)
            for name in [s for s in spans if files and re.fullmatch(r"[A-Za-z]\w*", s) and not re.search("NAME", s)]:
                self.check(re.search(rf"\b{name}\b", told), page, f"`{name}` is in none of {', '.join(files)}")

    def names_all(self, page, what, wanted, found=None):
        for name in wanted:
            self.check(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", found or page.text), page, f"does not mention {what} {name}")

    def complete(self, pages):
        """What must be on a page: every command, configuration, method, tool, header, test and folder."""
        below = lambda pattern: sorted(os.path.basename(p) for p in glob.glob(f"{SOURCE}/{pattern}") if os.path.isfile(p))
        readme = pages["README.md"]
        lines = len(readme.text.splitlines())
        self.check(lines <= README_LINES, readme, f"has {lines} lines, at most {README_LINES} are read")
        self.names_all(readme, "the command", [f"tribikos {name}" for name in commands()])
        self.names_all(pages["configs/README.md"], "the configuration", below("configs/*.yaml"))
        told = program("config", "--help").stdout.partition("\nMethods ")[2]
        methods = re.findall(r"^  (\S+) +(\S.*(?:\n {16}.*)*)\n {16}Needs: (.*(?:\n {16}.*)*)", told, re.M)
        rows = [f"| {' | '.join(' '.join(cell.split()) for cell in method)} |" for method in methods]
        table = pages["configs/README.md"].text.partition("### Students")[2].partition("###")[0]
        self.check([r for r in table.splitlines() if r.startswith("| ")][2:] == rows, pages["configs/README.md"],
                   "the table of methods is not that of `tribikos config --help`:\n" + "\n".join(rows))
        runs = [p for p in glob.glob(f"{SOURCE}/tools/**", recursive=True) if os.path.isfile(p) and os.access(p, os.X_OK)]
        self.names_all(pages["tools/README.md"], "the tool", [os.path.basename(p) for p in runs])
        for folder in ("user", "python", "develop", "bench", "predict"):
            files = [n for n in below(f"tools/{folder}/*") if n != "README.md"]
            self.names_all(pages[f"tools/{folder}/README.md"], "the tool", files)
        self.names_all(pages["include/tribikos/README.md"], "the header", below("include/tribikos/*.h"))
        self.names_all(pages["tests/README.md"], "the test", [f"`{n[:-3]}`" for n in below("tests/run/*.sh")])
        folders = [os.path.basename(p) for p in glob.glob(f"{SOURCE}/src/*") if os.path.isdir(p)]
        self.names_all(pages["src/README.md"], "the folder", [f"| `{n}` |" for n in folders])
        seen, todo = set(), ["README.md"]
        while todo:
            page = pages[todo.pop()]
            seen.add(page.path)
            linked = {os.path.normpath(os.path.join(page.folder, t.partition("#")[0])) for t in page.links if not t.startswith("#")}
            todo += sorted((linked & pages.keys()) - seen - set(todo))
        for path in pages.keys() - seen:
            self.check(False, pages[path], "no link leads here from README.md")


def all_pages():
    paths = ["README.md"] + [os.path.relpath(p, SOURCE) for folder in FOLDERS
                             for p in sorted(glob.glob(f"{SOURCE}/{folder}/**/*.md", recursive=True))]
    return {path: Page(path) for path in paths}


# Wrong lines of a page, and what the check must say of each. So the test fails if a check no longer finds anything.
WRONG = {
    "`tribikos trane CONFIG`": "no such command of tribikos",
    "`tribikos run CONFIG --train.epoch=3`": "key `train.epoch`: unknown",
    "`tribikos verify RUN/cache --deep`": "takes one RUN",
    "`jobs/submit CONFIG --train.epochs=none`": "expected a whole number",
    "`tools/python/network_torch.py FILE --onnx x`": "no such flag --onnx",
    "`tools/bench/bench mpl`": "knows no mpl",
    "`tests/run/no_such.sh --all`": "No such file",
    "`bash jobs/nothing.sbatch CONFIG`": "no such script",
    "`tools/test -R unit.nothing`": "chooses no test",
    "`student.temprature`": "no such key",
    "`src/stages/distil.c`": "no such file",
    "`exchanges.h`": "no such file",
    "`trb_aggree`": "occurs nowhere",
    "`check_everything`": "occurs nowhere",
    "1. `src/config/check.c`: a case\n   in `trb_agree`": "`trb_agree` is in none of src/config/check.c",
    "[page](nothing.md)": "a link leads nowhere",
    "[page](#nothing)": "a heading that is not there",
    "```sh\nfor seed in 1 2; do build/tribikos run configs/mnist.yaml --run.sead=$seed; done\n```": "key `run.sead`: unknown",
    "```sh\nmpirun -n 2 build/tribikos run configs/nothing.yaml\n```": "configs/nothing.yaml: cannot be read",
    "```sh\nmpirun -n 2 build/tribicos run configs/mnist.yaml\n```": "no such program",
    "```sh\ntools/user/plots.py runs/x\n```": "No such file",
    "```sh\ndo\n```": "syntax error",
    "```text\n$ jobs/submit configs/mnist.yaml --nothing.at.all=1\n```": "key `nothing.at.all`: unknown",
    "```yaml\n# a.yaml\nrun: {dir: x}\nbatch: 3\n```": "key `batch`: unknown",
    "```yaml\nrun: {dir: x}\n```": "begins with its name",
    "```python\nfrom network_torch import lode\n```": "has no lode",
    "```bash\ntrue\n```": "a block is marked",
    "```sh\ntrue": "a code block has no end",
}


def main():
    checker = Checker()
    try:
        for text, expected in WRONG.items():
            checker.faults = []
            page = Page("README.md", text)
            checker.page(page, {"README.md": page})
            if not any(expected in fault for fault in checker.faults):
                print(f"FAILED: {text!r}: expected a fault with \"{expected}\", got {checker.faults}")
                print("0 passed, 1 failed")
                return 1
        checker.faults, checker.checked = [], 0
        pages = all_pages()
        for page in pages.values():
            checker.page(page, pages)
        checker.complete(pages)
    finally:
        shutil.rmtree(checker.work)
    for fault in checker.faults:
        print(f"FAILED: {fault}")
    print(f"{checker.checked - len(checker.faults)} passed, {len(checker.faults)} failed")
    return 1 if checker.faults else 0


sys.exit(main())
