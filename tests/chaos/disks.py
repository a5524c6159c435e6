"""A disk of its own for a part, which can be full from one moment to the next; without root, a folder that can't."""

import asyncio
import os
import subprocess
import time
from pathlib import Path
from typing import Final, Self

ROOM_BYTES: Final = 4_000_000_000  # of which only what is used takes memory; the journal calls less than half of it low
WITHIN_S: Final = 10.0


def mountable() -> bool:
    """Whether we may mount."""
    return os.geteuid() == 0


class Disk:
    """A file system in memory at `folder`. `with` mounts it; leaving unmounts it. Only root can: see `mountable`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        if not mountable():
            return self
        options = f"size={ROOM_BYTES},mode=755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "callcenter-chaos", str(self.folder)], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        if mountable():
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    async def full(self) -> None:
        """From now on it is exactly as large as what is on it."""
        deadline = time.monotonic() + WITHIN_S
        while not await asyncio.to_thread(self._sized, self._used_bytes()):
            assert time.monotonic() < deadline, "the disk is written faster than it can be made small"

    async def roomy(self) -> None:
        """There is room again."""
        assert await asyncio.to_thread(self._sized, ROOM_BYTES)

    def _used_bytes(self) -> int:
        told = os.statvfs(self.folder)
        return (told.f_blocks - told.f_bfree) * told.f_frsize

    def _sized(self, size: int) -> bool:
        command = ["mount", "-o", f"remount,size={size}", str(self.folder)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
