"""The command that makes a training set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from console.cli.events import MAPPING_HELP, SKIP_BAD_HELP
from console.cli.models import Declarations, job_settings
from driftline.units import wall_clock_ms

if TYPE_CHECKING:
    from training.card import Card

SCORE_HELP = "The declared score to learn. [default: the only one that a model makes, or purchase_propensity]"
EVENTS_HELP = "History to learn from, as for publish; - is the standard input. Repeatable."
LAKE_HELP = "Learn from the lake (DRIFTLINE_LAKE_URL)."
DATES_HELP = "Event dates of the lake to read, like 2026-01-05..2026-01-31; features know nothing from before."

Score = Annotated[str, typer.Argument(metavar="[SCORE]", help=SCORE_HELP, show_default=False)]
Events = Annotated[list[Path] | None, typer.Option("--events", metavar="FILE", help=EVENTS_HELP, show_default=False)]
FromLake = Annotated[bool, typer.Option("--lake", help=LAKE_HELP)]
Dates = Annotated[str, typer.Option(metavar="A..B", help=DATES_HELP, show_default="all")]
MappingFile = Annotated[Path | None, typer.Option("--mapping", metavar="FILE", help=MAPPING_HELP, show_default=False)]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help=SKIP_BAD_HELP)]


def training_set(  # noqa: PLR0917  (options, which Typer passes by name)
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="New folder for the rows and their card.")],
    score: Score = "",
    events: Events = None,
    lake: FromLake = False,
    dates: Dates = "",
    sample: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the users: all moments of a user, or none.")
    ] = 1.0,
    rows_max: Annotated[
        int, typer.Option(min=0, help="At most so many rows, of whole users.", show_default="no bound")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Another seed takes other users.")] = 0,
    user_ids: Annotated[bool, typer.Option("--user-ids", help="Name users by their ids, beside the hash.")] = False,
    declarations: Declarations = None,
    mapping: MappingFile = None,
    skip_bad: SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Write the rows that a score's model learns from as Parquet, with a card that says what they are.

    A row is a moment of a user: an event, or an age of silence. Its features are as of that moment, made by the code
    that serves them; its label looks at what came after it alone. What the job would refuse, call late or have
    forgotten makes no row. The same events, options and seed give the same bytes. FOLDER/card.md says where the rows
    are from, how the label goes over time, and what was left out.

    `driftline train SCORE --training-set FOLDER` makes the model of it that it would make of the events.

    For example: driftline training-set purchase_propensity --out january --lake --dates 2026-01-01..2026-01-31
    --sample 0.1
    """
    from console.training_data import Wanted, code_of_training, feature_settings, label_text, plan_and_score, read_data
    from training.sampling import Sampling
    from training.training_set import Origin, require_free, write_set

    wanted = Wanted(files=tuple(events or ()), lake=lake, dates=dates, mapping=mapping, skip_bad=skip_bad)
    wanted.require_one("")
    sampling = Sampling(sample, rows_max, seed)
    require_free(out)
    settings = job_settings(declarations)
    plan, learned = plan_and_score(settings, score)
    now_ms = wall_clock_ms()
    with Console(stderr=True).status("") as status:
        data = read_data(wanted, settings, learned, now_ms, status.update, sampling=sampling)
        status.update("writing")
        origin = Origin(
            label=label_text(plan, learned.score.name),
            settings=feature_settings(settings),
            source=data.source,
            sampling=sampling.as_card(),
            events=data.events,
            code=code_of_training(),
            now_ms=now_ms,
        )
        card = write_set(out, data.examples, learned, origin, data.user_ids if user_ids else None)
    for line in data.remarks:
        typer.echo(line, err=True)
    if as_json:
        typer.echo(card.as_json(), nl=False)
        return
    _tell(card, out)


def _tell(card: Card, out: Path) -> None:
    split = card.split
    typer.echo(
        f"{card.rows:,} rows of {card.users:,} users for {card.score} in {out}: {split['train']:,} train, "
        f"{split['test']:,} test; mean of the label {card.label_mean:.4g}"
    )
    for cause, number in card.left_out.items():
        typer.echo(f"left out: {number:,} {cause}", err=True)
    typer.echo(f"{out}/card.md says what they are; rows.parquet has SHA-256 {card.rows_sha256}")
