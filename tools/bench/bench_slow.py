"""Slows one rank of a run from outside: stops and continues it, so that it runs for PART of the time, until it ends. Prints the share
of the time that it had a processor for.

Usage: bench_slow.py RUN.DIR RANK PART"""
import os
import signal
import sys
import time

PERIOD_S = 0.018
run, rank, part = f"--run.dir={sys.argv[1]}", f"OMPI_COMM_WORLD_RANK={sys.argv[2]}", float(sys.argv[3])


def words(pid, of):
    with open(f"/proc/{pid}/{of}", encoding="utf-8", errors="replace") as f:
        return f.read().split("\0")


def is_the_rank(pid):
    try:
        return words(pid, "comm") == ["tribikos\n"] and run in words(pid, "cmdline") and rank in words(pid, "environ")
    except OSError:  # it has just ended
        return False


def used_s():
    return 1e-9 * int(words(pid, "schedstat")[0].split()[0])


while not (found := [pid for pid in os.listdir("/proc") if pid.isdigit() and is_the_rank(pid)]):
    time.sleep(0.02)
pid = int(found[0])
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except PermissionError:
    pass  # where no other process wants the processor it makes no difference
start = due = time.perf_counter()
before = used = used_s()
try:
    while True:
        for what, share in ((signal.SIGCONT, part), (signal.SIGSTOP, 1 - part)):
            os.kill(pid, what)
            due += share * PERIOD_S
            time.sleep(max(0, due - time.perf_counter()))
        used = used_s()
except (ProcessLookupError, FileNotFoundError):
    print(f"{(used - before) / (time.perf_counter() - start):.3f}")
