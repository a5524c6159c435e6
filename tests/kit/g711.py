"""G.711 both ways with numpy: decoding is a table, encoding is the nearest entry of that table."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


def _alaw_table() -> Samples:
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 0x07, code & 0x0F
    magnitude = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _ulaw_table() -> Samples:
    code = ~np.arange(256) & 0xFF
    exponent, mantissa = (code >> 4) & 0x07, code & 0x0F
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


class Law:
    """One of the two companding laws: its RTP payload type, its SDP name, and the two directions."""

    def __init__(self, payload_type: int, name: str, table: Samples) -> None:
        self.payload_type = payload_type
        self.name = name
        self._table = table
        self._codes = np.argsort(table, kind="stable").astype(np.uint8)
        levels = table[self._codes].astype(np.int32)
        self._borders = (levels[1:] + levels[:-1]) / 2.0
        self.silence = self.encode(np.zeros(1, np.int16))

    def decode(self, payload: bytes) -> Samples:
        return self._table[np.frombuffer(payload, np.uint8)]

    def encode(self, samples: Samples) -> bytes:
        return self._codes[np.searchsorted(self._borders, samples)].tobytes()


ALAW: Final = Law(8, "PCMA", _alaw_table())
ULAW: Final = Law(0, "PCMU", _ulaw_table())
LAWS: Final = {law.payload_type: law for law in (ALAW, ULAW)}
