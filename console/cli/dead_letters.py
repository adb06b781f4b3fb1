"""`driftline dead-letters`: what was rejected and why. `replay` has a file of its own.

What reads Kafka is imported where it is used: the other commands start without it.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from typing import Annotated

import typer
from rich.console import Console

from console.cli.dead_letter_options import Late, Limit, Reasons, Since, Until, opened_topic, selection_of, topic_name
from console.cli.dead_letters_replay import replay
from console.cli.long_runs import with_progress
from console.settings import StackSettings
from driftline.errors import InputError, SettingError

_PIPE_WIDTH = 200  # columns where the output is not a terminal, so that little wraps

app = typer.Typer(
    no_args_is_help=True,
    help="Count, list, show and replay what the job rejected.\n\n"
    "The topics are those of DRIFTLINE_JOB_DEAD_LETTER_TOPIC and, with --late, of DRIFTLINE_JOB_LATE_TOPIC, from their "
    "beginning to where they end now. Nothing is deleted from them.",
)


@app.command()
def stats(
    late: Late = False, as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False
) -> None:
    """Count dead letters by reason: how many, the first and the last, the last message, and the most frequent keys.

    A key is the user's id, unless that is what is wrong; it is shown shortened. Nothing else tells who sent an event.
    """
    from console.cli.dead_letters_text import frequent_keys, table
    from console.dead_letters.statistics import Statistics

    statistics = Statistics()
    with opened_topic(late=late) as topic:
        for letter in with_progress(topic, topic.total, "dead letters"):
            statistics.add(letter)
    if as_json:
        typer.echo(json.dumps(statistics.as_document(), indent=2))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPE_WIDTH)
    if statistics.total:
        console.print(table(statistics))
    console.print(f"{statistics.total:,} in all")
    if keys := frequent_keys(statistics):
        console.print(f"most frequent keys: {keys}", markup=False)


@app.command("list")
def list_letters(
    *,
    late: Late = False,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    look_up: Annotated[
        bool,
        typer.Option(
            "--look-up/--no-look-up",
            help="Tell resubmissions by reading the rejected records themselves; slow for very many.",
        ),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line each.")] = False,
) -> None:
    """List dead letters in the order in which they were written, one line each, without payloads.

    PARTITION:OFFSET, when it was rejected (UTC), reason, topic:partition:offset of the rejected record, the beginning
    of its key, what it was replayed from if it was a resubmission itself, and the message.

    For example: driftline dead-letters list --reason KEY_MISMATCH --since 2h --limit 20
    """
    from console.cli.dead_letters_text import document, line
    from console.dead_letters.replay import selected
    from console.dead_letters.topic import RecordLookup

    selection = selection_of(reason, since, until)
    with opened_topic(late=late, selection=selection) as topic, ExitStack() as opened:
        lookup = opened.enter_context(closing(RecordLookup(StackSettings.load()))) if look_up else None
        for letter in selected(topic, selection, limit):
            full = letter if lookup is None else lookup.complete(letter)
            typer.echo(json.dumps(document(full)) if as_json else line(full))


@app.command()
def show(
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="As `list` prints it.")],
    late: Late = False,
    with_payload: Annotated[
        bool, typer.Option("--payload", help="Print the value, too, decoded and escaped. It may hold personal data.")
    ] = False,
) -> None:
    """Show one dead letter: its key, all headers, and with --payload its value as JSON or the fields of a UserEvent.

    The value of a record that was too large is read from the topic that it came from, if it is still there.
    """
    from console.cli.dead_letters_text import details, payload
    from console.dead_letters.records import Place
    from console.dead_letters.topic import RecordLookup, letter_of

    name = topic_name(late=late)
    wanted = Place.parse(f"{name}:{place}")
    if wanted is None:
        message = f"the argument must be PARTITION:OFFSET such as 0:17, not {place!r}"
        raise SettingError(message)
    with closing(RecordLookup(StackSettings.load())) as lookup:
        record = lookup.at(wanted)
        if record is None:
            message = f"topic {name} holds no record at {place}; `driftline dead-letters list` shows what it holds"
            raise InputError(message)
        letter = lookup.complete(letter_of(record))
    for line in details(letter):
        typer.echo(line)
    if with_payload:
        typer.echo(payload(letter.value))


app.command()(replay)
