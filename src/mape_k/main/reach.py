"""Whether the servers that the packs in use act through are configured."""

from collections.abc import Iterator

from mape_k.catalogue import load_catalogue
from mape_k.errors import ConfigError
from mape_k.model import Catalogue, Mode
from mape_k.settings import Settings


def catalogue_for(settings: Settings) -> Catalogue:
    """Return the packs in use; in shadow, where nothing is ever sent, servers may be missing.

    Raises:
        ConfigError: a pack cannot be used, or would act through a server that is not configured.
    """
    catalogue = load_catalogue(settings.packs)
    missing = list(missing_servers(catalogue, settings))
    if missing and settings.mode is not Mode.SHADOW:
        raise ConfigError(missing)
    return catalogue


def missing_servers(catalogue: Catalogue, settings: Settings) -> Iterator[str]:
    """Yield a line for each remediation and server that it needs and that is not configured."""
    for remediation in catalogue.remediations:
        where = f"pack {remediation.pack}: remediations.{remediation.name}"
        for name in sorted({call.server.name for call in remediation.calls} - settings.http_servers.keys()):
            remedy = f"add {name}=http://HOST[:PORT] to it, or take the pack out of MAPE_K_PACKS"
            yield f"{where}: acts through the server {name}, which MAPE_K_HTTP_SERVERS does not name; {remedy}"
