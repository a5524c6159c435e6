"""INVITEs as they pass loopback, with the kernel's own time of each: a process of its own, since it needs root.

python bench/capture.py PORT...      one line per INVITE to one of the ports, until stdin is closed:
                                     time in ns, port, last digits of the caller's number, Call-ID
"""

import ctypes
import os
import re
import select
import socket
import struct
import sys
from typing import Final

SO_ATTACH_FILTER: Final = 26
SO_TIMESTAMPNS: Final = 35
DIGITS: Final = 6
_FROM: Final = re.compile(rb"\r\n(?:From|f):[^\r\n]*?sip:\+?(\d+)@", re.IGNORECASE)
_CALL_ID: Final = re.compile(rb"\r\n(?:Call-ID|i): *([^\r\n]+)", re.IGNORECASE)

# IPv4 and UDP and a payload that begins with "INVI" (classic BPF: code, jump if true, jump if false, operand).
_FILTER: Final = (
    (0x30, 0, 0, 9),  # load the protocol
    (0x15, 0, 4, 17),  # UDP?
    (0xB1, 0, 0, 0),  # X = length of the IP header
    (0x40, 0, 0, 8),  # load the first four bytes after the UDP header
    (0x15, 0, 1, 0x494E5649),  # "INVI"?
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)


def open_tap() -> socket.socket:
    """A packet socket on loopback that lets INVITEs through; raises PermissionError without CAP_NET_RAW."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _FILTER))
    tap.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(_FILTER), ctypes.addressof(steps)))
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    tap.bind(("lo", 0x0800))
    return tap


def line_of(packet: bytes, ancillary: list[tuple[int, int, bytes]], ports: set[int]) -> str | None:
    """One INVITE as a line; None if it is none of ours."""
    header = (packet[0] & 0xF) * 4
    port = struct.unpack_from("!H", packet, header + 2)[0]
    caller, call_id = _FROM.search(packet), _CALL_ID.search(packet)
    if port not in ports or caller is None or call_id is None:
        return None
    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
    digits = caller[1][-DIGITS:].decode()
    return f"{seconds * 1_000_000_000 + nanoseconds} {port} {digits} {call_id[1].decode(errors='replace')}"


def main() -> None:
    """Print INVITEs until stdin is closed."""
    ports = {int(word) for word in sys.argv[1:]}
    with open_tap() as tap:
        print("ready", flush=True)
        waiting = select.poll()
        waiting.register(tap, select.POLLIN)
        waiting.register(0, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in waiting.poll()}
            if tap.fileno() in ready:
                packet, ancillary, _, address = tap.recvmsg(65_535, 64)
                outgoing = address[2] == socket.PACKET_OUTGOING  # loopback shows each packet twice
                line = None if outgoing else line_of(packet, ancillary, ports)
                if line is not None:
                    print(line)
            elif 0 in ready and not os.read(0, 1):
                return


if __name__ == "__main__":
    main()
