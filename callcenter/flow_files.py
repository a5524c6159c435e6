"""Flows and prompts in the operator's folder: what was published is written there, so that it holds after a restart."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from callcenter.errors import CallCenterError


class FolderDiffers(CallCenterError):
    """The folder's file is not the one in use: somebody changed it, or the site was rolled back; it is not ours."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} is not what is in use: it was changed by hand, or the site was rolled back. Take it into use "
            "with 'callcenter site apply', or put the one in use back into the folder"
        )
        self.file = file


class FolderReadOnly(CallCenterError):
    """The folder can't be written; what is only in use would be gone after a restart."""

    def __init__(self, file: Path, error: OSError) -> None:
        super().__init__(f"{file} can't be written ({error.strerror or error}); after a restart the folder holds")
        self.file = file


def put_files(folder: Path, in_use: Path, files: Mapping[str, bytes | None]) -> Callable[[], None]:
    """Write files, by their path in the site, into the operator's folder; None takes one away. Answers what undoes it.

    `in_use` is our copy of the site in use. Raises FolderDiffers or FolderReadOnly; then nothing is changed. Blocking.
    """
    former: dict[Path, bytes | None] = {}
    for name, content in files.items():
        file = folder / name
        former[file] = _content(file)
        if former[file] not in (_content(in_use / name), content):
            raise FolderDiffers(file)

    def put_back() -> None:
        for file, content in former.items():
            with suppress(OSError):
                _put(file, content)

    for file, content in zip(former, files.values(), strict=True):
        try:
            _put(file, content)
        except OSError as error:
            put_back()
            raise FolderReadOnly(file, error) from error
    return put_back


def write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, and onto the disk before it takes the former one's place; raises OSError."""
    file.parent.mkdir(exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    with new.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
    handle = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink(missing_ok=True)
    else:
        write(file, content)


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
