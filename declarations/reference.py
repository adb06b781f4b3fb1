"""The reference of declarations as Markdown, made of the models, the compiler and the costs of the examples."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap
from typing import Any, Final

from declarations.cel_functions import FUNCTIONS, METHODS, UNSUPPORTED
from declarations.compile import plan_of
from declarations.costs import feature_costs
from declarations.derived import PROFILE, RESERVED
from declarations.event_models import EventDeclaration, FieldDeclaration
from declarations.feature_models import (
    CAP_MAX,
    FEATURES,
    HOPS_MAX,
    Aggregate,
    Dimension,
    Feature,
    FieldAggregate,
    Windowed,
)
from declarations.models import ProjectSettings
from declarations.reference_functions import EXAMPLE_FEATURES, FUNCTION_TEXTS, OPERATORS, PROFILE_TEXTS, Function
from declarations.reference_keys import key_table, keys_of
from declarations.reference_kinds import EXAMPLE_EVENTS, KIND_TEXTS
from declarations.score_models import Estimator, ExprScore, Label, ModelScore, Segment

_HEAD: Final = """\
# Reference of declarations

Made by `driftline schema --markdown`; a test compares. [Declarations](declarations.md) is the way in, the
[cookbook](cookbook.md) has examples to copy.

A project is a folder of `*.yaml` files (YAML 1.2), read together. Each may have any of the sections
[project](#project), [events](#events), [features](#features), [scores](#scores) and [segments](#segments). An unknown
key is an error.

| word | means |
|---|---|
| name | small letters, digits and `_`, a letter first, at most 64; built-in events are in capitals |
| duration | a whole number with a unit: `30s`, `5m`, `12h`, `7d`, `4w` |
| expression | [CEL](#expressions) in quotes, which may be left out where YAML does not need them |
| field | of an event: a declared one, or `value`, `category`, `time`, which every event has |
"""
_COLUMNS: Final = 120
_FIELD_TYPES: Final = (
    "How each type is read: [types and fields of your own](events.md#types-and-fields-of-your-own). In expressions, "
    "`string` is a text, `bool` a truth, `strings` a text, and the others are numbers, times in milliseconds since "
    "1970."
)


def reference_text() -> str:
    """Return the whole page."""
    parts = [
        _HEAD,
        _section("## project", key_table(ProjectSettings), _yaml("project: {name: media, time_zone: Europe/Berlin}")),
        _events(),
        _features(),
        *[_kind(word) for word in FEATURES],
        _scores(),
        _section("## segments", key_table(Segment), _SEGMENTS),
        _expressions(),
    ]
    return "\n".join(parts)


def _section(*parts: str) -> str:
    return "\n\n".join(_wrapped(part.strip("\n")) for part in parts) + "\n"


def _wrapped(part: str) -> str:
    """Break the lines of prose; tables, code and headings stay as they are."""
    if part.startswith(("|", "`" * 3, "#")) or "`" * 3 in part:
        return part
    lines = [wrap(line, _COLUMNS, subsequent_indent="  " * line.startswith("- ")) for line in part.split("\n")]
    return "\n".join(line for each in lines for line in each)


def _yaml(text: str) -> str:
    return f"```yaml\n{text.strip()}\n```"


def _events() -> str:
    built_in = (
        "Built-in types (VIEW CLICK ADD_TO_CART PURCHASE SEARCH SURVEY_RESPONSE EMAIL_OPEN CUSTOM REFUND) can be used "
        "without being declared; they are declared to give them fields. Any other name is a type of your own. `any` "
        "stands for all types, `CUSTOM` for all events that come as CUSTOM, declared ones included."
    )
    return _section(
        "## events",
        built_in,
        key_table(EventDeclaration),
        "### Fields",
        key_table(FieldDeclaration),
        _FIELD_TYPES,
        _yaml(EXAMPLE_EVENTS),
    )


def _features() -> str:
    return _section(
        "## features",
        "A feature is known by its first word, one of "
        + ", ".join(f"[{word}](#{word})" for word in FEATURES)
        + ". Their order is that of the vector.",
        "Every feature may have",
        key_table(Feature),
        "a feature over events also",
        key_table(Aggregate, without=keys_of(Feature)),
        "one over a field of events also",
        key_table(FieldAggregate, without=keys_of(Aggregate)),
        "and, where its section names them,",
        key_table(Windowed),
        key_table(Dimension),
        f"A window has at most {HOPS_MAX} hops. Without `hop` it is the one of 5m, 1h, 6h, 1d that is nearest to a "
        f"24th of the window and divides it. `cap` is at most {CAP_MAX:,}; without it the job's setting "
        "`categories_max` decides. `window` excludes `half_life`, and both exclude a `scope`.",
        "Bytes are of one user's state: at worst, with every map and window full and every text 256 bytes long, and as "
        "a rule. The default of `unit` is events, texts, days, changes, ratio, or 1.",
    )


def _kind(word: str) -> str:
    model, text = FEATURES[word], KIND_TEXTS[word]
    options = [key for key in keys_of(model) if key != word and key not in keys_of(Feature)]
    shared = {*keys_of(Aggregate), *keys_of(FieldAggregate), *keys_of(Windowed), *keys_of(Dimension)}
    own = [key for key in keys_of(model) if key not in shared or (word == "since" and key == "unit")]
    taken = [key for key in options if key not in own]
    return _section(
        f"### {word}",
        text.computes,
        f"- Before there is an event: {text.before}.\n- Precision and edges: {text.edges}"
        + (f"\n- Takes {', '.join(f'`{key}`' for key in taken)}." if taken else ""),
        key_table(model, only=own),
        _yaml("features:\n" + "\n".join(f"  {line}" for each in text.examples for line in each.split("\n"))),
        _cost_table(text.examples),
    )


def _cost_table(examples: tuple[str, ...]) -> str:
    rows = []
    for example in examples:
        costs = [cost for cost in feature_costs(example_plan(example)) if _is_of(example, cost.name)]
        name = costs[0].name if len(costs) == 1 else f"{costs[0].name}` to `{costs[-1].name}"
        worst, usual = sum(cost.worst for cost in costs), sum(cost.usual for cost in costs)
        bytes_shown = f"{worst:,} | {usual:,}" if worst else "none of its own |"
        rows.append(
            f"| `{name}` | {costs[0].type} | {'yes' if costs[0].position is not None else 'no'} | {bytes_shown} |"
        )
    return "\n".join(["| feature | is a | in the vector | bytes at worst | usual |", "|---|---|---|---|---|", *rows])


def _is_of(example: str, name: str) -> bool:
    """Whether a feature comes of the last line of an example; the lines before are what it is computed from."""
    declared = example.rpartition("\n")[2].partition(":")[0]
    return name == declared or (name.startswith(f"{declared}_") and name[len(declared) + 1 :].isdigit())


def example_plan(features: str, more: str = "") -> dict[str, Any]:
    """Return the plan of features over the example's events.

    Args:
        features: lines of YAML, as in KIND_TEXTS.
        more: other sections.
    """
    text = EXAMPLE_EVENTS + "features:\n" + "".join(f"  {line}\n" for line in features.split("\n")) + more
    with TemporaryDirectory() as folder:
        (Path(folder) / "example.yaml").write_text(text, encoding="utf-8")
        return plan_of(Path(folder))


_SCORES: Final = """\
scores:
  engagement: {expr: "min(1, log1p(plays_30d) / log1p(100))"}
  subscription:
    model: classification
    features: [plays_30d, mean_seconds]
    estimator: {name: LogisticRegression, params: {C: 0.1}}
    label: {event: subscribe, within: 7d}
  listening:
    model: regression
    label: {sum: seconds, of: play, within: 7d}
  leaving:
    expr: 1 / (1 + plays_30d)        # until a model is trained
    model: classification
    label: {absence_of: any, within: 14d}
    falls_with: plays_30d"""
_SEGMENTS: Final = """\
When a user is a member: [segments](segments.md). `enter` and `leave` see features and scores; over the score of a model
there is neither `leave` nor `min_stay`.

```yaml
segments:
  fans: {enter: plays_30d >= 20, leave: plays_30d < 10, min_stay: 1d}
  likely: {when: subscription > 0.5}
```"""


def _scores() -> str:
    return _section(
        "## scores",
        "A score has `expr`, or `model`, or both: the formula then stands in until a model is trained. "
        "[Models](models.md) says what labels and estimators there are, and what a model learns of silent users.",
        key_table(ExprScore),
        key_table(ModelScore),
        "### Label",
        "One of `event`, `sum` and `absence_of`.",
        key_table(Label),
        "### Estimator",
        key_table(Estimator),
        _yaml(_SCORES),
    )


def _expressions() -> str:
    functions = {name: FUNCTION_TEXTS[name] for name in (*FUNCTIONS, *METHODS)}
    profile = "\n".join(f"| `{name}` | {PROFILE_TEXTS[name]} |" for name in PROFILE)
    unsupported = ", ".join(f"`{name}`" for name in UNSUPPORTED)
    return _section(
        "## Expressions",
        "[CEL](https://cel.dev), checked when the project is read. All numbers are doubles, so `7 / 2` is 3.5. Nothing "
        "fails while events are folded: a result that is not finite, as after a division by zero, becomes the "
        "feature's default, or 0 in a score.",
        "In YAML an expression stands in quotes where it has `:`, `[`, `{` or a text in it, begins with `!`, or has a "
        "comma between the braces of `{expr: ...}`. `check` says so where they are missing.",
        "- `expr` of features and scores, and conditions of segments, see the features by name and the names below; "
        "segments see the scores, too.\n"
        "- `where` sees the event: its declared fields, `value`, `category`, `time` (milliseconds since 1970) and "
        "`type` (the name of its type).",
        f"| name | is |\n|---|---|\n{profile}",
        f"No feature may have one of these names, nor a word of CEL ({', '.join(sorted(RESERVED - PROFILE.keys()))}).",
        "### Operators",
        "The examples are over",
        _yaml(EXAMPLE_FEATURES),
        "of a user with three plays of abba, one of queen, and the plan pro, as of Monday, 5 January 2026, 18:30 UTC.",
        _function_table(OPERATORS, "operator"),
        "### Functions",
        "`day_angle`, `hour` and `day_of_week` are of the as-of time, in `where` of the event's; "
        "`hour(first_event_ms)` is of another one. All are in the project's time zone.",
        _function_table(tuple(functions.values()), "function"),
        f"What CEL has and these expressions have not: {unsupported}, lists and maps that are written out (but for "
        "`in`), null, bytes, messages.",
    )


def _function_table(functions: tuple[Function, ...], word: str) -> str:
    rows = []
    for each in functions:
        call = each.call if "`" in each.call else f"`{each.call}`"
        cells = (call, each.means, f"`{each.example}`", each.value)
        rows.append("| " + " | ".join(cell.replace("||", "\\|\\|") for cell in cells) + " |")
    return "\n".join([f"| {word} | gives | example | is |", "|---|---|---|---|", *rows])
