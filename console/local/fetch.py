"""`python -m console.local.fetch`: download what every stack needs ahead of the first `driftline up`."""

from __future__ import annotations

import sys

from console.local.artifacts import KAFKA, KAFKA_CONNECTOR, PARQUET_FORMAT, jars
from driftline.errors import DriftlineError


def main() -> int:
    """Fetch what is not there yet."""
    try:
        for artifact in (KAFKA, KAFKA_CONNECTOR, PARQUET_FORMAT):
            jars(artifact, print)
    except DriftlineError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
