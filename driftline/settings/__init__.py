"""Every setting of Driftline, in one typed catalogue.

`StackSettings` says where the services are; each is an environment variable `DRIFTLINE_<NAME>`.
`ScoreEventsSettings` belongs to the job score-events: `driftline submit score-events --set NAME=VALUE`, or
`DRIFTLINE_JOB_<NAME>` in the environment of whoever submits; the flag wins.
`ServeSettings` belongs to the gRPC server: flags of `driftline serve`, or `DRIFTLINE_SERVE_<NAME>`; the flag wins.
`ClientSettings` say how `driftline scores` and `driftline rest` call it: `DRIFTLINE_CLIENT_<NAME>`.

A variable with one of the longer prefixes that is no setting is an error; one that only begins with `DRIFTLINE_` is one
where it is a misspelling.
"""

from driftline.settings.base import Format, IsolationLevel
from driftline.settings.client import ClientSettings
from driftline.settings.job import DAY_MS, HOUR_MS, MINUTE_MS, ScoreEventsSettings, parse_assignments
from driftline.settings.server import ServeSettings
from driftline.settings.stack import StackSettings

__all__ = [
    "DAY_MS",
    "HOUR_MS",
    "MINUTE_MS",
    "ClientSettings",
    "Format",
    "IsolationLevel",
    "ScoreEventsSettings",
    "ServeSettings",
    "StackSettings",
    "parse_assignments",
]
