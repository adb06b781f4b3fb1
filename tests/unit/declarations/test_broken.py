"""What is wrong with a project is said in a line: file, line, path, the wrong word, and the right ones.

faults.txt has the cases: what is added to EVENTS, and, behind `=>`, what is said of it: the line, the path, the fault.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declarations.compile import SHIPPED, plan_of
from declarations.errors import DeclarationError
from tests.unit.declarations.projects import EVENTS, faults_of

MEDIA = (SHIPPED.parent / "templates/media/features.yaml").read_text(encoding="utf-8")


def _cases() -> list[tuple[str, str]]:
    text = Path(__file__).with_name("faults.txt").read_text(encoding="utf-8")
    cases = [block.split("=> ") for block in text.split("\n\n") if block.strip()]
    return [(added.lstrip("\n"), fault.strip()) for added, fault in cases]


@pytest.mark.parametrize(("text", "fault"), _cases())
def test_a_fault_is_one_line(text: str, fault: str) -> None:
    assert faults_of(a=EVENTS + text) == [f"personalization/a.yaml:{fault}"]


def test_all_faults_are_found_at_once() -> None:
    faults = faults_of(
        a="features:\n  plays: {count: play, windw: 7d}\n  double: {expr: plays * 2}\n  b: {expr: bb}\n",
        b="events:\n  play:\n    fields: {x: {type: strin}}\nfeatures:\n  c: {count: lik}\n  b: {count: any}\n",
    )
    assert faults == [
        "personalization/a.yaml:2: features.plays: unknown key 'windw'; did you mean 'window'?",
        "personalization/a.yaml:4: features.b.expr: column 1: there is no bb",
        "personalization/b.yaml:3: events.play.fields.x.type: 'strin' is not accepted; did you mean 'string'?",
        "personalization/b.yaml:5: features.c.count: unknown event 'lik'; did you mean 'CLICK'?",
        "personalization/b.yaml:6: features.b: 'b' is declared twice; the first is in personalization/a.yaml:4",
    ]


def test_what_uses_a_broken_feature_is_not_blamed() -> None:
    broken = "features:\n  a: {count: play, windw: 7d}\n  b: {expr: a + 1}\n  c: {ratio: [a, b]}\n"
    uses = "scores:\n  s: {expr: c}\nsegments:\n  t: {when: s > 1}\n"
    assert len(faults_of(a=EVENTS + broken + uses)) == 1


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xff\xfe", "personalization/a.yaml: is not UTF-8"),
        (b"#" * 1_000_001, "personalization/a.yaml: is over 1,000,000 bytes"),
        (
            b"[1, 2]",
            "personalization/a.yaml:1: must have sections; accepted: project, events, features, scores, segments",
        ),
        (b"a: &a {b: *a}", "personalization/a.yaml:1: too much in it: over 100,000 values, or over 32 levels"),
    ],
)
def test_files_that_are_no_declarations(tmp_path: Path, content: bytes, fault: str) -> None:
    folder = tmp_path / "personalization"
    folder.mkdir()
    (folder / "a.yaml").write_bytes(content)
    with pytest.raises(DeclarationError) as caught:
        plan_of(folder)
    assert fault in caught.value.lines


def test_a_file_of_aliases_does_not_fill_the_memory() -> None:
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 30))
    faults = faults_of(a="l0: &l0 [x]\n" + levels)
    assert any("too much in it" in fault for fault in faults)


def test_a_folder_without_files_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"has no \*\.yaml file; 'driftline init' writes a first project"):
        plan_of(tmp_path)
    with pytest.raises(DeclarationError, match="cannot be read: No such file or directory"):
        plan_of(tmp_path / "none")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_no_text_is_answered_with_another_error(text: str) -> None:
    _only_declaration_errors(text)


@settings(max_examples=40)
@given(st.data())
def test_no_damage_is_answered_with_another_error(data: st.DataObject) -> None:
    whole = EVENTS + (SHIPPED / "scores.yaml").read_text() + MEDIA
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    put = data.draw(st.sampled_from(["", "{", "}", "\n", ": ", "- ", "[", "7d", "null", "'", '"', "any", "&a ", "*a "]))
    _only_declaration_errors(whole[:start] + put + whole[end:])


def _only_declaration_errors(text: str) -> None:
    for fault in faults_of(a=text):
        assert "\n" not in fault
        assert fault.startswith("personalization")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "events:\n" + "".join(f"  e{i}x: {{}}\n" for i in range(201)),
            "1: events: 201 events are declared; at most 200",
        ),
        (
            "events:\n  e:\n    fields:\n" + "".join(f"      f{i}: {{type: bool}}\n" for i in range(101)),
            "2: events.e: 101 fields; at most 100",
        ),
        (
            "features:\n" + "".join(f"  f{i}: {{count: VIEW}}\n" for i in range(1_001)),
            "1: features: 1001 features, parts included; at most 1000",
        ),
        ("scores:\n" + "".join(f"  s{i}: {{expr: '1'}}\n" for i in range(51)), "1: scores: 51 scores; at most 50"),
        (
            "segments:\n" + "".join(f"  s{i}: {{when: events_total > {i}}}\n" for i in range(201)),
            "1: segments: 201 segments; at most 200",
        ),
        (
            f"features:\n  {'a' * 65}: {{count: VIEW}}\n",
            f"2: features.{'a' * 65}: '{'a' * 65}' is no name; small letters, digits and '_', at most 64",
        ),
    ],
    ids=["events", "fields", "features", "scores", "segments", "name"],
)
def test_bounds(text: str, fault: str) -> None:
    assert faults_of(a=text) == [f"personalization/a.yaml:{fault}"]
