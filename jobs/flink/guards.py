"""Checks Flink's configuration before a job is submitted: some mistakes show only later, and then the state is lost.

`driftline submit` uses flink-conf.yaml; Flink's own client uses the files in FLINK_CONF_DIR, and its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping

from driftline.errors import SettingError
from jobs.base_settings import JobSettings

CHECKPOINT_DIR = "execution.checkpointing.dir"
SAVEPOINT_DIR = "execution.checkpointing.savepoint-dir"
S3_ENDPOINT = "s3.endpoint"
RESTORED_FROM = "execution.state-recovery.path"
_STORAGE = "execution.checkpointing.storage"
_INTERVAL = "execution.checkpointing.interval"
_MODE = "python.execution-mode"
_RESTART = "restart-strategy.type"
# Older keys, which Flink still reads if the current one is not set.
_OLD_NAMES = {
    CHECKPOINT_DIR: ("state.checkpoints.dir",),
    _STORAGE: ("state.checkpoint-storage",),
    _RESTART: ("restart-strategy",),
}
_NO_RESTART = {"", "none", "off", "disable", "disabled"}
# For every strategy, the setting without which a failing job restarts for ever.
_BOUNDS = {
    "exponential-delay": "restart-strategy.exponential-delay.attempts-before-reset-backoff",
    "exponentialdelay": "restart-strategy.exponential-delay.attempts-before-reset-backoff",
}


def require_safe(conf: Mapping[str, str], settings: JobSettings) -> None:
    """Refuse a configuration of Flink that would lose state, or hide that the job fails.

    Args:
        conf: the effective configuration of the client that submits.
        settings: of the job; `allow` names the checks to skip.

    Raises:
        SettingError: names the key that is missing, and the value to set.
    """
    mode = conf.get(_MODE, "process")
    if mode != "thread":
        _refuse(f"{_MODE} is {mode}, in which all state would read as empty", f"{_MODE}: thread")
    if _get(conf, _STORAGE) == "jobmanager" or not _get(conf, CHECKPOINT_DIR):
        _unless(
            "no-checkpoint-dir",
            settings,
            f"without {CHECKPOINT_DIR} all state is kept in the JobManager's memory, and is lost with it",
            f"{CHECKPOINT_DIR}: a folder that every TaskManager and the JobManager reach",
        )
    if conf.get(_INTERVAL, "0").split(" ")[0] in ("0", "0s", "0ms", ""):
        _unless(
            "no-checkpoint-interval",
            settings,
            f"without {_INTERVAL} no checkpoint is ever taken",
            f"{_INTERVAL}: 10s",
        )
    strategy = _get(conf, _RESTART).lower()
    if strategy in _NO_RESTART or (strategy in _BOUNDS and _BOUNDS[strategy] not in conf):
        _unless(
            "no-restart-bound",
            settings,
            f"{_RESTART} is {strategy or 'not set'}, so a failing job would end at once or restart for ever",
            f"{_RESTART}: exponential-delay, and {_BOUNDS['exponential-delay']}: 5000",
        )


def _get(conf: Mapping[str, str], key: str) -> str:
    return next((conf[name] for name in (key, *_OLD_NAMES.get(key, ())) if name in conf), "")


def _unless(allowed: str, settings: JobSettings, problem: str, remedy: str) -> None:
    if allowed not in settings.allowed:
        _refuse(problem, f"{remedy} (or submit with --set allow={','.join([*settings.allowed, allowed])})")


def _refuse(problem: str, remedy: str) -> None:
    message = f"{problem}; set in Flink's configuration, or with -D, {remedy}"
    raise SettingError(message)
