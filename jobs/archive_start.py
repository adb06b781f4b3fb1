"""What archive-events looks at where it is submitted: the lake that there is, and the cluster's server of S3."""

from __future__ import annotations

from collections.abc import Mapping

from driftline.errors import InputError, SettingError
from driftline.location import locate
from history.lake.importing import lake_end
from jobs.archive_settings import ArchiveEventsSettings
from jobs.flink.guards import S3_ENDPOINT


def require_endpoint(conf: Mapping[str, str], settings: ArchiveEventsSettings) -> None:
    """Raise SettingError where the cluster would write to another server: Flink has one for all of its jobs."""
    found = conf.get(S3_ENDPOINT, "")
    if settings.lake_url.startswith("s3://") and settings.s3_endpoint not in {"", found}:
        message = (
            f"s3_endpoint={settings.s3_endpoint} is not the cluster's {S3_ENDPOINT}, which is {found or 'not set'}; "
            "set that in Flink's configuration (locally: DRIFTLINE_S3_ENDPOINT, then driftline down and driftline up)"
        )
        raise SettingError(message)


def behind_lake(settings: ArchiveEventsSettings) -> dict[int, int]:
    """Return where a job begins that goes on from nothing: behind what the lake has of each partition.

    Raises:
        InputError: the lake cannot be read, or was imported, so that its offsets are not those of the topic.
    """
    found = lake_end(locate(settings.lake_url, settings.s3_endpoint).below(settings.events_topic))
    if found.imported:
        message = (
            f"the lake in {settings.lake_url} has imported events ({min(found.imported.values())}) below the name "
            f"{settings.events_topic}, with offsets of their own; name another place: --set lake_url=..."
        )
        raise InputError(message)
    return found.next_offsets
