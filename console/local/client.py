"""Flink's command line client, configured for the cluster of the settings, local or external."""

from __future__ import annotations

from console.local.flink_conf import FlinkFiles
from console.local.home import Home
from console.local.logs import bound
from console.settings import StackSettings


def flink_env(settings: StackSettings) -> dict[str, str]:
    """The whole environment for Flink's client, and for any script of Flink's `bin`. May download a jar at first."""
    return FlinkFiles(settings, Home(settings.home)).env()


def flink_client(settings: StackSettings, *args: str) -> list[str]:
    """The command line of `flink ARGS...`, to run with `flink_env`; its log is `logs/flink-client.log` below the home.

    The same as pyflink's `bin/flink`, which starts three more JVMs to find out how to start this one.
    """
    home = Home(settings.home)
    files = FlinkFiles(settings, home)
    files.prepare()
    log = home.logs / "flink-client.log"
    bound(log)
    return [*files.command("client", "org.apache.flink.client.cli.CliFrontend", log), *args]
