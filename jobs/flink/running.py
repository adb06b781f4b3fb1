"""The main function of every job: reads settings, checks Flink's configuration, builds the graph and submits it.

Flink's client calls it on the machine that submits. An error that the operator can act on is one line that begins with
the job's name; `driftline submit` prints it.
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
    """Submit a job with the settings of the command line, --set NAME=VALUE ...; called by the job's script."""
    try:
        submit(spec_of(name), sys.argv[1:], StreamExecutionEnvironment.get_execution_environment())
    except DriftlineError as error:
        sys.exit(f"{name}: {error}")


def submit(spec: JobSpec, arguments: Sequence[str], env: StreamExecutionEnvironment) -> None:
    """Build a job's graph and submit it to the cluster of `env`; prints the job's id.

    Raises:
        SettingError: a setting, or Flink's configuration, is not accepted.
    """
    settings = lay_out(spec, arguments, env)
    job = env.execute_async(f"{spec.name} {settings.namespace}")
    print(f"submitted {spec.name} as job {job.get_job_id()}")


def lay_out(spec: JobSpec, arguments: Sequence[str], env: StreamExecutionEnvironment) -> JobSettings:
    """Build a job's graph in `env`, and return the settings that it was built with.

    The graph is built by the module `spec.module`, also if that file runs as a script: pickled operators then name a
    module that a TaskManager can import.

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
    """Return the configuration that results from the client's files, flags and defaults. Private API of PyFlink 2.3."""
    configuration = get_j_env_configuration(env._j_stream_execution_environment)  # noqa: SLF001
    found: dict[str, str] = Configuration(j_configuration=configuration).to_dict()
    return found
