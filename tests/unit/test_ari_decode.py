"""Whatever Asterisk sends becomes a typed event or an Unknown; nothing raises."""

from hypothesis import example, given
from hypothesis import strategies as st

from callcenter.asterisk.decode import Unknown, decode
from callcenter.asterisk.events import ApplicationRegistered

REGISTERED = '{"type":"ApplicationRegistered","application":"cc","timestamp":"2026-11-21T21:44:42.538+0000"}'


def test_an_event_becomes_its_type() -> None:
    event = decode(REGISTERED)
    assert isinstance(event, ApplicationRegistered)
    assert (event.application, event.asterisk_id) == ("cc", None)


def test_fields_we_do_not_know_are_ignored() -> None:
    assert decode(REGISTERED[:-1] + ',"new_in_asterisk_23":{"deep":[1]}}') == decode(REGISTERED)


def test_a_type_we_do_not_know_is_unknown_by_its_name() -> None:
    event = decode('{"type":"ChannelLevitated","channel":{}}')
    assert isinstance(event, Unknown)
    assert event.kind == "ChannelLevitated"


def test_a_known_type_of_another_shape_is_unknown_and_says_why() -> None:
    event = decode('{"type":"StasisEnd","application":"cc","timestamp":"x"}')
    assert isinstance(event, Unknown)
    assert event.kind == "StasisEnd"
    assert "channel" in event.why


def test_what_is_not_json_is_malformed() -> None:
    for raw in ("", "{", "null", "[]", '{"type":7}', b"\xff\xfe"):
        event = decode(raw)
        assert isinstance(event, Unknown)
        assert event.kind == "malformed"


@given(st.binary() | st.text())
@example('{"type":"\\ud800"}')
def test_no_frame_raises(raw: bytes | str) -> None:
    decode(raw)
