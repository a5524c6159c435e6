"""What the bench ran on, without names or paths: processor, kernel, versions."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from bench.rounds import OURS, THEIRS, Arena


async def describe(where: Arena) -> dict[str, str]:
    """The machine and the versions of everything that took part."""
    async with where.sides[THEIRS].asterisk.ari() as ari:
        system = (await ari.info()).system
    service = where.sides[OURS].service
    assert service is not None
    return {
        **here(),
        "asterisk": system.version if system else "?",
        "postgresql": await service.postgres_version(),
        "sipp": _first_line([shutil.which("sipp") or "sipp", "-v"]),
    }


def here() -> dict[str, str]:
    """The machine alone, and what runs on it without Asterisk."""
    return {
        "processor": _cpuinfo("model name"),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "virtual": "yes" if "hypervisor" in _cpuinfo("flags").split() else "no",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "revision": _first_line(["git", "describe", "--always", "--dirty"]),
    }


def _cpuinfo(name: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(command: list[str]) -> str:
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return "?"
    return next((line.strip() for line in said.stdout.splitlines() if line.strip()), "?")
