"""Sites for tests, made from the demo's."""

import shutil
import tomllib
from pathlib import Path

from callcenter.flow_templates import templates
from tests.kit.parts import DEMO_SITE


def without_templates(folder: Path) -> Path:
    """The demo site as it was before it had a flow of each template; copied into a new folder."""
    shutil.copytree(DEMO_SITE, folder)
    for name in (*templates(), "appointment_call", "collections_call"):
        (folder / f"flows/{name}.toml").unlink()
        (folder / f"flows/tests/{name}.toml").unlink(missing_ok=True)
    for file, first in (("hotlines.toml", '["0800000301"]'), ("prompts.toml", "[hotline_recorded]")):
        before, found, _ = (folder / file).read_text().partition(f"\n{first}")
        assert found
        (folder / file).write_text(before)
    texts = tomllib.loads((folder / "prompts.toml").read_text())
    for audio in folder.glob("prompts/*/*.wav"):
        if audio.stem not in texts:
            audio.unlink()
    return folder
