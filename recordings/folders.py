"""Whether a folder is fit to record into: there is room, and what is written stays."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

PROBE: Final = ".probe"
PROBE_BYTES: Final = 64 << 10


def why_unfit(folder: Path, low_bytes: int) -> str | None:
    """Why nothing should be recorded into `folder`; None if it is fit. Blocking: it writes a little and removes it."""
    probe = folder / PROBE
    try:
        free = shutil.disk_usage(folder).free
        if free < low_bytes:
            return f"only {free / 1e6:,.1f} MB are free, {low_bytes / 1e6:,.1f} MB are wanted"
        try:
            with probe.open("wb") as file:
                file.write(bytes(PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            with suppress(OSError):
                probe.unlink()
    except OSError as error:
        return f"it can't be written: {error.strerror or error}"
    return None


def make(folder: Path, like: Path) -> None:
    """Make `folder`, if it is not there, and give it to the owner of `like`, who records into it. Raises OSError."""
    if folder.exists():
        return
    folder.mkdir(parents=True, mode=0o750)
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
