"""SIP messages as values: parse, build, and answer a digest challenge. No sockets, no time."""

import re
import secrets
from dataclasses import dataclass, field
from hashlib import md5
from typing import Final

VERSION: Final = "SIP/2.0"
COMPACT: Final = {
    "c": "content-type",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "t": "to",
    "v": "via",
}
REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    405: "Method Not Allowed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    603: "Decline",
}

Header = tuple[str, str]


class SipParseError(ValueError):
    """The datagram is not a SIP message."""


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One request or response. Look-ups of headers ignore case and know the compact forms."""

    start: str
    headers: tuple[Header, ...]
    body: bytes = field(default=b"", repr=False)

    @property
    def is_request(self) -> bool:
        return not self.start.startswith(VERSION)

    @property
    def method(self) -> str:
        """Method of a request; of a response, the method it answers."""
        return self.start.split(" ", 1)[0] if self.is_request else self.cseq[1]

    @property
    def uri(self) -> str:
        """Request URI; empty for a response."""
        return self.start.split(" ")[1] if self.is_request else ""

    @property
    def status(self) -> int:
        """Status code of a response; 0 for a request."""
        return 0 if self.is_request else int(self.start.split(" ", 2)[1])

    @property
    def reason(self) -> str:
        """Reason phrase of a response, such as ``Busy Here``."""
        return "" if self.is_request else self.start.split(" ", 2)[-1]

    @property
    def cseq(self) -> tuple[int, str]:
        number, _, method = self["CSeq"].partition(" ")
        return int(number), method.strip()

    @property
    def branch(self) -> str:
        return parameter(self["Via"], "branch")

    def __getitem__(self, name: str) -> str:
        """First value of a header; empty when it is absent."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        wanted = _canonical(name)
        return [value for key, value in self.headers if _canonical(key) == wanted]

    def to_bytes(self) -> bytes:
        """The datagram, with a right Content-Length. Lone surrogates become the raw bytes they stand for."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body


def parse(datagram: bytes) -> SipMessage:
    """The message in one datagram; raises SipParseError. Folded header lines are joined."""
    head, separator, body = datagram.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not separator:
        raise SipParseError("no empty line after the headers")
    text = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "surrogateescape"))
    start, *lines = text.split("\r\n")
    if len(start.split(" ")) < 3 or VERSION not in start:
        raise SipParseError(f"not a SIP start line: {start[:60]!r}")
    headers: list[Header] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise SipParseError(f"not a header: {line[:60]!r}")
        if _canonical(name.strip()) != "content-length":
            headers.append((name.strip(), value.strip()))
    message = SipMessage(start, tuple(headers), body)
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        if not message[name]:
            raise SipParseError(f"{name} is missing")
    return message


def request(method: str, uri: str, headers: list[Header], body: bytes = b"") -> SipMessage:
    return SipMessage(f"{method} {uri} {VERSION}", tuple(headers), body)


def response(
    to: SipMessage, status: int, *, to_tag: str = "", headers: tuple[Header, ...] = (), body: bytes = b""
) -> SipMessage:
    """A response to a request: Via, From, To, Call-ID and CSeq are copied, the To tag added once."""
    copied: list[Header] = []
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        for value in to.all(name):
            tagged = f"{value};tag={to_tag}" if name == "To" and to_tag and not tag_of(value) else value
            copied.append((name, tagged))
    return SipMessage(f"{VERSION} {status} {REASONS.get(status, 'Unnamed')}", (*copied, *headers), body)


def tag_of(address: str) -> str:
    """Tag of a From or To value; empty when it has none."""
    return parameter(address.rpartition(">")[2] if ">" in address else address, "tag")


def uri_of(address: str) -> str:
    """URI in a From, To or Contact value, without the header's own parameters."""
    inside = re.search(r"<([^>]*)>", address)
    return inside.group(1) if inside else address.partition(";")[0].strip()


def user_of(address: str) -> str:
    """User part of the URI, such as the caller's number; empty when there is none."""
    user, at, _ = uri_of(address).partition(":")[2].rpartition("@")
    return user.partition(";")[0] if at else ""


def display_of(address: str) -> str:
    """Display name before the URI, unquoted; empty when there is none."""
    return address.partition("<")[0].strip().strip('"') if "<" in address else ""


def parameter(value: str, name: str) -> str:
    """One ``;name=value`` parameter; empty when absent."""
    found = re.search(rf";\s*{name}\s*=\s*([^;,\s>]+)", value, re.IGNORECASE)
    return found.group(1) if found else ""


def token() -> str:
    """A fresh token for tags, branches and Call-IDs."""
    return secrets.token_hex(8)


def authorization(challenge: str, *, user: str, password: str, method: str, uri: str, cnonce: str = "") -> str:
    """Value of the Authorization header for an MD5 digest challenge (RFC 7616), ``qop=auth`` or none."""
    asked = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge.partition(" ")[2]))
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    secret, what = _hex(f"{user}:{realm}:{password}"), _hex(f"{method}:{uri}")
    fields = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5'
    if asked.get("opaque"):
        fields += f', opaque="{asked["opaque"]}"'
    if "auth" not in re.split(r"[,\s]+", asked.get("qop", "")):
        return f'{fields}, response="{_hex(f"{secret}:{nonce}:{what}")}"'
    once = cnonce or token()
    proof = _hex(f"{secret}:{nonce}:00000001:{once}:auth:{what}")
    return f'{fields}, qop=auth, nc=00000001, cnonce="{once}", response="{proof}"'


def answer_challenge(challenged: SipMessage, *, user: str, password: str, method: str, uri: str) -> Header:
    """The header that answers a 401 or 407; raises SipParseError when no MD5 challenge is offered."""
    asks, answers = (
        ("WWW-Authenticate", "Authorization")
        if challenged.status == 401
        else ("Proxy-Authenticate", "Proxy-Authorization")
    )
    for challenge in challenged.all(asks):
        algorithm = re.search(r"algorithm=\"?([\w-]+)", challenge, re.IGNORECASE)
        if algorithm is None or algorithm.group(1).upper() == "MD5":
            return answers, authorization(challenge, user=user, password=password, method=method, uri=uri)
    raise SipParseError(f"no MD5 challenge in {asks}")


def _hex(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _canonical(name: str) -> str:
    low = name.lower()
    return COMPACT.get(low, low)
