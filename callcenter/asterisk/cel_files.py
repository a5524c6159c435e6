"""The CEL file and its rotated predecessors, compressed or not, as blocks of whole lines, forwards and backwards.

Blocks are BLOCK_BYTES long or a little longer, so that no account fills the memory. What can't be read to its end is
told of and read as far as it goes: a machine that died while it compressed leaves a file that is cut off.
"""

import bz2
import gzip
import io
import logging
import lzma
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

BLOCK_BYTES: Final = 1 << 20
LINE_BYTES_MAX: Final = 64 << 10  # a longer one is none of Asterisk's
COMPRESSED_BLOCKS_MAX: Final = 64
"""Of a compressed file, which can't be read backwards, as many blocks before its end are kept at a time."""

_READ: Final = {".gz", ".xz", ".bz2"}
_NOT_READ: Final = {".zst", ".lz4", ".Z", ".zip", ".7z"}

Damaged = Callable[[str], None]
"""Told why a file, or the rest of it, can't be read."""


def warn(why: str) -> None:
    """Say it in the log."""
    log.warning("the CEL file can't be read", extra={"why": why})


def files_of(path: Path, since: float = 0.0) -> list[Path]:
    """The file and its predecessors (`cel.csv.1`, `cel.csv-20261121.gz`) that have lines from `since` on, oldest first.

    Who compresses or moves a file leaves it the time of its last line.
    """
    found = []
    for each in path.parent.glob(f"{path.name}*") if path.parent.is_dir() else ():
        compressed = each.suffix in _READ | _NOT_READ
        if compressed and each.with_suffix("").exists():
            continue  # it is being compressed this very moment
        try:
            facts = each.stat()
        except OSError:
            continue  # rotated away this very moment
        if each == path or facts.st_mtime >= since:
            found.append((each == path, facts.st_mtime_ns, each))
    return [each for _, _, each in sorted(found)]


def forwards(path: Path, damaged: Damaged = warn) -> Iterator[bytes]:
    """The whole lines of a file in blocks; a line without its end is left out, as one of no end is."""
    pending = b""
    try:
        with _opened(path) as file:
            while some := file.read1(BLOCK_BYTES):
                pending += some
                end = pending.rfind(b"\n") + 1
                if end >= min(BLOCK_BYTES, LINE_BYTES_MAX):
                    yield pending[:end]
                    pending = pending[end:]
                elif len(pending) - end > LINE_BYTES_MAX:
                    pending = pending[:end]
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        damaged(f"{path}: {str(error) or type(error).__name__}")
    if end := pending.rfind(b"\n") + 1:
        yield pending[:end]


def backwards(path: Path, since: Callable[[bytes], bool], damaged: Damaged = warn) -> Iterator[bytes]:
    """The whole lines of a file in blocks, the last block first; `since` says whether a block is worth keeping.

    It is asked only about blocks of a compressed file, of which COMPRESSED_BLOCKS_MAX are handed out at most.
    """
    if path.suffix in _READ | _NOT_READ:
        kept = deque((block for block in forwards(path, damaged) if since(block)), maxlen=COMPRESSED_BLOCKS_MAX)
        yield from reversed(kept)
        return
    try:
        with path.open("rb") as file:
            to, tail = file.seek(0, os.SEEK_END), b""
            while to > 0:
                begin = max(0, to - BLOCK_BYTES)
                file.seek(begin)
                content = file.read(to - begin) + tail
                first = 0 if begin == 0 else content.find(b"\n") + 1
                tail, to = content[:first], begin
                yield content[first : content.rfind(b"\n") + 1]
    except OSError as error:
        damaged(f"{path}: {error}")


def _opened(path: Path) -> io.BufferedReader | gzip.GzipFile | lzma.LZMAFile | bz2.BZ2File:
    match path.suffix:
        case ".gz":
            return gzip.open(path, "rb")
        case ".xz":
            return lzma.open(path, "rb")
        case ".bz2":
            return bz2.open(path, "rb")
        case suffix if suffix in _NOT_READ:
            raise OSError(f"compressed as {suffix}; let logrotate use gzip, xz or bzip2")
        case _:
            return path.open("rb")
