"""Calls and no fault, for a while: memory and open files of the service must not grow with the calls."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.judge import Verdict
from tests.kit.service import Service

EVERY_S: Final = 1.0
FILES_MORE_MAX: Final = 8
"""So many more files may be open in the end than in the first half: a pool of connections fills by and by."""
BYTES_MORE_MAX: Final = 16 << 20
"""So much may memory grow in the second half: caches of two minutes, not a leak of a call's size for each call."""
PAGE_BYTES: Final = 4096


@dataclass
class Growth:
    """Samples of the service's process: bytes of memory, open files."""

    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    async def watch(self, service: Service) -> None:
        """Look until cancelled."""
        there = Path(f"/proc/{service.process.pid}")
        while True:
            self.memory.append(int((there / "statm").read_text().split()[1]) * PAGE_BYTES)
            self.files.append(len(list((there / "fd").iterdir())))
            await asyncio.sleep(EVERY_S)

    def judge(self, verdict: Verdict) -> None:
        """Compare the second half with the first, once warm."""
        half, tenth = len(self.memory) // 2, max(1, len(self.memory) // 10)
        bytes_more = max(self.memory[-tenth:]) - max(self.memory[:half])
        files_more = max(self.files[-tenth:]) - max(self.files[:half])
        verdict.figures |= {"soak: MB more": round(bytes_more / (1 << 20), 1), "soak: files more": files_more}
        if bytes_more > BYTES_MORE_MAX or files_more > FILES_MORE_MAX:
            verdict.findings.append(f"the service grows: {bytes_more} bytes and {files_more} files more")
