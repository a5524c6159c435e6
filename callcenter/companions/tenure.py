"""Tenure: which of our processes looks after a companion; a kernel lock, so that a crash gives it up."""

import fcntl
import os
from pathlib import Path

from callcenter.companions.errors import CompanionError, InstanceInUse
from callcenter.companions.process import until


class Tenure:
    """The right to start and stop one companion. At most one process has it; it ends with the process."""

    def __init__(self, lock_file: Path) -> None:
        self._path = lock_file
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        """Whether we have it."""
        return self._handle is not None

    def try_take(self) -> bool:
        """Take it if nobody has it; whether we have it now."""
        if self._handle is not None:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise CompanionError(
                f"{error.filename} can't be written by this user",
                f"run as the user who made it, or: sudo chown -R $(id -un) {self._path.parent}",
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle
        return True

    async def take(self, *, what: str, patience_s: float = 2.0) -> None:
        """Take it, waiting for a holder that is about to leave; InstanceInUse if it stays."""
        if not await until(self.try_take, patience_s):
            raise InstanceInUse(
                f"{what} is in the care of another running process (pid {self._holder()})",
                "stop that one first, or run this one under another name: CALLCENTER_INSTANCE=second, "
                "with ports of its own (CALLCENTER_API_PORT, _SIP_PORT, _HTTP_PORT, _AMI_PORT, _RTP_START, _RTP_END)",
            )

    def give_up(self) -> None:
        """Let the next one have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _holder(self) -> str:
        try:
            return self._path.read_text().strip() or "?"
        except OSError:
            return "?"
