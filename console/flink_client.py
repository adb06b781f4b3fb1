"""Flink's own client, which submits a job's file to the cluster."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from console.flink_rest import FlinkRest, root_cause
from console.settings import StackSettings
from driftline.errors import StackError
from jobs.base_settings import JobSettings
from jobs.flink.guards import CHECKPOINT_DIR, S3_ENDPOINT, SAVEPOINT_DIR
from jobs.register import JobSpec
from jobs.replay_settings import ReplaySettings

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("driftline", "jobs", "udfs", "declarations", "state_schemas", "sink_connectors", "history")
TIMEOUT_S = 120.0
_SUBMITTED = re.compile(r"as job ([0-9a-f]{32})")
_PYTHON_ERROR = re.compile(r"(?!org\.|java)[\w.]*(Error|Exception)\b.*: ")


def run_job(
    spec: JobSpec, stack: StackSettings, settings: JobSettings, savepoint: str, *, drops_state: bool = False
) -> str:
    """Submit a job and return its id; it need not run yet.

    Args:
        spec: of the job.
        stack: where the services are.
        settings: of the job. They travel in the environment: the process list and the client's log show arguments to
            everyone.
        savepoint: the path of what it goes on from, empty for none.
        drops_state: the savepoint may have states that no operator of the job takes.

    Raises:
        StackError: the client failed or took too long; with the cause in one line.
        ServiceUnavailable: a cluster that is not the local one does not tell its configuration.
    """
    from console.local import flink_client, flink_env  # needs the extra `jobs`

    with tempfile.TemporaryDirectory(prefix="driftline-") as scratch:
        # A job with state that is told where to begin goes on from a replay of the lake, whose source it has not.
        dropped = drops_state or (isinstance(settings, ReplaySettings) and bool(settings.start_offsets))
        dropping = ["--allowNonRestoredState"] if savepoint and dropped else []
        command = flink_client(stack, "run", *dropping, *_options(spec, stack, savepoint, Path(scratch)))
        try:
            done = subprocess.run(
                command,
                env=flink_env(stack) | settings.as_environment(only_given=True) | {"PYTHONUNBUFFERED": "1"},
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"submitting {spec.name} took more than {TIMEOUT_S:g} s"
            raise StackError(message) from None
    found = _SUBMITTED.search(done.stdout)
    if done.returncode or not found:
        message = f"{spec.name} was not submitted: {client_error(spec.name, done.stdout + done.stderr)}"
        raise StackError(message)
    return found[1]


def client_error(job: str, output: str) -> str:
    """Return the line of the client's output that says best what is wrong.

    That is the job's own (jobs/flink/running.py), else Python's last exception, else the innermost cause that Java
    names, else the last line.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith(f"{job}: ")]
    if ours:
        return ours[-1]
    python = [line for line in lines if _PYTHON_ERROR.match(line)]
    if python:
        return python[-1]
    if "Caused by: " in output:
        return root_cause(output)
    return lines[-1] if lines else "no output"


def _options(spec: JobSpec, stack: StackSettings, savepoint: str, scratch: Path) -> list[str]:
    options = ["--detached", "--python", str(ROOT / spec.script)]
    if stack.flink_rest:  # a cluster of its own does not have our code
        options += ["--pyFiles", str(_copy_code(scratch)), *_places_of(FlinkRest(stack.flink_address))]
    return [*options, "--fromSavepoint", savepoint] if savepoint else options


def _places_of(flink: FlinkRest) -> list[str]:
    """Name the places that the cluster itself is set to: the client, who checks them, cannot see it."""
    conf = flink.configuration()
    return [f"-D{key}={conf[key]}" for key in (CHECKPOINT_DIR, SAVEPOINT_DIR, S3_ENDPOINT) if conf.get(key)]


def _copy_code(scratch: Path) -> Path:
    """Copy the packages that the job needs into one folder; the checkout itself holds far more.

    Without the compiled core: it belongs to this machine's C library, the cluster's may be older.
    """
    folder = scratch / "code"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return folder
