"""Writes evidently_vectors.json: what Evidently's DataDriftPreset says by default.

Needs: pip install evidently 'pandas<3'
Run: python evidently_vectors.py > evidently_vectors.json

Numbers are stored as integers, in units of 1/1000; null is a missing value, "inf" and
"-inf" are infinities.
"""

import json
import sys
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

warnings.simplefilter("ignore")
SEED = 20250101
rng = np.random.default_rng(SEED)


def normal(n, mean=0.0, std=1.0):
    return rng.normal(mean, std, n).round(3)


def levels(n, shares):
    return rng.choice([f"level {i:02d}" for i in range(len(shares))], n, p=shares)


def with_missing(values, every, missing):
    values = np.array(values, dtype=object if missing is None else float)
    values[::every] = missing
    return values


def equal(k):
    return [1 / k] * k


CASES = {
    # up to 1000 rows of reference: p-values
    "small": (
        {
            "same": (normal(90), normal(100)),
            "shifted": (normal(90), normal(100, 0.5)),
            "missing": (with_missing(normal(90), 10, np.nan), with_missing(normal(100), 3, np.nan)),
            "infinite": (with_missing(normal(90), 30, np.inf), with_missing(normal(100), 20, -np.inf)),
            "six values": (rng.integers(0, 6, 90).astype(float), rng.integers(0, 6, 100).astype(float)),
            "four values": (rng.integers(0, 4, 90).astype(float), rng.integers(0, 4, 100).astype(float)),
            "two values": (rng.integers(0, 2, 90).astype(float), rng.choice([0.0, 1.0], 100, p=[0.3, 0.7])),
            "constant": (np.full(90, 7.0), np.full(100, 7.0)),
        },
        {
            "four": (levels(90, [0.4, 0.3, 0.2, 0.1]), levels(100, [0.4, 0.3, 0.2, 0.1])),
            "moved": (levels(90, [0.4, 0.3, 0.2, 0.1]), levels(100, [0.2, 0.2, 0.3, 0.3])),
            "unseen": (levels(90, equal(3)), levels(100, equal(4))),
            "missing levels": (with_missing(levels(90, equal(4)), 9, None), with_missing(levels(100, equal(4)), 2, None)),
            "two": (levels(90, equal(2)), levels(100, [0.3, 0.7])),
            "one": (levels(90, [1.0]), levels(100, [1.0])),
            "one and two": (levels(90, [1.0]), levels(100, [0.95, 0.05])),
        },
    ),
    "thousand": (
        {"same": (normal(1000), normal(400)), "shifted": (normal(1000), normal(400, 0.3))},
        {"four": (levels(1000, equal(4)), levels(400, equal(4)))},
    ),
    # above: distances
    "large": (
        {
            "same": (normal(1001), normal(60)),
            "shifted": (normal(1001), normal(60, 0.5)),
            "outlier": (normal(1001), np.append(normal(59), 1e6)),
            "two values": (np.full(1001, 7.0), np.append(np.full(59, 7.0), [7.001])),
            "mostly missing": (with_missing(normal(1001), 2, np.nan), normal(60)),
            "five values": (rng.integers(0, 5, 1001).astype(float), rng.integers(0, 5, 60).astype(float)),
            "six values": (rng.integers(0, 6, 1001).astype(float), rng.integers(0, 6, 60).astype(float)),
        },
        {
            "four": (levels(1001, equal(4)), levels(60, equal(4))),
            "thirty": (levels(1001, equal(30)), levels(60, equal(30))),
            "unseen": (levels(1001, equal(3)), levels(60, equal(4))),
            "one": (levels(1001, [1.0]), levels(60, [1.0])),
        },
    ),
}


def numbers(values):
    def one(x):
        if np.isnan(x):
            return None
        return str(x) if np.isinf(x) else round(1000 * x)

    return [one(float(x)) for x in values]


def run(numeric, categorical):
    both = {f"{name}": pair for name, pair in numeric.items()} | {f"{name} c": pair for name, pair in categorical.items()}
    frames = [pd.DataFrame({name: pd.Series(pair[i]) for name, pair in both.items()}) for i in (0, 1)]
    definition = DataDefinition(
        numerical_columns=list(numeric), categorical_columns=[f"{name} c" for name in categorical]
    )
    reference, current = (Dataset.from_pandas(f, data_definition=definition) for f in frames)
    result = json.loads(Report([DataDriftPreset()]).run(current, reference).json())
    columns = {}
    for metric in result["metrics"]:
        config = metric["config"]
        if "column" in config:
            columns[config["column"]] = (metric, config)
        else:
            total = metric["value"]
    out = []
    for name, pair in both.items():
        metric, config = columns[name]
        kind = "numeric" if name in numeric else "categorical"
        encode = numbers if kind == "numeric" else lambda v: [None if x is None else str(x) for x in v]
        out.append({
            "name": name, "kind": kind, "reference": encode(pair[0]), "current": encode(pair[1]),
            "method": config["method"], "threshold": config["threshold"], "score": float(metric["value"]),
        })
    return {"columns": out, "drifted": int(total["count"]), "share": float(total["share"])}


if __name__ == "__main__":
    out = {
        "made_by": {"evidently": version("evidently"), "numpy": np.__version__, "pandas": pd.__version__, "seed": SEED},
        "cases": {name: run(*case) for name, case in CASES.items()},
    }
    json.dump(out, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")
