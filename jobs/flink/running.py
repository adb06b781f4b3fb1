"""What the main of every job does around its graph: settings, Flink's configuration, submission.

Called by Flink's client, so on the machine that submits. An error that a person can act on is one line that begins with
the job's name; `driftline submit` passes it on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.util.java_utils import get_j_env_configuration

from driftline.errors import DriftlineError
from driftline.units import wall_clock_ms
from jobs.base_settings import JobSettings, parse_assignments
from jobs.flink.guards import RESTORED_FROM, require_safe
from jobs.lineage import Submission
from jobs.register import JobSpec, spec_of


def run(name: str) -> None:
    """Submit a job with the settings on the command line, --set NAME=VALUE ...; the main of its file."""
    try:
        submit(spec_of(name), sys.argv[1:], StreamExecutionEnvironment.get_execution_environment())
    except DriftlineError as error:
        sys.exit(f"{name}: {error}")


def submit(spec: JobSpec, arguments: Sequence[str], env: StreamExecutionEnvironment) -> None:
    """Lay a job out and hand it to the cluster of `env`; prints its id.

    Raises:
        SettingError: a setting, or Flink's configuration, is not accepted.
    """
    settings = lay_out(spec, arguments, env)
    job = env.execute_async(f"{spec.name} {settings.namespace}")
    print(f"submitted {spec.name} as job {job.get_job_id()}")


def lay_out(spec: JobSpec, arguments: Sequence[str], env: StreamExecutionEnvironment) -> JobSettings:
    """Build a job's graph in `env`, and return the settings that it was built with.

    The graph is that of the module `spec.module`, also where the same file runs as a script: what a TaskManager is sent
    names a module that it can import.

    Args:
        spec: of the job.
        arguments: --set NAME=VALUE ...
        env: where it is to run.

    Raises:
        SettingError: a setting, or Flink's configuration, is not accepted.
    """
    loaded: JobSettings = spec.settings.load(**parse_assignments(arguments))
    settings = loaded.as_submitted()
    conf = effective_configuration(env)
    require_safe(conf, settings)
    submission = Submission(generation=wall_clock_ms(), restored=bool(conf.get(RESTORED_FROM)))
    spec.graph()(env, settings, submission)
    return settings


def effective_configuration(env: StreamExecutionEnvironment) -> dict[str, str]:
    """Return what Flink's client made of its files, flags and defaults, by key. Private API of PyFlink 2.3."""
    configuration = get_j_env_configuration(env._j_stream_execution_environment)  # noqa: SLF001
    found: dict[str, str] = Configuration(j_configuration=configuration).to_dict()
    return found
