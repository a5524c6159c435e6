"""The sites that were in use: each folder copied whole under its digest, so that any of them can come back.

`<directory>/<digest>/` is a site's folder as it was, `<directory>/history.json` says which was taken into use when.
Files that did not change between two of them are one file on the disk.
"""

import filecmp
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import msgspec
import structlog

from callcenter.config.folder import read_folder, read_prompts
from callcenter.config.site import Site, load_site
from callcenter.errors import CallCenterError

CHANGES_MAX = 50

log = structlog.get_logger()


class Cause(StrEnum):
    """Why a site was taken into use."""

    STARTED = "started"
    APPLIED = "applied"
    ROLLED_BACK = "rolled_back"
    FLOW_PUBLISHED = "flow_published"
    FLOW_ROLLED_BACK = "flow_rolled_back"
    PROMPT_PUBLISHED = "prompt_published"
    PROMPT_REMOVED = "prompt_removed"


@dataclass(frozen=True, slots=True)
class Change:
    """A site was taken into use at `at`; `before` is the digest of the one it replaced, None for the first of all.

    `flows` are the versions of its flows, as contacts are stamped with; none in what older programs noted.
    """

    digest: str
    name: str
    at: float
    cause: Cause
    by: str
    before: str | None
    flows: Mapping[str, str] = field(default_factory=dict)


class SiteNotKept(CallCenterError):
    """There is no copy of this site (any more)."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"no site {digest!r} is kept; 'callcenter site history' lists those that are")
        self.digest = digest


class HistoryError(CallCenterError):
    """A site can't be kept: the disk refuses, or the folder changed while it was copied."""


class SiteHistory:
    """The last `CHANGES_MAX` changes, oldest first, and the sites they took into use. Blocking: call it in a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "history.json"
        self.changes = self._read()

    @property
    def latest(self) -> Change | None:
        """The last change; None before the first."""
        return self.changes[-1] if self.changes else None

    def keep(self, site: Site) -> Site:
        """The same site, living in our copy of its folder; raises HistoryError."""
        target = self._directory / site.digest
        try:
            if not (target.is_dir() and _digest(target, site) == site.digest):
                self._copy(site, target)
        except OSError as error:
            raise HistoryError(f"the site can't be kept in {self._directory}: {error.strerror or error}") from error
        return replace(site, folder=target)

    def load(self, digest: str) -> Site:
        """A site that was kept; raises SiteNotKept, or SiteError if this version has become stricter since."""
        return load_site(self.folder(digest))

    def folder(self, digest: str) -> Path:
        """Where a site is kept; raises SiteNotKept."""
        if digest not in {change.digest for change in self.changes} or not (self._directory / digest).is_dir():
            raise SiteNotKept(digest)
        return self._directory / digest

    def with_files(self, site: Site, files: Mapping[str, bytes | None]) -> Site:
        """The site with these files, by their path in it, instead of its own or beside them; None: without it. Kept.

        Raises SiteError with every mistake, HistoryError if it can't be kept.
        """
        with self._changed(site, files) as folder:
            return self.keep(load_site(folder))

    def try_files(self, site: Site, files: Mapping[str, bytes | None]) -> Site:
        """The same, but it is not kept: its folder is gone."""
        with self._changed(site, files) as folder:
            return load_site(folder)

    def note(self, change: Change) -> None:
        """Remember a change, and forget those beyond the last; raises HistoryError."""
        self.changes = (*self.changes, change)[-CHANGES_MAX:]
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            new = self._file.with_suffix(".new")
            new.write_bytes(msgspec.json.format(msgspec.json.encode(self.changes)))
            new.replace(self._file)
            wanted = {each.digest for each in self.changes}
            for folder in self._directory.iterdir():
                if folder.is_dir() and folder.name not in wanted:
                    shutil.rmtree(folder)
        except OSError as error:
            raise HistoryError(f"{self._file} can't be written: {error.strerror or error}") from error

    def _read(self) -> tuple[Change, ...]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=tuple[Change, ...])
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError):
            # Callers are served without a history: what is there is kept for whoever wants to look at it.
            log.exception("the history of the site can't be read and begins anew", file=str(self._file))
            with suppress(OSError):
                self._file.replace(self._file.with_suffix(".damaged"))
            return ()

    @contextmanager
    def _changed(self, site: Site, files: Mapping[str, bytes | None]) -> Iterator[Path]:
        """A folder with the files of the site, changed by these, for a while; one at a time."""
        folder = self._directory / "changed.new"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            for file in _files(site):
                copy = folder / file.relative_to(site.folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                _take(file, copy, file)
            if _digest(folder, site) != site.digest:
                raise HistoryError(f"the copy of the site in {site.folder} is not what is in use; apply the site again")
            for name, content in files.items():
                target = folder / name
                target.parent.mkdir(exist_ok=True)
                target.unlink(missing_ok=True)  # it may be one file with the copy in use
                if content is not None:
                    target.write_bytes(content)
        except OSError as error:
            raise HistoryError(f"{folder} can't be written: {error.strerror or error}") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _copy(self, site: Site, target: Path) -> None:
        """Copy what the site was read from, beside its place first: a copy is there whole, or not at all."""
        beside = target.with_name(f"{target.name}.new")
        shutil.rmtree(beside, ignore_errors=True)
        former = self._directory / self.changes[-1].digest if self.changes else None
        for file in _files(site):
            copy = beside / file.relative_to(site.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            _take(file, copy, former / file.relative_to(site.folder) if former else None)
        if _digest(beside, site) != site.digest:
            shutil.rmtree(beside)
            raise HistoryError(f"{site.folder} changed while it was read; try again")
        shutil.rmtree(target, ignore_errors=True)
        beside.replace(target)


def _files(site: Site) -> Iterator[Path]:
    """Everything that a site is read from."""
    yield from sorted(site.folder.glob("*.toml"))
    yield from sorted(site.folder.glob("flows/*.toml"))
    for language in site.languages:
        yield from sorted(site.folder.glob(f"prompts/{language}/*.wav"))


def _take(file: Path, copy: Path, former: Path | None) -> None:
    """Copy a file, or share the copy of it that the former site has."""
    if former is not None and former.is_file() and filecmp.cmp(file, former, shallow=False):
        try:
            os.link(former, copy)
        except OSError:
            pass  # a file system without links
        else:
            return
    shutil.copyfile(file, copy)


def _digest(folder: Path, site: Site) -> str:
    read = read_folder(folder)
    read_prompts(read, site.languages)
    return read.digest
