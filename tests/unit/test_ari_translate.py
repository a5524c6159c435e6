"""Event sequences recorded from a real Asterisk 22.10.1 (SIP phones, our event filter) → what they mean to us."""

from pathlib import Path

import pytest

from callcenter.asterisk.decode import Unknown, decode
from callcenter.asterisk.translate import Addressed, LeftStasis, Stranger, Translator
from callcenter.contact.signals import (
    AgentAnswered,
    AgentHeld,
    AgentLegEnded,
    AgentResumed,
    AgentRinging,
    CallerLeft,
    CustomerAnswered,
    CustomerLegEnded,
    DigitPressed,
    PromptEnded,
    Signal,
)
from callcenter.ports import CallerAtTheDoor

GOLDEN = Path(__file__).parents[1] / "golden" / "ari"
CONTACT = "0193aaaa-0000-7000-8000-000000000001"
LEG, CALLED = f"{CONTACT}.o1", f"{CONTACT}.c1"
ARRIVED = "arrived"

MEANINGS: dict[str, list[str | Signal]] = {
    "caller_is_served_and_hangs_up": [
        ARRIVED,
        PromptEnded(f"{CONTACT}.p1"),
        AgentRinging(LEG),
        AgentAnswered(LEG),
        CallerLeft("caller"),
        AgentLegEnded(LEG, cause=16),
    ],
    "caller_presses_keys": [ARRIVED, DigitPressed("1"), DigitPressed("#"), CallerLeft("caller")],
    "caller_gives_up_before_the_answer": [ARRIVED, CallerLeft("caller", cause=127)],
    "caller_is_sent_to_the_dialplan": [ARRIVED, CallerLeft("fallback")],
    "lease_lapses": [ARRIVED, CallerLeft("fallback")],
    "we_hang_up": [ARRIVED, CallerLeft("system")],
    "prompt_is_missing": [
        ARRIVED,
        PromptEnded(f"{CONTACT}.p1", failed=True),
        PromptEnded(f"{CONTACT}.p2"),
        CallerLeft("system"),
    ],
    "agent_holds_and_hangs_up": [
        ARRIVED,
        AgentRinging(LEG),
        AgentAnswered(LEG),
        AgentHeld(LEG),
        AgentResumed(LEG),
        AgentLegEnded(LEG, cause=16),
        CallerLeft("caller"),
    ],
    "agent_is_busy": [ARRIVED, AgentRinging(LEG), AgentLegEnded(LEG, cause=17, sip=486), CallerLeft("system")],
    "agent_rejects": [ARRIVED, AgentRinging(LEG), AgentLegEnded(LEG, cause=21, sip=603), CallerLeft("system")],
    "agent_is_unavailable": [
        ARRIVED,
        AgentRinging(LEG),
        AgentLegEnded(LEG, cause=19, sip=480),
        CallerLeft("system"),
    ],
    "agent_does_not_answer": [
        ARRIVED,
        AgentRinging(LEG),
        AgentLegEnded(LEG, cause=19, sip=480),
        CallerLeft("system"),
    ],
    "customer_is_called_back_and_hangs_up": [
        CustomerAnswered(CALLED),
        AgentRinging(LEG),
        AgentAnswered(LEG),
        CallerLeft("caller"),
        CustomerLegEnded(CALLED),
        AgentLegEnded(LEG, cause=16),
    ],
    "called_customer_is_busy": [CustomerLegEnded(CALLED, cause=17, sip=486)],
    "called_customer_does_not_answer": [CustomerLegEnded(CALLED, cause=19, sip=480)],
    "offer_is_withdrawn": [ARRIVED, AgentRinging(LEG), AgentLegEnded(LEG, cause=26), CallerLeft("system")],
}


@pytest.mark.parametrize("trace", sorted(MEANINGS))
def test_a_recorded_call_means_what_happened(trace: str) -> None:
    translator = Translator()
    meaning: list[str | Signal] = []
    for frame in (GOLDEN / f"{trace}.jsonl").read_text().splitlines():
        match translator.heard(decode(frame)):
            case Addressed(_, signal) | LeftStasis(_, signal):
                meaning.append(signal)
            case CallerAtTheDoor():
                meaning.append(ARRIVED)
            case Stranger():
                meaning.append("stranger")
            case None:
                pass
    assert meaning == MEANINGS[trace]


def test_every_recorded_trace_has_a_meaning_and_no_unknown_frame() -> None:
    recorded = {path.stem: path for path in GOLDEN.glob("*.jsonl")}
    assert recorded.keys() == MEANINGS.keys()
    for path in recorded.values():
        assert not [frame for frame in path.read_text().splitlines() if isinstance(decode(frame), Unknown)]


def test_a_caller_at_the_door_brings_the_numbers_of_the_network() -> None:
    frame = (GOLDEN / "caller_presses_keys.jsonl").read_text().splitlines()[0]
    arrival = Translator().heard(decode(frame))
    assert isinstance(arrival, CallerAtTheDoor)
    assert (arrival.dialed, arrival.caller, arrival.display) == ("0800000100", "0910000001", "Wang")
    assert not arrival.answered


def test_a_caller_who_was_answered_before_brings_that_too() -> None:
    frame = (GOLDEN / "caller_presses_keys.jsonl").read_text().splitlines()[0]
    arrival = Translator().heard(decode(frame.replace('"state":"Ring"', '"state":"Up"')))
    assert isinstance(arrival, CallerAtTheDoor)
    assert arrival.answered


def test_signals_are_addressed_to_the_resource_they_are_about() -> None:
    translator = Translator()
    frames = (GOLDEN / "caller_is_served_and_hangs_up.jsonl").read_text().splitlines()
    heard = [translator.heard(decode(frame)) for frame in frames]
    addresses = [one.resource_id for one in heard if isinstance(one, Addressed)]
    assert addresses == [f"{CONTACT}.p1", LEG, LEG, LEG]
    (arrival,) = [one for one in heard if isinstance(one, CallerAtTheDoor)]
    (left,) = [one for one in heard if isinstance(one, LeftStasis)]
    assert left.channel_id == arrival.channel_id


def test_who_comes_uninvited_is_a_stranger() -> None:
    frame = (GOLDEN / "caller_presses_keys.jsonl").read_text().splitlines()[0]
    dialing = frame.replace('"args":["in","0800000100"]', '"args":["agent-dial","8002"]')
    assert dialing != frame
    stranger = Translator().heard(decode(dialing))
    assert isinstance(stranger, Stranger)
    assert stranger.args == ("agent-dial", "8002")


def test_a_hang_up_announced_on_a_lost_connection_is_not_believed_later() -> None:
    frames = (GOLDEN / "we_hang_up.jsonl").read_text().splitlines()
    translator = Translator()
    for frame in frames[:-1]:
        translator.heard(decode(frame))
    translator.forget()
    left = translator.heard(decode(frames[-1]))
    assert isinstance(left, LeftStasis)
    assert left.signal == CallerLeft("fallback")


def test_a_prompt_that_a_hang_up_ends_was_not_said_to_its_end() -> None:
    frames = (GOLDEN / "caller_is_served_and_hangs_up.jsonl").read_text().splitlines()
    (ended,) = [frame for frame in frames if '"PlaybackFinished"' in frame]
    arrived, announced, left = (
        next(frame for frame in frames if kind in frame and LEG not in frame)
        for kind in ('"StasisStart"', '"ChannelHangupRequest"', '"StasisEnd"')
    )
    translator = Translator()
    heard = [translator.heard(decode(frame)) for frame in (arrived, announced, ended, left)]
    assert isinstance(heard[0], CallerAtTheDoor)
    assert heard[1:3] == [None, None]
    assert isinstance(heard[3], LeftStasis)
    assert heard[3].signal == CallerLeft("caller", cause=heard[3].signal.cause)


def test_a_called_customer_who_comes_back_from_the_fallback_is_a_caller_at_the_door() -> None:
    frames = (GOLDEN / "customer_is_called_back_and_hangs_up.jsonl").read_text().splitlines()
    (answered,) = [frame for frame in frames if '"StasisStart"' in frame and '"args":["customer"' in frame]
    back = answered.replace(f'"args":["customer","{CONTACT}"]', '"args":["in","0800000100"]')
    assert back != answered
    arrival = Translator().heard(decode(back))
    assert isinstance(arrival, CallerAtTheDoor)
    assert (arrival.channel_id, arrival.dialed, arrival.answered) == (CALLED, "0800000100", True)


@pytest.mark.parametrize("ear", [f"{CONTACT}.s1", f"{CONTACT}.m12"])
def test_by_what_a_recogniser_hears_is_neither_a_caller_nor_a_stranger(ear: str) -> None:
    frames = (GOLDEN / "caller_presses_keys.jsonl").read_text().splitlines()
    caller = Translator().heard(decode(frames[0]))
    assert isinstance(caller, CallerAtTheDoor)
    translator = Translator()
    heard = [translator.heard(decode(frame.replace(caller.channel_id, ear))) for frame in frames]
    assert heard == [None] * len(frames)
