"""The CEL file as a witness: read across rotation and compression, and never trusted further than it makes sense."""

import gzip
import os
import shutil
import tracemalloc
from pathlib import Path

import pytest

from callcenter.asterisk import cel_files
from callcenter.asterisk.cel import Witnessed, parsed
from callcenter.asterisk.cel_files import BLOCK_BYTES, LINE_BYTES_MAX, files_of, forwards
from callcenter.audit import CHANNELS_AROUND_S, witnessed_in
from tests.unit.test_witness import PACKERS

GOLDEN = Path(__file__).parents[1] / "golden" / "cel" / "answered_call.csv"
LINES = GOLDEN.read_bytes().splitlines(keepends=True)
AT = next(parsed(LINES[0])).at


def told_by(path: Path) -> list[Witnessed]:
    """All that the account at `path` says of the golden call."""
    return witnessed_in(path, AT, AT + 60.0) or []


def test_an_answered_call_is_told_from_the_first_channel_to_the_last(tmp_path: Path) -> None:
    shutil.copyfile(GOLDEN, tmp_path / "cel.csv")
    told = told_by(tmp_path / "cel.csv")
    assert [one.kind for one in told if one.channel_id == "demo-1795305025.5"] == [
        "CHAN_START",
        "APP_START",
        "ANSWER",
        "BRIDGE_ENTER",
        "BRIDGE_EXIT",
        "APP_END",
        "HANGUP",
        "CHAN_END",
        "LINKEDID_END",
    ]
    assert {one.linked_id for one in told} == {"demo-1795305025.5"}
    (hang_up,) = [one for one in told if one.kind == "HANGUP" and one.channel_id == one.linked_id]
    assert (hang_up.extra["hangupcause"], hang_up.extra["hangupsource"]) == (16, "PJSIP/agent02-00000006")
    assert round(told[-1].at - told[0].at, 6) == 4.754829
    assert (told[1].app, told[1].app_data) == ("Stasis", "callcenter,in,0800000200")


def test_without_a_file_there_is_no_witness(tmp_path: Path) -> None:
    assert witnessed_in(tmp_path / "cel.csv", AT, AT + 60.0) is None
    assert witnessed_in(tmp_path / "no folder" / "cel.csv", AT, AT + 60.0) is None


@pytest.mark.parametrize("packed", PACKERS)
def test_rotated_files_are_read_from_the_oldest_on_compressed_or_not(tmp_path: Path, packed: str) -> None:
    path = tmp_path / "cel.csv"
    for n, line in enumerate(LINES[:3]):
        older = tmp_path / f"cel.csv.{3 - n}{packed}"
        older.write_bytes(PACKERS[packed](line))
        os.utime(older, (AT + n, AT + n))
    path.write_bytes(LINES[3])
    assert [one.kind for one in told_by(path)] == ["CHAN_START", "APP_START", "CHAN_START", "ANSWER"]


def test_what_is_being_compressed_at_this_moment_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "cel.csv.1").write_bytes(LINES[0])
    (tmp_path / "cel.csv.1.gz").write_bytes(gzip.compress(LINES[0])[:-9])
    (tmp_path / "cel.csv").write_bytes(LINES[1])
    damaged: list[str] = []
    told = witnessed_in(tmp_path / "cel.csv", AT, AT + 60.0, damaged.append)
    assert [one.kind for one in told or ()] == ["CHAN_START", "APP_START"]
    assert damaged == []


def test_files_whose_last_line_is_older_than_the_span_are_not_opened(tmp_path: Path) -> None:
    path, old = tmp_path / "cel.csv", tmp_path / "cel.csv.2.gz"
    path.write_bytes(LINES[0])
    old.write_bytes(b"this is no gzip at all")
    long_ago = AT - CHANNELS_AROUND_S - 1.0
    os.utime(old, (long_ago, long_ago))
    damaged: list[str] = []
    assert len(witnessed_in(path, AT, AT + 60.0, damaged.append) or ()) == 1
    assert damaged == []


@pytest.mark.parametrize("packed", [".gz", ".xz", ".bz2"])
def test_a_compressed_file_that_is_cut_off_is_told_of_and_read_as_far_as_it_goes(tmp_path: Path, packed: str) -> None:
    many = LINES * 2_000
    whole = PACKERS[packed](b"".join(many))
    (tmp_path / f"cel.csv.1{packed}").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "cel.csv").write_bytes(LINES[0])
    damaged: list[str] = []
    told = witnessed_in(tmp_path / "cel.csv", AT, AT + 60.0, damaged.append) or []
    assert len(damaged) == 1
    assert f"cel.csv.1{packed}" in damaged[0]
    assert 1 <= len(told) < len(many)
    assert told[-1].kind == "CHAN_START", "the file after it is read"


@pytest.mark.parametrize("content", [b"", b"not compressed at all\n", gzip.compress(b"x")[:5]])
def test_what_is_no_gzip_is_told_of(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cel.csv.1.gz").write_bytes(content)
    damaged: list[str] = []
    assert list(forwards(tmp_path / "cel.csv.1.gz", damaged.append)) == []
    assert len(damaged) == (1 if content else 0), "an empty file is an empty account"


def test_a_compression_that_nobody_here_reads_is_told_of_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "cel.csv.1.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    damaged: list[str] = []
    assert list(forwards(tmp_path / "cel.csv.1.zst", damaged.append)) == []
    assert "gzip, xz or bzip2" in damaged[0]


def test_a_file_that_unpacks_to_far_more_than_its_size_needs_no_more_memory_than_blocks(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv.1.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(60):
            file.write(LINES[0] * (BLOCK_BYTES // len(LINES[0])))
        file.write(b"x" * 40 * BLOCK_BYTES)  # a line without an end
    tracemalloc.start()
    try:
        longest = max(len(block) for block in forwards(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert longest <= 2 * BLOCK_BYTES
    assert peak <= 8 * BLOCK_BYTES + 4 * LINE_BYTES_MAX


def test_of_a_compressed_file_only_the_last_blocks_are_kept_to_read_it_backwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cel_files, "BLOCK_BYTES", 1)
    monkeypatch.setattr(cel_files, "COMPRESSED_BLOCKS_MAX", 2)
    path = tmp_path / "cel.csv.1.gz"
    path.write_bytes(gzip.compress(b"".join(LINES[:5])))
    blocks = list(cel_files.backwards(path, lambda _: True))
    assert b"".join(reversed(blocks)) == b"".join(LINES[:5])[-len(b"".join(blocks)) :]
    assert len(blocks) <= 2


def test_what_makes_no_sense_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv"
    strange = LINES[4].replace("許".encode(), b"\xff\x00\xe2\x80\xa8")
    path.write_bytes(b"\n" + b'"half a line"\n' + LINES[0].replace(b"2026-11-21", b"2026-99-21") + strange)
    (heard,) = told_by(path)
    assert heard.kind == "ANSWER"


def test_the_torn_end_of_a_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "cel.csv").write_bytes(LINES[0] + b'"ANSWER","torn')
    assert [one.kind for one in told_by(tmp_path / "cel.csv")] == ["CHAN_START"]
    assert files_of(tmp_path / "cel.csv") == [tmp_path / "cel.csv"]
