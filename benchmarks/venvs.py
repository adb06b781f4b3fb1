"""A virtual environment a foreign framework, made once and kept in the cache: their pins and Flink's do not agree."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path.home() / ".cache" / "driftline" / "bench"
# What Driftline's core needs, in the versions of requirements.lock: every contender computes with the same libraries.
SHARED = ("protobuf", "xxhash", "numpy", "onnxruntime", "redis", "hiredis", "tenacity")
SETTINGS = "pydantic-settings==2.15.0"  # only reads settings; Quix Streams stops below 2.16
FRAMEWORKS: dict[str, tuple[str, ...]] = {
    "plain": ("confluent-kafka==2.12.2",),
    "quix": ("quixstreams==3.28.1", "confluent-kafka==2.12.2"),
    "bytewax": ("bytewax[kafka]==0.21.1", "confluent-kafka==2.12.2"),
}
TOOLS = {"py-spy": "py-spy==0.4.3"}  # programs, each alone in an environment
_LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"


def python_of(framework: str) -> Path:
    """The interpreter of the framework's environment, which is made if it is missing.

    Raises:
        subprocess.CalledProcessError: it could not be made; its stderr says why.
    """
    return _made(framework, [*FRAMEWORKS[framework], *_shared_pins(), SETTINGS]) / "python"


def tool(name: str) -> Path:
    """A program, which is installed if it is missing. Raises like `python_of`."""
    return _made(name, [TOOLS[name]]) / name


def _made(name: str, pins: list[str]) -> Path:
    """The folder of the programs of an environment with these packages."""
    folder = CACHE / f"{name}-{hashlib.sha256(' '.join([*pins, sys.version]).encode()).hexdigest()[:12]}"
    if not (folder / "ready").exists():
        uv = _uv()
        shutil.rmtree(folder, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *pins)
        (folder / "ready").touch()
    return folder / "bin"


def versions(framework: str) -> str:
    """The framework's own pins, for people."""
    return ", ".join(pin.replace("==", " ") for pin in FRAMEWORKS[framework])


def _shared_pins() -> list[str]:
    lines = (line.split() for line in _LOCK.read_text().splitlines() if "==" in line)
    return [words[0] for words in lines if words[0].partition("==")[0] in SHARED]


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")  # where `make setup` puts it
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        message = "uv is missing; run: make setup"
        raise RuntimeError(message)
    return found


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
