import os
import sys
from pathlib import Path

import pytest

from console.local import flink_client, flink_env
from console.local.flink_conf import CONF_SOURCE, ROOT, FlinkFiles, pyflink, read_conf
from console.local.home import Home
from console.settings import StackSettings
from driftline.errors import StackError


@pytest.fixture(autouse=True)
def connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = tmp_path / "flink-sql-connector-kafka-0.jar"
    jar.touch()
    monkeypatch.setattr("console.local.artifacts.kafka_connector", lambda: jar)
    parquet = tmp_path / "flink-sql-parquet-0.jar"
    parquet.touch()
    monkeypatch.setattr("console.local.artifacts.parquet_format", lambda: [parquet])
    plugin = tmp_path / "flink-s3-fs-hadoop-0"
    plugin.mkdir()
    monkeypatch.setattr("console.local.artifacts.jars", lambda _: plugin)


def files(tmp_path: Path, **settings: object) -> FlinkFiles:
    loaded: StackSettings = StackSettings.load(home=tmp_path / "home", **settings)
    return FlinkFiles(loaded, Home(loaded.home))


def test_flat_and_nested_keys_mean_the_same(tmp_path: Path) -> None:
    conf = tmp_path / "conf.yaml"
    conf.write_text("a:\n  b: 1\n  c.d: true\ne.f: [x, y]\n")
    assert read_conf(conf) == {"a.b": "1", "a.c.d": "true", "e.f": "x;y"}


@pytest.mark.parametrize("content", ["a: [", "just words", ""])
def test_a_configuration_that_is_none_is_one_clear_error(tmp_path: Path, content: str) -> None:
    conf = tmp_path / "conf.yaml"
    conf.write_text(content)
    with pytest.raises(StackError, match=r"cannot read .*conf\.yaml"):
        read_conf(conf)


def test_the_shipped_configuration_is_the_one_at_the_top() -> None:
    assert CONF_SOURCE.resolve() == ROOT / "flink-conf.yaml"
    assert (ROOT / "conf" / "config.yaml").resolve() == ROOT / "flink-conf.yaml"


def test_every_key_of_the_configuration_has_its_reason() -> None:
    previous = "#"
    for line in CONF_SOURCE.read_text().splitlines():
        is_key = line[:1].isalpha()
        continues = is_key and previous[:1].isalpha()  # keys of one reason stand together
        assert not is_key or previous.startswith("#") or continues, line
        previous = line


def test_a_local_cluster_is_reached_on_loopback_only(tmp_path: Path) -> None:
    conf = files(tmp_path, flink_port=12345).prepare()
    hosts = [key for key in conf if key.endswith(("-host", ".address", "bind-address", "taskmanager.host"))]
    assert {conf[key] for key in hosts} == {"127.0.0.1"}
    assert conf["rest.port"] == conf["rest.bind-port"] == "12345"
    assert conf["taskmanager.numberOfTaskSlots"] == "1"
    assert conf["execution.checkpointing.dir"] == (tmp_path / "home/flink/checkpoints").as_uri()


def test_prometheus_s_reporter_which_listens_everywhere_needs_ports_of_its_own(tmp_path: Path) -> None:
    local = files(tmp_path).prepare()
    assert [key for key in local if key.startswith("metrics.reporter.")] == []
    open_to_prometheus = files(tmp_path / "other", flink_metrics_ports="9300-9309").prepare()
    assert open_to_prometheus["metrics.reporter.prom.port"] == "9300-9309"
    assert open_to_prometheus["metrics.reporter.prom.factory.class"].endswith(".PrometheusReporterFactory")


def test_thread_mode_python_finds_the_packages_and_an_editable_install(tmp_path: Path) -> None:
    conf = files(tmp_path).prepare()
    assert {str(pyflink().parent), str(ROOT)} <= set(conf["python.pythonpath"].split(os.pathsep))
    assert conf["python.executable"] == conf["python.client.executable"] == sys.executable


def test_the_class_path_has_flink_python_and_the_connector_once(tmp_path: Path) -> None:
    for _ in range(2):
        prepared = files(tmp_path)
        prepared.prepare()
    names = [jar.name for jar in prepared.lib_dir.iterdir()]
    for start in ("flink-dist-", "flink-python-", "flink-sql-connector-kafka-", "flink-sql-parquet-"):
        assert sum(name.startswith(start) for name in names) == 1
    assert all(jar.exists() for jar in prepared.lib_dir.iterdir())


def test_jars_of_another_version_leave_the_class_path(tmp_path: Path) -> None:
    files(tmp_path).prepare()
    old = tmp_path / "home/flink/lib/flink-dist-1.0.jar"
    old.symlink_to(tmp_path / "gone.jar")
    files(tmp_path).prepare()
    assert not old.is_symlink()


def test_a_lake_in_s3_brings_flink_s_plugin_and_where_it_is(tmp_path: Path) -> None:
    there = files(tmp_path, lake_url="s3://bucket/lake", s3_endpoint="http://127.0.0.1:9000")
    conf = there.prepare()
    assert (conf["s3.endpoint"], conf["s3.path.style.access"]) == ("http://127.0.0.1:9000", "true")
    assert (there.plugins_dir / "s3-fs-hadoop").resolve() == tmp_path / "flink-s3-fs-hadoop-0"
    here = files(tmp_path)
    assert not [key for key in here.prepare() if key.startswith("s3.")]
    assert "s3-fs-hadoop" not in {plugin.name for plugin in here.plugins_dir.iterdir()}
    assert (here.plugins_dir / "metrics-prometheus").is_dir()
    assert here.env()["FLINK_PLUGINS_DIR"] == str(here.plugins_dir)


def test_the_client_reaches_an_existing_cluster(tmp_path: Path) -> None:
    conf = files(tmp_path, flink_rest="http://flink.example:8082/").prepare()
    assert (conf["rest.address"], conf["rest.port"]) == ("flink.example", "8082")
    assert "python.executable" not in conf  # that machine has a Python of its own
    assert "execution.checkpointing.dir" not in conf


def test_an_existing_cluster_may_be_behind_tls(tmp_path: Path) -> None:
    conf = files(tmp_path, flink_rest="https://flink.example").prepare()
    assert (conf["rest.port"], conf["security.ssl.rest.enabled"]) == ("443", "true")


def test_an_address_that_is_no_url_names_its_setting(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="DRIFTLINE_FLINK_REST"):
        files(tmp_path, flink_rest="flink").prepare()


def test_the_client_command_ends_with_its_arguments(tmp_path: Path) -> None:
    settings: StackSettings = StackSettings.load(home=tmp_path / "home")
    command = flink_client(settings, "run", "-d")
    assert command[-3:] == ["org.apache.flink.client.cli.CliFrontend", "run", "-d"]
    env = flink_env(settings)
    assert Path(env["FLINK_CONF_DIR"], "config.yaml").is_file()
    assert any(Path(env["FLINK_LIB_DIR"]).glob("flink-python-*.jar"))
