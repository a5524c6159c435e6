"""Where the service's CPU time goes: `callcenter` with its stack sampled while it has something to do.

    python -m bench.sampler FILE run     SIGUSR1 begins and ends the sampling; FILE is written when the service ends

Samples come by CPU time, at the kernel's tick. A signal handler runs between two bytecodes of the main thread: time
in C is counted for the Python line that called it; other threads are told apart by the kernel's own counts.
"""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

from bench import cpu

EVERY_S: Final = 0.004
CHECKOUT: Final = Path(__file__).resolve().parents[1]


class Sampler:
    """Per sample: the innermost function (own), all on the stack (total), the innermost one of our code (blamed)."""

    def __init__(self) -> None:
        self.samples = 0
        self.own: Counter[str] = Counter()
        self.total: Counter[str] = Counter()
        self.blamed: Counter[str] = Counter()
        self._names: dict[CodeType, str] = {}
        self._threads_s: dict[str, float] = {}
        self._running = False

    def toggle(self, _number: int, _frame: FrameType | None) -> None:
        """Begin, or end."""
        self._running = not self._running
        signal.setitimer(signal.ITIMER_PROF, *((EVERY_S, EVERY_S) if self._running else (0.0, 0.0)))
        threads_s = cpu.threads_cpu_s(os.getpid())
        self._threads_s = {name: spent_s - self._threads_s.get(name, 0.0) for name, spent_s in threads_s.items()}

    def take(self, _number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        self.samples += 1
        names = []
        while frame is not None:
            code = frame.f_code
            names.append(self._names.get(code) or self._names.setdefault(code, _name(code)))
            frame = frame.f_back
        self.own[names[0]] += 1
        self.total.update(set(names))
        self.blamed[next((name for name in names if not name.startswith("~")), names[0])] += 1

    def report(self) -> dict[str, object]:
        """Shares of all samples, the largest first."""
        counts = {"own": self.own, "total": self.total, "blamed": self.blamed}
        shares = {
            kind: {name: round(count / max(1, self.samples), 4) for name, count in counter.most_common(60)}
            for kind, counter in counts.items()
        }
        return {"samples": self.samples, "every_s": EVERY_S, "threads_s": self._threads_s, **shares}


def _name(code: CodeType) -> str:
    """`package/module.py:function`; `~` begins what is not ours."""
    path = Path(code.co_filename)
    ours = path.is_relative_to(CHECKOUT) and ".venv" not in path.parts
    return f"{path.relative_to(CHECKOUT) if ours else '~' + str(Path(*path.parts[-2:]))}:{code.co_name}"


def main() -> None:
    """Run the command line that follows the file's name, and write what was sampled."""
    target = Path(sys.argv.pop(1))
    from api.cli.main import main as callcenter  # noqa: PLC0415 - imports are not what we sample

    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.take)
    signal.signal(signal.SIGUSR1, sampler.toggle)
    try:
        callcenter()
    finally:
        target.write_text(json.dumps(sampler.report()))


if __name__ == "__main__":
    main()
