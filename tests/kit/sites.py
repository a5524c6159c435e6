"""Sites for tests, made from the demo's."""

import shutil
import tomllib
from pathlib import Path

from callcenter.flow_templates import templates
from tests.kit.parts import DEMO_SITE


def without_callbacks(folder: Path) -> Path:
    """The demo site as it is when it calls nobody back, and tells nobody how they stand; copied into a new folder."""
    shutil.copytree(DEMO_SITE, folder)
    _forget_flows(folder, ("advice", "usual"))
    _cut(folder / "hotlines.toml", '["0800000308"]')
    _cut(folder / "prompts.toml", "# Said to who waits")
    _cut(folder / "queues.toml", "# ---- Who waits for orders")
    _cut(folder / "site.toml", "callback_prompts =")
    _forget_unwritten(folder)
    return folder


def without_templates(folder: Path) -> Path:
    """The demo site as it was before it had a flow of each template; copied into a new folder."""
    without_callbacks(folder)
    _forget_flows(folder, (*templates(), "appointment_call", "collections_call"))
    _cut(folder / "hotlines.toml", '["0800000301"]')
    _cut(folder / "prompts.toml", "[hotline_recorded]")
    _forget_unwritten(folder)
    return folder


def _forget_unwritten(folder: Path) -> None:
    """Leave the audio of which prompts.toml has the text."""
    texts = tomllib.loads((folder / "prompts.toml").read_text())
    for audio in folder.glob("prompts/*/*.wav"):
        if audio.stem not in texts:
            audio.unlink()


def _forget_flows(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / f"flows/{name}.toml").unlink()
        (folder / f"flows/tests/{name}.toml").unlink(missing_ok=True)


def _cut(file: Path, first: str) -> None:
    """Leave what comes before the line that begins so; there must be one."""
    before, found, _ = file.read_text().partition(f"\n{first}")
    assert found, f"{file.name}: {first}"
    file.write_text(f"{before}\n")
