"""The witness: how channels ended that nobody of ours heard end, read from the end of Asterisk's account."""

import asyncio
import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.asterisk import cel_files, witness
from callcenter.asterisk.cel import parsed
from callcenter.asterisk.cel_files import files_of
from callcenter.asterisk.witness import Witness
from callcenter.ports import ChannelEnded

AT = 1_795_300_000.0
CALLER, LEG = "n1-1795300000.7", "01a20084-af5f-7d64-9a3b-f72044771684.o1"
TRUNK, DESK = "PJSIP/trunk-00000007", "PJSIP/agent01-00000008"


def line(
    kind: str, at: float, channel_id: str = CALLER, *, name: str = TRUNK, context: str = "arrival", **extra: object
) -> bytes:
    """A line as Asterisk writes it."""
    when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    app = ("Stasis", "callcenter,in,0800000200") if kind == "APP_END" else ("", "")
    columns = (
        kind,
        when,
        channel_id,
        CALLER,
        name,
        context,
        "h",
        *app,
        "0910000001",
        "",
        json.dumps(extra) if extra else "",
    )
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(columns)
    return text.getvalue().encode()


def left(
    at: float, channel_id: str = CALLER, *, source: str = TRUNK, name: str = TRUNK, context: str = "arrival"
) -> list[bytes]:
    """A channel that leaves Stasis and is hung up."""
    hang_up = {"hangupcause": 16, "hangupsource": source, "dialstatus": ""}
    return [
        line("APP_END", at - 0.001, channel_id, name=name),
        line("HANGUP", at, channel_id, name=name, context=context, **hang_up),
    ]


def how_ended(
    path: Path, *channels: str, since: float = AT, started: float = AT - 3600.0, deaf_at: float = 0.0
) -> dict[str, ChannelEnded]:
    """What the witness says of channels that were all there at AT."""
    asked = Witness(path, lambda: deaf_at)
    if deaf_at:
        asked.deaf()
    asked.met(datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000")
    return asyncio.run(asked.how_ended(dict.fromkeys(channels, AT), since))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "LATE_S", 0.0)


@pytest.mark.parametrize(("source", "by"), [(TRUNK, "caller"), (DESK, "agent"), ("", "system")])
def test_a_hang_up_says_when_why_and_whose_it_was(tmp_path: Path, source: str, by: str) -> None:
    path = tmp_path / "cel.csv"
    path.write_bytes(b"".join(left(AT + 5.0, source=source)))
    assert how_ended(path, CALLER, LEG) == {CALLER: ChannelEnded(AT + 5.0, by, 16)}


def test_whom_the_dialplan_took_left_us_then_and_not_when_they_hung_up(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv"
    path.write_bytes(line("APP_END", AT + 5.0))
    assert how_ended(path, CALLER) == {CALLER: ChannelEnded(AT + 5.0, "fallback")}
    path.write_bytes(b"".join([line("APP_END", AT + 5.0), *left(AT + 60.0, context="fallback")]))
    assert how_ended(path, CALLER) == {CALLER: ChannelEnded(AT + 5.0, "fallback")}


def test_an_earlier_visit_of_the_same_channel_is_not_this_one(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv"
    path.write_bytes(b"".join([line("APP_END", AT - 60.0), *left(AT + 5.0)]))
    assert how_ended(path, CALLER, since=AT - 120.0) == {CALLER: ChannelEnded(AT + 5.0, "caller", 16)}


def test_who_died_with_their_asterisk_has_no_account_and_ended_at_its_last_sign_of_life(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv"
    path.write_bytes(b"".join([line("CHAN_START", AT + 7.0, "another"), line("CHAN_START", AT + 31.0, "after")]))
    assert how_ended(path, CALLER, started=AT + 30.0) == {CALLER: ChannelEnded(AT + 7.0, "system")}
    assert how_ended(path, CALLER, started=AT + 30.0, deaf_at=AT + 9.0) == {CALLER: ChannelEnded(AT + 9.0, "system")}
    assert how_ended(path, CALLER) == {}, "the same Asterisk: it would have told"


def test_who_hung_up_before_asterisk_died_hung_up(tmp_path: Path) -> None:
    path = tmp_path / "cel.csv"
    path.write_bytes(b"".join(left(AT + 5.0)))
    told = how_ended(path, CALLER, LEG, started=AT + 30.0)
    assert told == {CALLER: ChannelEnded(AT + 5.0, "caller", 16), LEG: ChannelEnded(AT + 5.0, "system")}


def test_without_an_account_nothing_is_told_and_it_is_said_why(tmp_path: Path) -> None:
    missing = tmp_path / "cel.csv"
    assert how_ended(missing, CALLER) == {}
    assert str(missing) in Witness(missing, lambda: 0.0).silent
    assert "CALLCENTER_CEL_FILE" in Witness(None, lambda: 0.0).silent
    missing.touch()
    assert Witness(missing, lambda: 0.0).silent == ""


def test_an_account_that_is_written_a_moment_late_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "LATE_S", 10.0)
    path = tmp_path / "cel.csv"
    path.write_bytes(line("CHAN_START", AT))

    async def ask() -> dict[str, ChannelEnded]:
        asked = asyncio.create_task(Witness(path, lambda: 0.0).how_ended({CALLER: AT}, AT))
        await asyncio.sleep(0.1)
        with path.open("ab") as file:
            file.write(left(AT + 5.0)[1])
        return await asked

    assert asyncio.run(ask()) == {CALLER: ChannelEnded(AT + 5.0, "caller", 16)}


PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}


@settings(deadline=None)  # the files of a busy machine
@given(
    st.lists(st.integers(0, 2), max_size=40),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(sorted(PACKERS))), max_size=3, unique_by=lambda cut: cut[0]),
    st.integers(1, 700),
    st.integers(0, 60),
)
def test_backwards_and_forwards_it_says_the_same_whatever_was_rotated_compressed_and_torn(
    shape: list[int], cuts: list[tuple[int, str]], block: int, torn: int
) -> None:
    lines = [left(AT + n, f"c{n}")[kind % 2] if kind else b'"nonsense"\n' for n, kind in enumerate(shape)]
    ends = [*sorted(cut for cut in cuts if 0 < cut[0] < len(lines)), (len(lines), "")]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(cel_files, "BLOCK_BYTES", block)
        path, begin = Path(folder) / "cel.csv", 0
        for n, (end, packed) in enumerate(ends):
            part = b"".join(lines[begin:end])
            if end == len(lines):
                path.write_bytes(part + left(AT)[1][:torn])
            else:
                path.with_name(f"cel.csv-{n}{packed}").write_bytes(PACKERS[packed](part))
            begin = end
        forwards = [
            one.channel_id for file in files_of(path) for some in cel_files.forwards(file) for one in parsed(some)
        ]
        backwards = [each.splitlines() for each in witness._blocks(path, 0.0)]
    told = [witness._channel(each) for part in reversed(backwards) for each in part]
    assert [channel_id for channel_id in told if channel_id] == forwards
    assert forwards == [f"c{n}" for n, kind in enumerate(shape) if kind]


def test_a_real_call_that_an_agent_ended_while_nobody_heard() -> None:
    golden = Path(__file__).parents[1] / "golden" / "cel" / "agent_hung_up.csv"
    began_at = datetime(2026, 11, 22, 7, 37, 50, tzinfo=UTC).timestamp()
    caller, leg = "test-main-31402-1795333070.13", "01a20230-9eb4-7883-bfb9-32636364a4ce.o1"
    told = asyncio.run(Witness(golden, lambda: 0.0).how_ended({caller: began_at, leg: began_at}, began_at))
    assert [(channel_id, end.by, end.cause) for channel_id, end in told.items()] == [
        (caller, "agent", 16),
        (leg, "caller", 16),
    ]
    assert [round(end.at - began_at, 6) for end in told.values()] == [1.649892, 1.635186]
