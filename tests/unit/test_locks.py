"""The locks: each has a hash for everything, and holds what the extras of setup.py ask for."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==(\S+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
OF_FLINK = {"apache-flink", "apache-beam", "py4j", "pemja", "scikit-learn", "onnxruntime"}


def declared() -> dict[str, list[str]]:
    """The lists of requirements in setup.py, by name."""
    lists: dict[str, list[str]] = {}
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List) and isinstance(node.targets[0], ast.Name):
            values: list[str] = []
            for one in node.value.elts:
                values += lists[one.value.id] if isinstance(one, ast.Starred) else [ast.literal_eval(one)]  # type: ignore[attr-defined]
            lists[node.targets[0].id] = values
    return lists


def locked(name: str) -> dict[str, Version]:
    return {canonicalize_name(found[1]): Version(found[2]) for found in PINNED.finditer((ROOT / name).read_text())}


ALL = ("CORE", "JOBS", "SERVING", "TRACING", "CLIENT", "REST", "REGISTRY", "NOTEBOOKS", "DEV")


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("requirements.lock", ALL), ("requirements-serving.lock", ("CORE", "SERVING", "TRACING", "REST"))],
)
def test_a_lock_holds_what_setup_asks_for(lock: str, extras: tuple[str, ...]) -> None:
    versions = locked(lock)
    for extra in extras:
        for requirement in map(Requirement, declared()[extra]):
            assert canonicalize_name(requirement.name) in versions, requirement
            assert versions[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_the_server_s_lock_is_held_back_by_nothing_of_flink_s() -> None:
    versions = locked("requirements-serving.lock")
    assert not versions.keys() & OF_FLINK
    assert versions["grpcio"] >= Version("1.80")


@pytest.mark.parametrize(
    "lock",
    [
        "requirements.lock",
        "requirements-serving.lock",
        "benchmarks/feast_requirements.txt",
        *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "scripts" / "pins").glob("*.txt")),
    ],
)
def test_everything_that_is_installed_has_a_hash(lock: str) -> None:
    found = list(PINNED.finditer((ROOT / lock).read_text()))
    assert found
    assert [name for name, rest in ((one[1], one[3]) for one in found) if "--hash=sha256:" not in rest] == []


def test_set_up_installs_nothing_without_a_hash() -> None:
    installs = re.findall(r"(?:pip install|pip sync)(?:\\\n|[^\n])*", (ROOT / "scripts" / "setup").read_text())
    assert len(installs) == 4
    assert [line for line in installs if "--require-hashes" not in line and "--no-deps --editable ." not in line] == []
    builds = [line for line in installs if "--build-constraints" in line]
    assert len(builds) == 2
    assert [line for line in builds if "--require-build-hashes" not in line] == []
