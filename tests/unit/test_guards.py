"""What Flink must be set to before the job may be submitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.local.flink_conf import read_conf
from driftline.errors import SettingError
from jobs.flink.guards import require_safe
from tests.builders import job_settings

DIR = "execution.checkpointing.dir"
SAFE = read_conf(Path("flink-conf.yaml")) | {DIR: "s3://bucket/checkpoints"}


def without(*keys: str, **changed: str) -> dict[str, str]:
    return {key: value for key, value in SAFE.items() if key not in keys}


def test_our_own_configuration_with_a_folder_is_accepted() -> None:
    require_safe(SAFE, job_settings())


@pytest.mark.parametrize(
    ("conf", "key", "allow"),
    [
        (without(DIR), DIR, "no-checkpoint-dir"),
        (SAFE | {DIR: ""}, DIR, "no-checkpoint-dir"),
        (SAFE | {"execution.checkpointing.storage": "jobmanager"}, DIR, "no-checkpoint-dir"),
        (without("execution.checkpointing.interval"), "execution.checkpointing.interval", "no-checkpoint-interval"),
        (
            SAFE | {"execution.checkpointing.interval": "0 s"},
            "execution.checkpointing.interval",
            "no-checkpoint-interval",
        ),
        (without("restart-strategy.type"), "restart-strategy.type", "no-restart-bound"),
        (SAFE | {"restart-strategy.type": "none"}, "restart-strategy.type", "no-restart-bound"),
        (
            without("restart-strategy.exponential-delay.attempts-before-reset-backoff"),
            "attempts-before-reset-backoff",
            "no-restart-bound",
        ),
    ],
)
def test_what_is_missing_is_refused_by_its_key_and_can_be_allowed(conf: dict[str, str], key: str, allow: str) -> None:
    with pytest.raises(SettingError) as caught:
        require_safe(conf, job_settings())
    assert key in str(caught.value)
    assert f"--set allow={allow})" in str(caught.value)
    assert "\n" not in str(caught.value)
    require_safe(conf, job_settings(allow=allow))


@pytest.mark.parametrize("conf", [without("python.execution-mode"), SAFE | {"python.execution-mode": "process"}])
def test_process_mode_is_never_allowed(conf: dict[str, str]) -> None:
    every = "no-checkpoint-dir,no-checkpoint-interval,no-restart-bound"
    with pytest.raises(SettingError, match=r"python\.execution-mode: thread"):
        require_safe(conf, job_settings(allow=every))


def test_flinks_defaults_are_refused_one_by_one_until_all_is_allowed() -> None:
    allowed: list[str] = []
    conf = {"python.execution-mode": "thread"}
    for name in ("no-checkpoint-dir", "no-checkpoint-interval", "no-restart-bound"):
        allowed.append(name)
        with pytest.raises(SettingError, match=f"allow={','.join(allowed)}"):
            require_safe(conf, job_settings(allow=",".join(allowed[:-1])))
    require_safe(conf, job_settings(allow=",".join(allowed)))


def test_older_names_of_the_keys_count() -> None:
    conf = without(DIR, "restart-strategy.type") | {
        "state.checkpoints.dir": "hdfs:///checkpoints",
        "restart-strategy": "exponential-delay",
    }
    require_safe(conf, job_settings())


def test_a_name_that_cannot_be_allowed_is_misuse() -> None:
    with pytest.raises(SettingError, match="no-checkpoint-dir, no-checkpoint-interval, no-restart-bound"):
        job_settings(allow="everything")
