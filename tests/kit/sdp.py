"""The little SDP a phone needs: one audio stream, G.711 and telephone-event, on hold or not."""

import re
from dataclasses import dataclass
from typing import Final

from tests.kit.g711 import LAWS, Law
from tests.kit.udp import Address

EVENT_PAYLOAD_TYPE: Final = 101


@dataclass(frozen=True, slots=True)
class Media:
    """Where the other side wants its audio, and how. `event_payload_type` None: it takes no telephone-event."""

    address: Address
    law: Law
    event_payload_type: int | None
    direction: str


def offer(address: Address, laws: tuple[Law, ...], *, session: int, version: int, direction: str = "sendrecv") -> bytes:
    """An SDP body, good as offer and as answer."""
    host, port = address
    types = " ".join(str(law.payload_type) for law in laws)
    lines = [
        "v=0",
        f"o=- {session} {version} IN IP4 {host}",
        "s=kit",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {types} {EVENT_PAYLOAD_TYPE}",
        *(f"a=rtpmap:{law.payload_type} {law.name}/8000" for law in laws),
        f"a=rtpmap:{EVENT_PAYLOAD_TYPE} telephone-event/8000",
        f"a=fmtp:{EVENT_PAYLOAD_TYPE} 0-16",
        "a=ptime:20",
        f"a={direction}",
    ]
    return "\r\n".join([*lines, ""]).encode()


def parse(body: bytes) -> Media | None:
    """The audio stream of an SDP body; None when there is none we can speak."""
    text = body.decode("utf-8", "replace")
    stream = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", text, re.MULTILINE)
    host = re.search(r"^c=IN IP4 (\S+)", text, re.MULTILINE)
    if stream is None or host is None or stream.group(1) == "0":
        return None
    law = next((LAWS[int(kind)] for kind in stream.group(2).split() if int(kind) in LAWS), None)
    if law is None:
        return None
    events = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", text, re.MULTILINE)
    direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)", text, re.MULTILINE)
    return Media(
        address=(host.group(1), int(stream.group(1))),
        law=law,
        event_payload_type=int(events.group(1)) if events else None,
        direction=direction.group(1) if direction else "sendrecv",
    )
