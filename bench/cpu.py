"""What processes cost: CPU seconds and memory of a process tree, and how much of the machine others took."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
CORES: Final = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    own_s: float
    reaped_s: float  # of children that ended and were waited for


def tree_cpu_s(*roots: int) -> float:
    """CPU seconds (user, system) so far of these processes and their descendants, each once, ended ones included."""
    processes = _all()
    children: dict[int, list[_Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    total, todo, seen = 0.0, [processes[root] for root in roots if root in processes], set[int]()
    while todo:
        process = todo.pop()
        if process.pid in seen:
            continue
        seen.add(process.pid)
        total += process.own_s + process.reaped_s
        todo += children.get(process.pid, [])
    return total


def threads_cpu_s(pid: int) -> dict[str, float]:
    """CPU seconds so far of each thread of a process, by thread id and name."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name, fields = _stat(task / "stat")
        found[f"{task.name} {name}"] = (int(fields[11]) + int(fields[12])) / TICKS
    return found


def machine_cpu_s() -> float:
    """CPU seconds so far that anybody used or, on a virtual machine, was given to somebody else (steal)."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) for word in words[:8])
    return (user + nice + system + irq + softirq + steal) / TICKS


def rss_bytes(pid: int) -> int:
    """Resident memory of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has no memory: it ended")


def _all() -> dict[int, _Process]:
    found = {}
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit():
            continue
        try:
            _, fields = _stat(directory / "stat")
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        own, reaped = (int(fields[11]) + int(fields[12])) / TICKS, (int(fields[13]) + int(fields[14])) / TICKS
        pid = int(directory.name)
        found[pid] = _Process(pid, int(fields[1]), own, reaped)
    return found


def _stat(path: Path) -> tuple[str, list[str]]:
    """A process's name and its fields from the state on (proc(5): field 3 is the first)."""
    text = path.read_text()
    head, _, tail = text.rpartition(")")
    return head.partition("(")[2], tail.split()
