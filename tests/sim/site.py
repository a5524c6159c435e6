"""The demo site with a few settings more, so that the simulation meets every feature; prompts are a click each."""

import atexit
import functools
import shutil
import tempfile
import wave
from pathlib import Path

from callcenter.config.site import Site, load_site
from tests.kit.sites import without_callbacks

NEVER_RECORDED = "activities"
_MORE = {
    "[product]\n": '[product]\nring_several = 2\ncallback = { mode = "customer_first", KEPT, key = "5" }\n'
    'exit = { to = "callback", after_s = 30 }\n',
    "[orders]\n": '[orders]\nexit = { to = "voicemail", after_s = 45 }\n',
    "[activities]\n": '[activities]\nrecording = "never"\ncallback = { KEPT }\nexit = { to = "callback", after_s = 20 }'
    "\n",
}
_KEPT = "attempts_max = 2, retry_s = 15, expires_s = 150, dial_s = 5"
_CALLS = '[dial_out]\nallow = ["+886"]\ncaller_id = "0800000100"\nring_s = 20\n'


@functools.cache
def sim_site() -> Site:
    """The site, read once."""
    place = Path(tempfile.mkdtemp(prefix="sim-site-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    folder = place / "site"
    for spoken in without_callbacks(folder).glob("prompts/*/*.wav"):
        _click(spoken)
    queues = folder / "queues.toml"
    text = queues.read_text()
    for head, longer in _MORE.items():
        assert head in text
        text = text.replace(head, longer.replace("KEPT", _KEPT))
    queues.write_text(text)
    whole = folder / "site.toml"
    prompts = 'callback_prompts = ["goodbye"]\ncalled_back_prompts = ["welcome"]\n'
    whole.write_text(f"{prompts}{whole.read_text()}\n{_CALLS}")
    return load_site(folder)


def _click(path: Path) -> None:
    with wave.open(str(path), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8_000)
        audio.writeframes(bytes(1_600))
