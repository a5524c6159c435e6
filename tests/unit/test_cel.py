"""The CEL file as a witness: read as it grows, across rotation, and never trusted further than it makes sense."""

import os
import shutil
from pathlib import Path

from callcenter.asterisk.cel import CelFile, Cursor

GOLDEN = Path(__file__).parents[1] / "golden" / "cel" / "answered_call.csv"
LINES = GOLDEN.read_bytes().splitlines(keepends=True)


def add(path: Path, *lines: bytes) -> None:
    with path.open("ab") as handle:
        handle.writelines(lines)


def kinds(file: CelFile) -> list[str]:
    return [witnessed.kind for witnessed in file.read()]


def test_an_answered_call_is_told_from_the_first_channel_to_the_last(tmp_path: Path) -> None:
    shutil.copyfile(GOLDEN, tmp_path / "cel.csv")
    file = CelFile(tmp_path / "cel.csv")
    told = file.read()
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
    assert file.misread == 0


def test_only_what_is_new_is_read_and_a_torn_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv"
    file = CelFile(path)
    assert file.read() == [], "no file is no news"
    add(path, LINES[0], LINES[1][:30])
    assert kinds(file) == ["CHAN_START"]
    assert kinds(file) == []
    add(path, LINES[1][30:], LINES[3])
    assert kinds(file) == ["APP_START", "ANSWER"]
    later = CelFile(path, file.cursor)
    assert kinds(later) == []
    add(path, LINES[-1])
    assert kinds(later) == ["LINKEDID_END"], "another process goes on where this one was"


def test_a_renamed_file_is_read_to_its_end_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv"
    add(path, LINES[0])
    file = CelFile(path)
    assert kinds(file) == ["CHAN_START"]
    add(path, LINES[1], b'"ANSWER","torn')
    path.rename(tmp_path / "cel.csv.1")
    add(path, LINES[-1])
    assert kinds(file) == ["APP_START"]
    rest = kinds(file) + kinds(file)
    assert rest == ["LINKEDID_END"]
    assert file.misread == 1
    assert kinds(file) == []


def test_several_rotations_in_our_absence_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv"
    for n, line in enumerate(LINES[:4]):
        add(path, line)
        if n < 3:
            os.utime(path, (1000 + n, 1000 + n))
            path.rename(tmp_path / f"cel.csv.{3 - n}")
    file = CelFile(path)
    told: list[str] = []
    while found := kinds(file):
        told += found
    assert told == ["CHAN_START", "APP_START", "CHAN_START", "ANSWER"]


def test_a_file_that_was_emptied_in_place_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv"
    add(path, *LINES)
    file = CelFile(path)
    assert len(file.read()) == len(LINES)
    path.write_bytes(LINES[0])
    assert kinds(file) == ["CHAN_START"]


def test_a_cursor_of_a_file_that_is_gone_begins_with_what_is_there(tmp_path: Path) -> None:
    add(tmp_path / "cel.csv", LINES[0])
    assert kinds(CelFile(tmp_path / "cel.csv", Cursor(inode=1, offset=99))) == ["CHAN_START"]


def test_what_makes_no_sense_is_counted_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv"
    strange = LINES[4].replace("許".encode(), b"\xff\x00\xe2\x80\xa8")
    add(path, b"\n", b'"half a line"\n', LINES[0].replace(b"2026-11-21", b"2026-99-21"), strange)
    file = CelFile(path)
    (heard,) = file.read()
    assert heard.kind == "ANSWER"
    assert file.misread >= 2
