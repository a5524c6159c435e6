"""Settings come from the environment and are checked whole."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from callcenter.blueprint import asterisk_plan
from callcenter.config.settings import SettingsError, load_settings
from callcenter.config.site import load_site
from tests.kit.parts import DEMO_SITE


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Sets CALLCENTER_… variables, by their names without the prefix; nothing of the outside shines through."""
    for name in [name for name in os.environ if name.startswith("CALLCENTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLCENTER_SITE", str(tmp_path))

    def set_variables(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"CALLCENTER_{name}", value)

    return set_variables


def variables_with_mistakes() -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return sorted(mistake.split(":", 1)[0].removeprefix("CALLCENTER_") for mistake in caught.value.mistakes)


@pytest.mark.usefixtures("environment")
def test_an_empty_environment_gives_a_whole_instance_on_loopback() -> None:
    settings = load_settings()
    assert (settings.instance, settings.api_host, settings.api_port) == ("main", "127.0.0.1", 8080)
    assert (settings.asterisk, settings.sip_port, settings.lease_s) == ("managed", 5060, 30)
    assert settings.var.is_absolute()


def test_an_empty_variable_counts_as_unset(environment: Callable[..., None]) -> None:
    environment(SIP_PORT="")
    assert load_settings().sip_port == 5060


def test_every_mistake_is_reported_at_once_with_its_variable(environment: Callable[..., None]) -> None:
    environment(API_PORT="eighty", SIP_HOST="pbx.example", INSTANCE="Main Office", LEASE_S="1", SIP_PRT="5070")
    environment(SITE="/nowhere/at/all")
    assert variables_with_mistakes() == ["API_PORT", "INSTANCE", "LEASE_S", "SIP_HOST", "SIP_PRT", "SITE"]


def test_a_misspelled_variable_is_told_with_the_right_name(environment: Callable[..., None]) -> None:
    environment(DATABSE_URL="postgresql://x/y")
    with pytest.raises(SettingsError, match="did you mean CALLCENTER_DATABASE_URL"):
        load_settings()


def test_variables_of_other_programs_are_left_alone(environment: Callable[..., None]) -> None:
    environment(DEBIAN_MIRROR="x")
    assert load_settings().instance == "main"


def test_ports_must_differ_and_audio_must_have_room(environment: Callable[..., None]) -> None:
    environment(API_PORT="8088", RTP_END="10010", SIP_PORT="10002")
    assert variables_with_mistakes() == ["HTTP_PORT", "RTP_END", "SIP_PORT"]


def test_an_external_asterisk_must_be_described_whole(environment: Callable[..., None]) -> None:
    environment(ASTERISK="external", ARI_USER="cc")
    assert variables_with_mistakes() == [
        "AMI_PASSWORD",
        "AMI_USER",
        "ARI_PASSWORD",
        "ARI_URL",
        "RECORDINGS_DIR",
        "SOUNDS_DIR",
    ]


def test_a_password_is_never_shown(environment: Callable[..., None]) -> None:
    environment(ARI_PASSWORD="hush-hush")
    assert "hush-hush" not in repr(load_settings())


@pytest.mark.usefixtures("environment")
def test_settings_do_not_change_while_the_process_runs() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.instance = "other"


def test_a_recogniser_is_a_websocket_and_brings_the_module_it_is_reached_by(environment: Callable[..., None]) -> None:
    assert asterisk_plan(load_settings(), load_site(DEMO_SITE), root=None).extra_modules == ()
    environment(RECOGNISER="ws://127.0.0.1:9090/", RECOGNISER_RATE="16000")
    settings = load_settings()
    assert (settings.recogniser, settings.recogniser_rate) == ("ws://127.0.0.1:9090/", 16_000)
    assert asterisk_plan(settings, load_site(DEMO_SITE), root=None).extra_modules == ("chan_websocket",)
    environment(RECOGNISER="http://127.0.0.1:9090/", RECOGNISER_RATE="44100")
    assert variables_with_mistakes() == ["RECOGNISER", "RECOGNISER_RATE"]
