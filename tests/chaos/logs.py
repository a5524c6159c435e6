"""The service's log goes through a pipe; whoever reads it may stop, and then the pipe is full."""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self


class LogPipe:
    """A pipe into DIRECTORY/service.log. `with` opens it; leaving ends its reader."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.path = directory / "service.pipe"

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        os.mkfifo(self.path)
        with (self._directory / "service.log").open("ab") as log:
            self._end = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)  # who opens one end alone waits for the other
            os.set_blocking(self._end, True)
            self._reader = subprocess.Popen(["cat"], stdin=self._end, stdout=log)
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.kill()
        self._reader.wait()
        os.close(self._end)

    async def stuck(self, for_s: float) -> None:
        """Nobody reads, and not a byte more fits in."""
        self._reader.send_signal(signal.SIGSTOP)
        writing = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            for line in (b"the log is stuck".ljust(4095) + b"\n", b"\n"):
                with suppress(BlockingIOError):
                    while True:
                        os.write(writing, line)
        finally:
            os.close(writing)
        await asyncio.sleep(for_s)
        self._reader.send_signal(signal.SIGCONT)
