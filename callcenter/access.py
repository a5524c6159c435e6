"""How an instance reaches its Asterisk: the one that is ours, or the one that its settings name."""

from pathlib import Path

from callcenter.asterisk.telephony import Access
from callcenter.blueprint import asterisk_plan
from callcenter.companions.asterisk import AsteriskCompanion
from callcenter.companions.errors import CompanionError
from callcenter.companions.place import place_of
from callcenter.companions.plan import chosen_root
from callcenter.config.settings import Settings
from callcenter.config.site import Site


def access_of(settings: Settings, site: Site) -> Access:
    """For a program beside the service; starts nothing. Raises CompanionError if there is no Asterisk to be run."""
    if settings.asterisk == "external":
        return external(settings)
    root = chosen_root(settings.var, settings.asterisk_root)
    return managed(AsteriskCompanion(asterisk_plan(settings, site, root=root)), settings.trunk)


def cel_path(settings: Settings) -> Path | None:
    """Where the Asterisk of these settings writes its account; None if it is not ours and they do not say."""
    if settings.asterisk == "external":
        return settings.cel_file
    try:
        root = chosen_root(settings.var, settings.asterisk_root)
        return place_of(settings.instance, var=settings.var, root=root).cel
    except CompanionError:
        return None


def managed(asterisk: AsteriskCompanion, trunk: str | None = None) -> Access:
    """The Asterisk that we start; `trunk` is where it sends the calls that we make."""
    return Access(
        ari_url=asterisk.ari_url,
        ari_user=asterisk.ari_user,
        ari_password=asterisk.ari_password,
        ami_host=asterisk.ami_host,
        ami_port=asterisk.ami_port,
        ami_user=asterisk.ami_user,
        ami_password=asterisk.ami_password,
        sounds=asterisk.sounds_dir_in_asterisk,
        trunk=trunk,
        cel=asterisk.cel_path,
    )


def external(settings: Settings) -> Access:
    """The Asterisk that is there already; the settings have been checked to name it whole."""
    assert settings.ari_url is not None
    assert settings.ari_user is not None
    assert settings.ari_password is not None
    assert settings.ami_user is not None
    assert settings.ami_password is not None
    assert settings.sounds_dir is not None
    return Access(
        ari_url=settings.ari_url,
        ari_user=settings.ari_user,
        ari_password=settings.ari_password.get_secret_value(),
        ami_host=settings.ami_host,
        ami_port=settings.ami_port,
        ami_user=settings.ami_user,
        ami_password=settings.ami_password.get_secret_value(),
        sounds=settings.sounds_dir,
        trunk=settings.trunk,
        cel=settings.cel_file,
    )
