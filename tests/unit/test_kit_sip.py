"""The kit's SIP messages: what it parses, builds and proves with digest."""

import pytest

from tests.kit import sdp, sip
from tests.kit.g711 import ALAW, ULAW

INVITE = (
    b"INVITE sip:0800000100@127.0.0.1:5060 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.1:4000;branch=z9hG4bKabc;rport\r\n"
    b'f: "\xe7\x8e\x8b" <sip:0910000001@127.0.0.1;user=phone>;tag=a1\r\n'
    b"To: <sip:0800000100@127.0.0.1>\r\n"
    b"i: one@kit\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Subject: folded\r\n over two lines\r\n"
    b"l: 4\r\n\r\nbody"
)


def test_compact_and_folded_headers_are_read_like_the_long_ones() -> None:
    message = sip.parse(INVITE)
    assert message.method == "INVITE"
    assert message["Call-ID"] == "one@kit"
    assert message["Subject"] == "folded over two lines"
    assert message.branch == "z9hG4bKabc"
    assert message.cseq == (7, "INVITE")
    assert message.body == b"body"
    assert sip.display_of(message["From"]) == "王"
    assert sip.user_of(message["From"]) == "0910000001"
    assert sip.tag_of(message["From"]) == "a1"


def test_a_built_message_parses_to_itself_with_a_right_length() -> None:
    message = sip.parse(INVITE)
    assert sip.parse(message.to_bytes()) == message
    assert b"Content-Length: 4\r\n" in message.to_bytes()


def test_a_response_copies_the_request_and_tags_to_once() -> None:
    first = sip.response(sip.parse(INVITE), 180, to_tag="b2")
    assert first.status == 180
    assert first.reason == "Ringing"
    assert sip.tag_of(first["To"]) == "b2"
    assert first.method == "INVITE"


@pytest.mark.parametrize(
    "datagram",
    [b"", b"hello", b"\x80\x08\x00\x01", INVITE.replace(b"CSeq: 7 INVITE\r\n", b""), INVITE.replace(b": one", b" one")],
)
def test_what_is_not_sip_is_refused_by_name(datagram: bytes) -> None:
    with pytest.raises(sip.SipParseError):
        sip.parse(datagram)


def test_digest_answers_the_example_of_rfc_2617() -> None:
    challenge = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    answer = sip.authorization(
        challenge, user="Mufasa", password="Circle Of Life", method="GET", uri="/dir/index.html", cnonce="0a4f113b"
    )
    assert 'response="6629fae49393a05397450978507c4ef1"' in answer
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in answer


def test_an_offer_is_understood_by_the_other_side() -> None:
    body = sdp.offer(("127.0.0.1", 4002), (ULAW, ALAW), session=1, version=2, direction="sendonly")
    media = sdp.parse(body)
    assert media == sdp.Media(("127.0.0.1", 4002), ULAW, 101, "sendonly")


def test_audio_that_is_not_ours_is_no_media() -> None:
    assert sdp.parse(b"c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 9 18\r\n") is None
    assert sdp.parse(b"c=IN IP4 127.0.0.1\r\nm=audio 0 RTP/AVP 8\r\n") is None
