"""Where the lake of a command is."""

from __future__ import annotations

from console.settings import StackSettings
from history.lake.location import Location, locate


def lake_of(settings: StackSettings, topic: str = "", lake: str = "") -> Location:
    """Return the folder of a topic's lake.

    Args:
        settings: where the lake is, and what the topic is called.
        topic: another topic than the events topic.
        lake: another lake.

    Raises:
        SettingError: the lake's place is none.
    """
    return locate(lake or settings.lake_address, settings.s3_endpoint).below(topic or settings.events_topic)
