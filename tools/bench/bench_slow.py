"""Slows one rank of a run from outside, until the run ends.

It stops and continues the rank again and again, so that the rank runs for PART of the time. It waits until the rank is there. In
the end it prints the share of the time for which the rank had a processor.
"""
import os
import signal
import sys
import time

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))
import trb_tool

PERIOD_S = 0.018


def words(pid, of):
    with open(f"/proc/{pid}/{of}", encoding="utf-8", errors="replace") as f:
        return f.read().split("\0")


def is_the_rank(pid, run, rank):
    try:
        return words(pid, "comm") == ["tribikos\n"] and run in words(pid, "cmdline") and rank in words(pid, "environ")
    except OSError:  # it has just ended
        return False


def used_s(pid):
    return 1e-9 * int(words(pid, "schedstat")[0].split()[0])


def main():
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("run", metavar="RUN", help="The folder of the run, as its flag --run.dir names it.")
    parser.add_argument("rank", metavar="RANK", type=int, help="The rank to slow, counted from 0.")
    parser.add_argument("part", metavar="PART", type=float, help="The part of the time for which it runs, between 0 and 1.")
    a = parser.parse_args()
    if not 0 < a.part < 1:
        parser.error(f"argument PART: expected a number between 0 and 1, got {a.part:g}")
    run, rank = f"--run.dir={a.run}", f"OMPI_COMM_WORLD_RANK={a.rank}"
    while not (found := [pid for pid in os.listdir("/proc") if pid.isdigit() and is_the_rank(pid, run, rank)]):
        time.sleep(0.02)
    pid = int(found[0])
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pass  # where no other process wants the processor it makes no difference
    start = due = time.perf_counter()
    before = used = used_s(pid)
    try:
        while True:
            for what, share in ((signal.SIGCONT, a.part), (signal.SIGSTOP, 1 - a.part)):
                os.kill(pid, what)
                due += share * PERIOD_S
                time.sleep(max(0, due - time.perf_counter()))
            used = used_s(pid)
    except (ProcessLookupError, FileNotFoundError):
        print(f"{(used - before) / (time.perf_counter() - start):.3f}")


if __name__ == "__main__":
    trb_tool.run(main)
