"""The bench's site: N agents in 40 skills, one hotline straight to one queue that all of them can serve."""

import json
import random
import shutil
from pathlib import Path
from typing import Final

from callcenter.config.settings import CHECKOUT

HOTLINE: Final = "0800000001"
LANGUAGE: Final = "zh-TW"
SKILLS: Final = (LANGUAGE, *(f"skill{n:02}" for n in range(1, 40)))
NEEDED: Final = SKILLS[1]
AUX_CODE: Final = "busy"
SPOKEN: Final = CHECKOUT / "callcenter" / "config" / "demo_site" / "prompts" / LANGUAGE


def agent_ids(count: int) -> tuple[str, ...]:
    """Names of the bench's agents, and of app_queue's members."""
    return tuple(f"agent{n:04}" for n in range(1, count + 1))


def write_site(folder: Path, agents: int, *, seed: int = 1) -> Path:
    """Write the site's folder anew. Every agent has the queue's skill and the language, and 1 to 4 others.

    A queue for each skill, so that the engine has what a real site has; only the first gets calls.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SPOKEN, folder / "prompts" / LANGUAGE)
    rng = random.Random(seed)
    (folder / "site.toml").write_text(
        f'name = "bench"\nregion = "TW"\ntime_zone = "Asia/Taipei"\nlanguages = ["{LANGUAGE}"]\n'
        f'default_language = "{LANGUAGE}"\nskills = {json.dumps(SKILLS)}\n'
        'value_tiers = ["platinum", "vip", "standard", "basic"]\ndefault_value_tier = "standard"\n'
        f'recording = "never"\ndefault_hotline = "{HOTLINE}"\n'
    )
    (folder / "hotlines.toml").write_text(f'["{HOTLINE}"]\nqueue = "{NEEDED}"\n')
    queues = [
        f"[{skill}]\nneeds = {{ {skill} = 1 }}\nring_s = 20\nwrap_up_s = 0\nrecording = 'never'\n"
        for skill in SKILLS[1:]
    ]
    (folder / "queues.toml").write_text("\n".join(queues))
    tables = []
    for n, agent in enumerate(agent_ids(agents)):
        # The n-th skill too, so that no queue is without an agent.
        others = {SKILLS[2 + n % (len(SKILLS) - 2)], *rng.sample(SKILLS[2:], rng.randint(0, 3))}
        levels = {LANGUAGE: 5, NEEDED: 3, **{skill: rng.randint(1, 5) for skill in sorted(others)}}
        skills = ", ".join(f"{skill} = {level}" for skill, level in levels.items())
        tables.append(f'[{agent}]\nname = "{agent}"\nskills = {{ {skills} }}\n')
    (folder / "agents.toml").write_text("\n".join(tables))
    return folder
