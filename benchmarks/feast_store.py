"""Run by Feast's own interpreter: defines a repository and writes users with Feast's own API.

python benchmarks/feast_store.py REPOSITORY VALUES.npy

VALUES: float32, a row a user (user-000000, ...), the features first, then the scores.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float32

SCORES = ("purchase_propensity", "engagement", "churn_risk")
ROWS = 5_000  # a write


def main() -> None:
    """Define and fill."""
    repository, values = Path(sys.argv[1]), np.load(sys.argv[2])
    names = [*(f"feature_{number}" for number in range(values.shape[1] - len(SCORES))), *SCORES]
    store = FeatureStore(str(repository))
    source_file, now = repository / "users.parquet", datetime.now(UTC)
    frame = pd.DataFrame(values, columns=names)
    frame.insert(0, "user_id", [f"user-{number:06d}" for number in range(len(values))])
    frame["event_timestamp"] = now
    frame.head(1).to_parquet(source_file)  # what the view would be materialised from; only its columns are read
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="user_scores",
        entities=[user],
        ttl=timedelta(days=90),
        schema=[Field(name=name, dtype=Float32) for name in names],
        source=FileSource(path=str(source_file), timestamp_field="event_timestamp"),
    )
    everything = FeatureService(name="everything", features=[view])
    scores = FeatureService(name="scores", features=[view[list(SCORES)]])
    store.apply([user, view, everything, scores])
    for start in range(0, len(frame), ROWS):
        store.write_to_online_store("user_scores", frame.iloc[start : start + ROWS])


if __name__ == "__main__":
    main()
