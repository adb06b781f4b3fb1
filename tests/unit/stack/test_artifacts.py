"""Downloads, with a stand-in for Maven that makes the jar it is asked for."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.profilers import ASYNC_PROFILER
from console.local import artifacts
from console.local.artifacts import Artifact, cache, jars
from driftline.errors import StackError

SMALL = Artifact("small-1.0", ("org.example:small:1.0",), "1 MB")
WORKS = """\
for argument; do case "$argument" in -DoutputDirectory=*) out="${argument#-DoutputDirectory=}";; esac; done
mkdir -p "$out"; echo jar >"$out/small.jar"; echo called >>"$CALLS"
"""
JAR = b"jar\n"
FAILS = 'echo "[ERROR] no route to host"; exit 1'


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    pins = tmp_path / "pins.sha256"
    pins.write_text(f"# pins\n{hashlib.sha256(JAR).hexdigest()}  small-1.0/small.jar\n0  other-1.0/other.jar\n")
    monkeypatch.setattr(artifacts, "PINS", pins)
    script = tmp_path / "mvn"
    script.write_text(f"#!/bin/sh\n{WORKS}")
    script.chmod(0o755)
    return script


def test_a_download_happens_once_and_is_announced(maven: Path, tmp_path: Path) -> None:
    said: list[str] = []
    assert [path.name for path in jars(SMALL, said.append).iterdir()] == ["small.jar"]
    jars(SMALL, said.append)
    assert (tmp_path / "calls").read_text() == "called\n"
    assert said == ["downloading small-1.0 (about 1 MB, once)"]


def test_what_is_wanted_alone_comes_without_what_it_depends_on(maven: Path, tmp_path: Path) -> None:
    maven.write_text(f'#!/bin/sh\n{WORKS}echo "$@" >>"$CALLS"\n')
    jars(replace(SMALL, alone=True))
    assert "-DexcludeTransitive=true" in (tmp_path / "calls").read_text()


def test_a_failed_download_gives_maven_s_reason_and_leaves_nothing(maven: Path) -> None:
    maven.write_text(f"#!/bin/sh\n{FAILS}")
    with pytest.raises(StackError, match=r"cannot download small-1\.0: no route to host"):
        jars(SMALL)
    assert [path.name for path in cache().iterdir() if path.is_dir()] == []


def test_what_a_cut_off_download_left_is_not_used(maven: Path) -> None:
    left = cache() / "small-1.0.abc"
    (left / "jars").mkdir(parents=True)
    (left / "jars" / "half.jar").touch()
    assert [path.name for path in jars(SMALL).iterdir()] == ["small.jar"]
    assert not left.exists()


def test_without_maven_the_message_says_what_to_install(maven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(maven.parent / "empty"))
    with pytest.raises(StackError, match="install it, for example: apt install maven"):
        jars(SMALL)


@pytest.mark.parametrize(
    "made", ['echo tampered >"$out/small.jar"', 'cp "$out/small.jar" "$out/more.jar"', 'rm "$out"/*']
)
def test_a_download_that_is_not_the_pinned_one_is_refused_and_leaves_nothing(maven: Path, made: str) -> None:
    maven.write_text(f"#!/bin/sh\n{WORKS}{made}\n")
    with pytest.raises(StackError, match=r"small-1\.0: .*(small|more)\.jar .*pins\.sha256|has no jars"):
        jars(SMALL)
    assert [path.name for path in cache().iterdir() if path.is_dir()] == []


def test_what_an_earlier_release_downloaded_is_checked_once(maven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cache() / "small-1.0"
    folder.mkdir(parents=True)
    (folder / "small.jar").write_bytes(b"tampered")
    with pytest.raises(StackError, match=r"small\.jar is not the file .*; delete .*small-1\.0 and try again"):
        jars(SMALL)
    (folder / "small.jar").write_bytes(JAR)
    assert jars(SMALL) == folder
    monkeypatch.setattr(artifacts, "_verify", lambda *_: pytest.fail("checked again"))
    assert jars(SMALL) == folder


def test_every_artifact_has_pins() -> None:
    pinned = {Path(line.split()[1]).parent.name for line in artifacts.PINS.read_text().splitlines()[1:]}
    of_flink = (artifacts.KAFKA_CONNECTOR, artifacts.PARQUET_FORMAT, artifacts.S3_PLUGIN)
    assert pinned == {artifacts.KAFKA.name, ASYNC_PROFILER.name, *(artifact.name for artifact in of_flink)}
