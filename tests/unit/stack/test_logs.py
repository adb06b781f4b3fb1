from pathlib import Path

from console.local.logs import OLD_FILES_MAX, bound, rotate, tail


def test_rotation_keeps_a_bounded_number_of_files(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for number in range(6):
        rotate(log)
        log.write_text(str(number))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.log", "x.log.1", "x.log.2", "x.log.3"]
    assert [(tmp_path / f"x.log.{n}").read_text() for n in range(1, OLD_FILES_MAX + 1)] == ["4", "3", "2"]


def test_an_empty_or_missing_log_is_not_rotated(tmp_path: Path) -> None:
    rotate(tmp_path / "new" / "x.log")
    (tmp_path / "new" / "x.log").touch()
    rotate(tmp_path / "new" / "x.log")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.log"]


def test_a_console_is_cut_while_its_writer_goes_on(tmp_path: Path) -> None:
    console = tmp_path / "x.out"
    with console.open("ab", buffering=0) as writer:
        writer.write(b"old " * 100)
        assert not bound(console, bytes_max=400)
        writer.write(b"last")
        assert bound(console, bytes_max=400)
        writer.write(b"new")
    assert console.read_bytes() == b"new"
    assert (tmp_path / "x.out.1").read_bytes().endswith(b"old last")


def test_tail_leaves_out_logs_of_an_earlier_start(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n2\n3\n")
    assert tail([tmp_path / "missing", tmp_path / "a"], lines_max=2) == "2\n3"
    assert tail([tmp_path / "a"], since_s=(tmp_path / "a").stat().st_mtime + 1) == ""
