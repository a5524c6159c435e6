"""Where recordings lie: a first folder, and a second one on another disk for when the first is not fit."""

from dataclasses import dataclass
from pathlib import Path

from callcenter.companions.errors import CompanionError
from callcenter.config.settings import Settings
from recordings.folders import make


@dataclass(frozen=True, slots=True)
class SecondFolder:
    """A folder on another disk: as we see it, and as Asterisk does."""

    path: Path
    in_asterisk: str


@dataclass(frozen=True, slots=True)
class Folders:
    """Where recordings lie. A folder with less than `low_bytes` free is not recorded into, if the other one is fit."""

    first: Path
    second: SecondFolder | None = None
    low_bytes: int = 1_000_000_000

    @property
    def second_path(self) -> Path | None:
        """The second folder as we see it, if there is one."""
        return None if self.second is None else self.second.path


def second_folder(settings: Settings, first: Path, *, root: Path | None) -> SecondFolder | None:
    """The second folder that the settings name, made if need be; `root` is the one that Asterisk runs in, if any.

    Raises CompanionError: Asterisk can't reach it, or it can't be made.
    """
    path = settings.recordings_fallback
    if path is None:
        return None
    if root is not None and not path.is_relative_to(root):
        raise CompanionError(
            f"CALLCENTER_RECORDINGS_FALLBACK is {path}, and Asterisk sees nothing outside of {root}",
            f"mount the other disk below {root}, and name that folder",
        )
    try:
        make(path, first)
    except OSError as error:
        raise CompanionError(
            f"CALLCENTER_RECORDINGS_FALLBACK, {path}, can't be made: {error.strerror}",
            "make it by hand and give it to the user that Asterisk runs as",
        ) from error
    return SecondFolder(path, str(path if root is None else Path("/") / path.relative_to(root)))
