"""What holds for the whole site: site.toml, and tiers.toml with the value tiers and what each is promised."""

from collections.abc import Collection
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from callcenter.config import calling
from callcenter.config.fields import SPAN_S_MAX, Names, check_id, ids, known, prompts, spoken_name, tables
from callcenter.config.folder import Folder
from callcenter.config.model import RECORDING_POLICIES
from callcenter.config.numbers import is_region
from callcenter.contact.dial_policy import DialPolicy
from ivr.calendar import parse_zone
from ivr.model import PromptId
from ivr.reading import Reader, no_such, shown
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import LEVEL_MAX, RESERVED

SLOPE_MIN, SLOPE_MAX = 0.001, 1_000.0
TRUNKS_MAX = 100_000
COMEBACK_S_MAX = 7 * 86_400.0
DISCIPLINES = tuple(discipline.value for discipline in Discipline)

_UTC = ZoneInfo("UTC")
_DEFAULT = Tier("default")


@dataclass(frozen=True, slots=True)
class Head:
    """site.toml and tiers.toml; `policy` is None if the tiers could not be read."""

    name: str
    region: str
    zone: ZoneInfo
    languages: tuple[str, ...]
    default_language: str
    skills: tuple[str, ...]
    policy: TierPolicy | None
    default_value_tier: str
    teams: tuple[str, ...]
    locations: tuple[str, ...]
    segments: tuple[str, ...]
    emergency_agents: tuple[str, ...]
    recording: str
    default_hotline: str
    trunks: int | None
    outbound_counts: bool
    comeback_s: float
    closed_prompts: tuple[PromptId, ...]
    callback_prompts: tuple[PromptId, ...]
    called_back_prompts: tuple[PromptId, ...]
    dial_out: DialPolicy | None

    @property
    def value_tiers(self) -> tuple[str, ...] | None:
        """The names of the value tiers; None if they are not known."""
        return _tier_names(self.policy)


def read_head(folder: Folder) -> Head:
    """site.toml and tiers.toml, but for the names they share with other files (`check_head`)."""
    reader = folder.reader("site")
    languages = ids(reader, "languages")
    policy = _policy(folder, reader)
    skills = ids(reader, "skills")
    for skill in skills:
        if skill in RESERVED:
            reader.wrong("skills", f"{shown(skill)} is a word of skill expressions; name the skill otherwise")
    for language in languages if skills else ():
        if language not in skills:
            reader.wrong("skills", f"the language {shown(language)} must be a skill, so that agents can have it")
    head = Head(
        name=spoken_name(reader, "name"),
        region=reader.text("region"),
        zone=parse_zone(reader, "time_zone") or _UTC,
        languages=languages,
        default_language=known(reader, "default_language", "language", languages or None),
        skills=skills,
        policy=policy,
        default_value_tier=known(reader, "default_value_tier", "value tier", _tier_names(policy)),
        teams=ids(reader, "teams", ()),
        locations=ids(reader, "locations", ()),
        segments=ids(reader, "segments", ()),
        emergency_agents=reader.texts("emergency_agents", ()),
        recording=reader.one_of("recording", RECORDING_POLICIES, "always"),
        default_hotline=reader.text("default_hotline"),
        trunks=reader.whole("trunks", None, 1, TRUNKS_MAX) if "trunks" in reader else None,
        outbound_counts=reader.flag("outbound_counts", default=True),
        comeback_s=reader.number("comeback_s", 600.0, 0.0, COMEBACK_S_MAX),
        closed_prompts=reader.texts("closed_prompts", ()),
        callback_prompts=reader.texts("callback_prompts", ()),
        called_back_prompts=reader.texts("called_back_prompts", ()),
        dial_out=calling.read_dial_out(reader),
    )
    if head.region and not is_region(head.region):
        reader.wrong("region", f"no such region {shown(head.region)}; write two capitals such as 'TW'")
    reader.close()
    return head


def check_head(head: Head, names: Names, folder: Folder) -> None:
    """What site.toml says of agents, hotlines, trunks and prompts."""
    mistakes = folder.mistakes
    agents = names.agents if names.agents is not None else head.emergency_agents
    unknown = [agent for agent in head.emergency_agents if agent not in agents]
    mistakes.extend(f"site.emergency_agents: {no_such('agent', agent, agents)}" for agent in unknown)
    dialed = head.default_hotline
    if dialed and names.hotlines is not None and dialed not in names.hotlines:
        mistakes.append(f"site.default_hotline: {no_such('hotline', dialed, names.hotlines)}")
    for key in ("closed_prompts", "callback_prompts", "called_back_prompts"):
        prompts(Reader({key: list(getattr(head, key))}, "site", mistakes), key, names.prompts)
    for tier in head.policy.tiers if head.policy and head.trunks is not None else ():
        if tier.trunk_reserve >= (head.trunks or 0):
            why = f"keeps {tier.trunk_reserve} of {head.trunks} trunks free of this tier: it would never be admitted"
            mistakes.append(f"tiers.{tier.name}.trunk_reserve: {why}")


def _tier_names(policy: TierPolicy | None) -> tuple[str, ...] | None:
    return None if policy is None else tuple(tier.name for tier in policy.tiers)


def _policy(folder: Folder, site: Reader) -> TierPolicy | None:
    """The tiers of tiers.toml; without that file, those that site.toml lists, served strictly in that order."""
    if folder.names("tiers"):
        if "value_tiers" in site:
            site.wrong("value_tiers", "tiers.toml names the tiers; leave this out")
        return _tiers(folder.reader("tiers"))
    if folder.names("tiers") is None:  # unreadable, which is said already
        site.raw("value_tiers", ())
        return None
    names = ids(site, "value_tiers")
    return TierPolicy(Discipline.STRICT, tuple(Tier(name) for name in names)) if names else None


def _tiers(reader: Reader) -> TierPolicy | None:
    discipline = reader.one_of("discipline", DISCIPLINES, Discipline.ACCUMULATING.value)
    found: dict[str, Tier] = {}
    for table in tables(reader, "tier"):
        name = table.text("name")
        if name:
            table.path = f"tiers.{name}"
            check_id(table, name)
        tier = _tier(table, name)
        if name in found:
            table.mistakes.append(f"{table.path}: two tiers have this name")
        elif name:
            found[name] = tier
    if not found and "tier" not in reader:
        reader.wrong("tier", "is missing; a tier begins with [[tier]]")
    reader.close()
    return TierPolicy(Discipline(discipline or "accumulating"), tuple(found.values())) if found else None


def _tier(table: Reader, name: str) -> Tier:
    unbounded = "without a bound the tier could wait for ever behind the others"
    tier = Tier(
        name=name or "default",
        slope=_reasoned(table, "slope", _DEFAULT.slope, SLOPE_MIN, SLOPE_MAX, "who waits longer must count for more"),
        head_start_s=table.number("head_start_s", 0.0, 0.0, SPAN_S_MAX),
        target_s=table.number("target_s", _DEFAULT.target_s, 1.0, SPAN_S_MAX),
        share=_reasoned(table, "share", _DEFAULT.share, SLOPE_MIN, SLOPE_MAX, "a tier without a share is never served"),
        starvation_s=_reasoned(table, "starvation_s", None, 1.0, SPAN_S_MAX, unbounded),
        experience=table.whole("experience", 0, 0, LEVEL_MAX),
        spill_s=table.number("spill_s", 0.0, 0.0, SPAN_S_MAX),
        preferred_wait_s=table.number("preferred_wait_s", 0.0, 0.0, SPAN_S_MAX),
        trunk_reserve=table.whole("trunk_reserve", 0, 0, TRUNKS_MAX),
    )
    table.close()
    return tier


def _reasoned(table: Reader, key: str, default: float | None, least: float, most: float, reason: str) -> float:
    """A number in a range; a mistake says, besides, why the range is as it is."""
    before = len(table.mistakes)
    value = table.number(key, default, least, most)
    if len(table.mistakes) > before:
        table.mistakes[-1] += f": {reason}"
    return value


def tier_warnings(policy: TierPolicy, experiences: Collection[int], trunks: int | None) -> list[str]:
    """What is allowed in tiers.toml, but hardly meant."""
    warnings = []
    best = max(experiences, default=0)
    above = policy.tiers[0]
    for tier in policy.tiers:
        at = f"tiers.{tier.name}"
        if policy.slope(policy.tiers.index(tier)) > policy.slope(policy.tiers.index(above)):
            warnings.append(f"{at}: gains on {above.name!r}, which ranks above it, the longer both wait")
        if tier.experience > best and tier.spill_s > 0:
            warnings.append(f"{at}.experience: no agent has {tier.experience}; it waits {tier.spill_s:g} s for nobody")
        if tier.experience and not tier.spill_s:
            warnings.append(f"{at}.experience: says nothing without spill_s")
        if tier.trunk_reserve and trunks is None:
            warnings.append(f"{at}.trunk_reserve: says nothing without trunks in site.toml")
        if tier.starvation_s < tier.target_s and policy.discipline is Discipline.TARGET:
            warnings.append(f"{at}.starvation_s: is shorter than target_s, so that everybody late comes first")
        above = tier
    return warnings
