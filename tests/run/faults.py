"""What a run survives: faults at all points (walk), and kill -9 at random moments (kills). See faults.sh.

Every case runs a tiny pipeline with one fault, looks at how it ended, runs it again and compares every file with those
of a run left alone. A run depends on nothing but the files it finds: of the cases that leave the same ones behind,
one is run again. Of alike passages the first and the last are cases, since those between them differ from these in
nothing but a number. Passages of a point by the same rank are alike if they have the same call stack and lie between
the same two changes of files. At points in LOCAL the call stack alone counts, over all scenarios with as many ranks:
what a failure leaves there depends on the way out of the program, and each state of the files is walked at the points
that change them.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

BINARY = os.path.join(os.environ["TRB_BUILD"], "tribikos")
SOURCE = os.environ["TRB_SOURCE"]
TIMEOUT_S = 90  # who was killed before its lock had a name is watched for 30 s
SANITIZED = "libasan" in subprocess.run(["ldd", BINARY], capture_output=True, text=True).stdout

CONFIG = """
run: {{dir: run, seed: 3}}
data:
  root: {data}
  train: [images, labels]
  test: [test-images, test-labels]
  validation: 8
members: {{count: 2}}
train: {{layers: [dense 6, relu, dense 3], epochs: 2, batch: 10, lanes: 2, augment: [crop 1]}}
cache: {{shard_rows: 32, block: 16}}
students: [hydra, kd]
student: {{layers: [dense 6, relu, split, dense 6, relu, dense 3], phase1_epochs: 1, epochs: 1, batch: 10, lanes: 2}}
eval: {{batch: 8, ood: [far], corruptions: [noise]}}
ood: {{far: {{files: [test-images, test-labels]}}}}
"""

class Scenario(collections.namedtuple("Scenario", "name ranks flags points begins command", defaults=((), None, "empty", "run"))):
    def walks(self, point):
        return self.points is None or point in self.points


BEGINS = {"empty": (), "trained": ("train",), "cached": ("train", "cache"), "done": ("run",)}  # the commands before
STEPS = ("agree", "train.step", "validate.step")
OFTEN = ("--checkpoint.steps=2", "--checkpoint.seconds=0")  # as often as they can be written
FILES = ("thread.start", "file.folder", "file.create", "file.write", "file.sync", "file.rename")
SCENARIOS = [
    Scenario("one process", 0),
    Scenario("one process, all is there", 0, begins="done"),
    Scenario("one process, a cache that is streamed", 0,
             ("--cache.memory=1", "--cache.views=4", "--cache.view_recipes=crop 1", "--student.views=4",
              "--train.layers=[dense 6, relu, dense 1500]",
              "--student.layers=[dense 6, relu, split, dense 6, relu, dense 1500]"), ("cache.chunk", "thread.start")),
    Scenario("one process, stored inputs", 0, ("--cache.views=3", "--cache.view_recipes=[crop 1, ods 8]"),
             (*FILES, "file.open", "file.read", "cache.unit", "alloc"), "trained"),
    Scenario("one process, statistics", 0, ("--cache.holds=statistics", "--students=[proxy-endd]"), ("cache.unit", "alloc"),
             "trained"),
    Scenario("one process, checkpoints", 0, OFTEN, (*FILES, "train.step", "alloc")),
    Scenario("two ranks", 2),
    Scenario("two ranks, checkpoints", 2, OFTEN, (*FILES, *STEPS)),
    Scenario("two ranks, the best weights, checkpoints", 2, ("--train.keep=best", "--train.early_stopping=1", "--student.keep=best",
                                                             *OFTEN), (*FILES, *STEPS)),
    Scenario("two ranks, free server, checkpoints", 2, ("--exchange=server", "--server.staleness=1", *OFTEN), STEPS,
             "cached", "distill"),
    Scenario("two ranks, allreduce", 2, ("--exchange=allreduce",), STEPS, "cached", "distill"),
    Scenario("two ranks, server", 2, ("--exchange=server",), STEPS, "cached", "distill"),
    Scenario("two ranks, free server", 2, ("--exchange=server", "--server.staleness=1"), STEPS, "cached", "distill"),
    Scenario("one process, heads are spread", 0, ("--student.match_uncertainty=true", "--students=[hydra]"),
             ("match.unit", "alloc", "file.open", "file.read"), "cached", "distill"),
    Scenario("two ranks, heads are spread", 2, ("--student.match_uncertainty=true", "--students=[hydra]"),
             ("match.unit", "agree"), "cached", "distill"),
    Scenario("two ranks, grid", 2, ("--student.head_lanes=2", "--student.head_groups=2", "--students=[hydra]"), STEPS,
             "cached", "distill"),
]
# Ranks share the units of work, so that one may pass fewer of these points than it did in the run that was counted; and
# memory that a node's ranks cannot share each of them holds by itself. Checkpoints are as many as could be written, and
# ranks agree on each.
SHARED = ("alloc", "cache.unit", "file.folder", "file.create", "file.write", "file.sync", "file.rename", "file.open",
          "file.read")
VARYING = (*SHARED, "thread.start", "agree")
# A kill between two changes of files leaves what one at the change before leaves.
CALM = ("alloc", "file.open", "file.read")
LOCAL = (*CALM, "agree")
# The time that a run takes decides over a few allocations and agreements, so the last of them may not come.
LAST = 16
Case = collections.namedtuple("Case", "scenario action point nth rank last")


def write_data(folder):
    """Images of 6 x 6 pixels in IDX, whose brightest third is the label."""
    os.mkdir(folder)
    rng = random.Random(1)
    for prefix, n in (("", 48), ("test-", 24)):
        labels = bytes(rng.randrange(3) for _ in range(n))
        pixels = bytes(rng.randrange(100) + 100 * (i // 12 == y) for y in labels for i in range(36))
        with open(f"{folder}/{prefix}images", "wb") as f:
            f.write(struct.pack(">IIII", 0x803, n, 6, 6) + pixels)
        with open(f"{folder}/{prefix}labels", "wb") as f:
            f.write(struct.pack(">II", 0x801, n) + labels)


def tree(folder):
    """{name: digest} of a run's files. Times are no part of them, nor is who wrote a file that never got its name."""
    found = {}
    for path, _, names in os.walk(f"{folder}/run"):
        for name in names:
            place = os.path.relpath(os.path.join(path, name), folder)
            with open(f"{folder}/{place}", "rb") as f:
                content = f.read()
            if name == "report.json":
                content = re.sub(rb'"ms_per_sample": [^,]*, ', b"", content)
            found[re.sub(r"\.tmp\..*", ".tmp", place)] = hashlib.sha256(content).hexdigest()
    return found


def differences(expected, got):
    """A dead process's lock is taken over by who needs it, and may stay where all that it guards is finished."""
    return sorted(n for n in expected.keys() | got.keys() if expected.get(n) != got.get(n) and not n.startswith("run/.lock/"))


class Bench:
    """A folder with data and configuration, and a run left alone of each scenario."""

    def __init__(self, work):
        self.work = os.path.abspath(work)
        self.lock = threading.Lock()
        self.numbers = iter(range(10**9))
        os.makedirs(self.work)
        write_data(f"{self.work}/data")
        with open(f"{self.work}/tiny.yaml", "w") as f:
            f.write(CONFIG.format(data=f"{self.work}/data"))
        self.environment = {k: v for k, v in os.environ.items() if k != "TRB_FAULT"}
        self.environment |= {
            "OMPI_MCA_ess_singleton_isolated": "1",
            "OMPI_MCA_pml": "ob1",  # to look for other networks takes longer than the whole pipeline
            "OMPI_MCA_btl": "self,vader",
        }
        # To ask each device of the machine what it is takes mpirun longer than all else.
        topology = f"{self.work}/topology.xml"
        if shutil.which("lstopo-no-graphics") and subprocess.call(["lstopo-no-graphics", "--of", "xml", topology]) == 0:
            self.environment |= {"HWLOC_XMLFILE": topology, "HWLOC_THISSYSTEM": "1", "HWLOC_PLUGINS_PATH": "/nonexistent"}
        self.expected, self.begin, self.finished, self.local = {}, {}, {}, set()

    def folder(self):
        with self.lock:
            path = f"{self.work}/{next(self.numbers)}"
        os.mkdir(path)
        return path

    def start(self, s, folder, err, fault=None, command=None):
        # Open MPI's own files go with the folder, also those of killed processes.
        os.makedirs(f"{folder}/mpi", exist_ok=True)
        environment = self.environment | {"OMPI_MCA_orte_tmpdir_base": f"{folder}/mpi",
                                          "OMPI_MCA_btl_vader_backing_directory": f"{folder}/mpi"}
        launcher = ["mpirun", "-n", str(s.ranks)] if s.ranks else []
        return subprocess.Popen([*launcher, BINARY, command or s.command, f"{self.work}/tiny.yaml", *s.flags], cwd=folder,
                                env=environment | ({"TRB_FAULT": fault} if fault else {}), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=err)

    def run(self, s, folder, fault=None, command=None):
        """-> exit status (None: it hangs), stderr"""
        with open(f"{folder}/err", "w+") as err:
            process = self.start(s, folder, err, fault, command)
            try:
                status = process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                kill_job(process)
                status = None
            err.seek(0)
            return status, err.read()

    def leave_alone(self, s):
        """Run the scenario without a fault. -> [(rank, point, number of the passage, whether it is one of the last)] that
        become cases"""
        folder = self.folder()

        def run(command, fault=None):
            status, err = self.run(s, folder, fault, command)
            if status != 0:
                sys.exit(f"FAILED: {s.name}: {command} left alone ended with {status}: {err}")

        for command in BEGINS[s.begins]:
            run(command)
        if os.path.exists(f"{folder}/run"):
            self.begin[s] = f"{self.folder()}/run"
            shutil.copytree(f"{folder}/run", self.begin[s])
        run(s.command)
        self.expected[s] = tree(folder)
        shutil.rmtree(folder)
        folder = self.prepare(s)
        run(s.command, f"trace:{folder}/trace")
        groups, before, most = collections.defaultdict(list), collections.Counter(), collections.Counter()
        for line in open(f"{folder}/trace"):
            rank, point, nth, stack, changes = line.split()
            # A process alone needs no rank, and then what came before it knew that it is alone counts too.
            if s.ranks == 0 and rank == "-1":
                before[point] += 1
            if s.ranks == 0 or rank != "-1":
                number = int(nth) + (0 if rank == "-1" else before[point])
                who = rank if s.ranks else None
                most[who, point] = max(most[who, point], number)
                alike = (rank, point, stack, None if point in LOCAL else changes)
                if (s.ranks, *alike) not in self.local:
                    groups[alike].append(number)
        shutil.rmtree(folder)
        self.local |= {(s.ranks, *alike) for alike in groups if alike[1] in LOCAL and s.walks(alike[1])}
        return [(int(rank) if s.ranks else None, point, number, point in LOCAL and number > most[rank if s.ranks else None, point] - LAST)
                for (rank, point, _, _), numbers in groups.items()
                if s.walks(point) for number in sorted({min(numbers), max(numbers)})]

    def prepare(self, s):
        folder = self.folder()
        if s in self.begin:
            shutil.copytree(self.begin[s], f"{folder}/run")
        return folder

    def finish(self, s, folder):
        """Run again. -> what is wrong with the result, "" if nothing"""
        left = tuple(sorted(tree(folder).items()))
        with self.lock:
            known = self.finished.get((s, left))
        if known is not None:
            return known
        wrong = ""
        status, err = self.run(s, folder)
        if status != 0:
            wrong = f"the rerun ends with {status}: {err}"
        elif differences(self.expected[s], tree(folder)):
            wrong = f"the rerun differs in {differences(self.expected[s], tree(folder))}"
        with self.lock:
            self.finished[(s, left)] = wrong
        return wrong


def descendants(pid):
    children = collections.defaultdict(list)
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    children[int(f.read().rsplit(")", 1)[1].split()[1])].append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                pass
    found = []
    todo = [pid]
    while todo:
        found += children[todo[0]]
        todo += children[todo.pop(0)]
    return found


def kill_job(process):
    """SIGKILL to a launcher and all it started, which is held first so that it neither starts nor ends anything."""
    process.send_signal(signal.SIGSTOP)
    for pid in descendants(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.kill()
    process.wait()


def walk_one(bench, case):
    """-> what is wrong, "" if nothing; whether the fault had an effect"""
    s, folder, effect = case.scenario, bench.prepare(case.scenario), True
    kills = case.action == "kill"
    fault = f"{case.point}:{case.nth}" + ("" if case.rank is None else f":{case.rank}")
    if kills:
        fault = f"{case.point}:{case.nth}:{'*' if case.rank is None else case.rank}:kill"
    status, err = bench.run(s, folder, fault)
    lines = [line for line in err.splitlines() if line.startswith("tribikos: ")]
    wrong = ""
    if status is None:
        wrong = "it hangs"
    elif status == 0 and (case.last or case.point in (VARYING if OFTEN[0] in s.flags else SHARED if s.ranks else ())):
        effect = False
    elif kills:
        if status != -signal.SIGKILL and not (s.ranks and status != 0 and "signal 9" in err):
            wrong = f"killed, it ends with {status}: {err}"
    elif status != 1:
        wrong = f"exit status {status}: {err}"
    elif len(lines) != 1 or f"fault injected at {case.point}, passage {case.nth} " not in lines[0]:
        wrong = f"expected one line that names the fault: {err}"
    wrong = wrong or bench.finish(s, folder)
    shutil.rmtree(folder)
    return wrong and f"{s.name}, TRB_FAULT={fault}: {wrong}", effect


def listed_points():
    """The points as fault.h lists them, and as the sources pass them."""
    with open(f"{SOURCE}/include/tribikos/fault.h") as f:
        text = re.sub(r"\(.*?\)", "", re.sub(r"\n \*", "", f.read().split("Points:")[1].split(". Any other")[0]))
    listed = {word.strip() for word in text.split(",")}
    passed = set()
    for path, _, names in os.walk(f"{SOURCE}/src"):
        for name in names:
            with open(os.path.join(path, name)) as f:
                for call in re.findall(r"trb_fault\(([^;]*)\)", f.read()):
                    passed |= set(re.findall(r'"([a-z.]+)"', call))
    return listed, passed


def in_even_order(cases):
    """The first of them, however many, are an even sample, in which a point that is passed n times has a share of
    sqrt(n): most passages are allocations."""
    groups = collections.defaultdict(list)
    for case in cases:
        groups[case.scenario, case.action, case.point].append(case)
    order = []
    for group in groups.values():
        spread = sorted(range(len(group)), key=lambda i: i * 0.6180339887498949 % 1)  # the golden ratio
        order += [((k + 0.5) / len(group) ** 0.5, group[i]) for k, i in enumerate(spread)]
    return [case for _, case in sorted(order, key=lambda place: place[0])]


def walk(bench, arguments):
    """Fail and kill at the points of all scenarios, or at an even sample of them."""
    failed, cases, seen = 0, [], set()
    listed, in_source = listed_points()
    if listed != in_source:
        print(f"FAILED: fault.h lists {sorted(listed - in_source)} in vain, and not {sorted(in_source - listed)}")
        failed += 1
    for s in SCENARIOS:
        mine = [Case(s, action, point, nth, rank, last) for rank, point, nth, last in bench.leave_alone(s)
                for action in ("fail", "kill")
                if not (action == "kill" and point in CALM)]
        seen |= {case.point for case in mine}
        cases += mine
        passages = collections.Counter(case.point for case in mine if case.action == "fail")
        listing = ", ".join(f"{point} {n}" for point, n in sorted(passages.items()))
        print(f"{s.name}: {sum(passages.values())} passages: {listing}")
    if seen != listed:
        print(f"FAILED: no scenario passes {sorted(listed - seen)}")
        failed += 1
    if arguments.only:
        wanted = re.compile(arguments.only)
        cases = [case for case in cases if wanted.search(f"{case.scenario.name}, {case.action} {case.point}")]
    chosen = in_even_order(cases)[:None if arguments.all else arguments.cases]
    end = time.monotonic() + (float("inf") if arguments.all else arguments.seconds)
    begin, walked, spared = time.monotonic(), collections.Counter(), 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        results = pool.map(lambda case: walk_one(bench, case) if time.monotonic() < end else None, chosen)
        for case, result in zip(chosen, results):
            if result is None:
                continue
            walked[case.action] += 1
            spared += not result[1]
            if result[0]:
                failed += 1
                print("FAILED:", result[0], flush=True)
    total = collections.Counter(case.action for case in cases)
    print(f"{sum(walked.values())} cases in {time.monotonic() - begin:.0f} s; {len(bench.finished)} different states "
          f"were left behind and run again; {spared} faults at passages that were not reached")
    print(f"tally: faults injected: {walked['fail']} of {total['fail']}")
    print(f"tally: kills at points: {walked['kill']} of {total['kill']}")
    return failed, sum(walked.values())


def kills(bench, arguments):
    """kill -9 of the whole job at random moments, again and again until it gets through; then the next pipeline."""
    s = Scenario("two ranks", 2, ("--train.epochs=120", "--student.epochs=80", *OFTEN))
    begin = time.monotonic()
    bench.leave_alone(s)
    took = (time.monotonic() - begin) / 2
    rng = random.Random(arguments.seed)
    killed = completed = failed = 0
    while killed < arguments.kills:
        folder = bench.folder()
        done = False
        while not done:
            with open(f"{folder}/err", "w+") as err:
                process = bench.start(s, folder, err)
                try:
                    status = process.wait(rng.uniform(0, 1.2 * took) if killed < arguments.kills else TIMEOUT_S)
                    done = True
                except subprocess.TimeoutExpired:
                    kill_job(process)
                    killed += 1
        completed += 1
        if status != 0 or differences(bench.expected[s], tree(folder)):
            failed += 1
            print(f"FAILED: exit status {status}, different: {differences(bench.expected[s], tree(folder))}: "
                  f"{open(folder + '/err').read()}")
        shutil.rmtree(folder)
    print(f"{killed} kills in {completed} pipelines of {took:.1f} s; seed {arguments.seed}")
    print(f"tally: kills at random moments: {killed} of {arguments.kills}")
    return failed, killed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work")
    parser.add_argument("--all", action="store_true", help="walk every point")
    parser.add_argument("--only", default="", help="walk the points whose `scenario, action point` matches")
    parser.add_argument("--cases", type=int, default=60 if SANITIZED else 200, help="how many are walked otherwise")
    parser.add_argument("--seconds", type=float, default=25, help="and how long at most")
    parser.add_argument("--kills", type=int, default=3 if SANITIZED else 10, help="how many at random moments")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the moments")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    bench = Bench(arguments.work)
    failed, done = walk(bench, arguments)
    if arguments.kills > 0:
        more_failed, more_done = kills(bench, arguments)
        failed, done = failed + more_failed, done + more_done
    print(f"{done} passed, {failed} failed" if failed == 0 else f"{done - failed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
