"""Drafts of flows: kept on the disk, one file each, until they are published or dropped; they may have mistakes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from callcenter.errors import CallCenterError
from callcenter.flow_files import write

DRAFTS_MAX = 500

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Draft:
    """A flow's next text. `based_on` is the version that was in use when it was written, None for a new flow."""

    flow: str
    text: str
    based_on: str | None
    at: float
    by: str

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that tell this text from any other; for a flow without sub-flows its version."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


class NoDraft(CallCenterError):
    """There is no draft of this flow."""

    def __init__(self, flow_id: str) -> None:
        super().__init__(f"there is no draft of flow {flow_id!r}; write one with 'callcenter flow draft FILE'")
        self.flow_id = flow_id


class DraftsError(CallCenterError):
    """A draft can't be kept: the disk refuses, or there are DRAFTS_MAX already."""


class FlowDrafts:
    """The drafts in a directory, `<flow>.json` each; ids of flows are safe names. Blocking: call it in a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, flow_id: str) -> Draft | None:
        """The draft of a flow; None without one. Raises DraftsError if it can't be read."""
        try:
            return msgspec.json.decode(self._file(flow_id).read_bytes(), type=Draft)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise DraftsError(f"{self._file(flow_id)} can't be read: {error}") from error

    def all(self) -> Sequence[Draft]:
        """Every draft that can be read, by the id of its flow."""
        found = []
        for file in sorted(self._directory.glob("*.json")):
            try:
                draft = self.get(file.stem)
            except DraftsError as error:
                log.warning("a draft can't be read", why=str(error))
            else:
                found += [draft] if draft is not None else []
        return found

    def put(self, draft: Draft) -> None:
        """Keep the draft instead of a former one; it is on the disk then. Raises DraftsError."""
        file = self._file(draft.flow)
        if not file.exists() and sum(1 for _ in self._directory.glob("*.json")) >= DRAFTS_MAX:
            raise DraftsError(f"there are {DRAFTS_MAX} drafts already; publish or drop some")
        try:
            write(file, msgspec.json.encode(draft))
        except OSError as error:
            raise DraftsError(f"{file} can't be written: {error.strerror or error}") from error

    def drop(self, flow_id: str) -> bool:
        """Forget the draft; whether there was one. Raises DraftsError."""
        try:
            self._file(flow_id).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise DraftsError(f"{self._file(flow_id)} can't be removed: {error.strerror or error}") from error
        return True

    def _file(self, flow_id: str) -> Path:
        return self._directory / f"{flow_id}.json"
