"""Writes scipy_vectors.json, the golden numbers of the two-sample methods.

Run: python scipy_vectors.py > scipy_vectors.json
"""

import json
import sys

import numpy as np
import scipy
from scipy import stats
from scipy.spatial import distance

SEED = 20250101
rng = np.random.default_rng(SEED)


def ks(name, a, b, method):
    r = stats.ks_2samp(a, b, method=method)
    return {"name": name, "reference": list(map(float, a)), "current": list(map(float, b)),
            "method": method, "statistic": float(r.statistic), "p_value": float(r.pvalue)}


def samples():
    for n, m in [(1, 1), (1, 5), (2, 3), (7, 7), (10, 15), (20, 500), (50, 50), (64, 100), (99, 101), (100, 100)]:
        for shift in (0.0, 0.5, 2.0):
            yield f"normal {n} {m} shift {shift}", rng.normal(0, 1, n).round(4), rng.normal(shift, 1, m).round(4)
    for n, m in [(5, 8), (30, 40), (90, 90)]:
        yield f"ties {n} {m}", rng.integers(0, 6, n), rng.integers(0, 7, m)
    yield "equal", np.arange(6.0), np.arange(6.0)
    yield "apart", np.arange(6.0), np.arange(9.0) + 100
    yield "constant", np.full(4, 2.0), np.full(9, 2.0)


def large():
    for n, m in [(150, 200), (101, 700)]:
        for shift in (0.0, 0.2, 0.4):
            yield f"large {n} {m} shift {shift}", rng.normal(0, 1, n).round(4), rng.normal(shift, 1, m).round(4)


def count_tables():
    yield [50, 30, 20], [40, 40, 40]
    yield [10, 0, 5], [12, 7, 0]
    yield [100, 100], [100, 100]
    yield [3, 0, 2], [2, 0, 4]
    yield [1000, 20, 300, 4], [10, 1, 2, 0]
    for k in (2, 5, 30):
        yield rng.multinomial(500, rng.dirichlet(np.ones(k))).tolist(), rng.multinomial(800, rng.dirichlet(np.ones(k))).tolist()


def psi(r, c):
    r, c = (np.array(x, dtype=float) for x in (r, c))
    used = (r > 0) | (c > 0)
    r, c = r[used], c[used]
    r, c = np.where(r == 0, 0.5, r), np.where(c == 0, 0.5, c)
    r, c = r / r.sum(), c / c.sum()
    return float(np.sum((c - r) * np.log(c / r)))


def counts(r, c):
    table = np.array([r, c], dtype=float)
    used = table[:, table.sum(axis=0) > 0]
    chi = stats.chi2_contingency(used, correction=False)
    p, q = used[0] / used[0].sum(), used[1] / used[1].sum()
    return {"reference": r, "current": c, "chi_square": float(chi.statistic), "chi_square_p": float(chi.pvalue),
            "jensen_shannon": float(distance.jensenshannon(p, q, base=2)),
            "total_variation": float(np.abs(p - q).sum() / 2), "psi": psi(r, c)}


def fisher():
    tables = [[[8, 2], [1, 5]], [[0, 100], [5, 95]], [[10, 90], [10, 90]], [[0, 2000], [50, 950]], [[3, 0], [0, 3]],
              [[0, 5], [0, 7]], [[300, 700], [1, 999]], [[20000, 980000], [520, 19480]], [[7, 3], [70, 30]], [[1, 0], [0, 1]]]
    for _ in range(20):
        tables.append(rng.integers(0, 40, (2, 2)).tolist())
    for t in tables:
        if 0 in np.sum(t, axis=1):
            continue
        yield {"reference": t[0], "current": t[1], "p_value": float(stats.fisher_exact(t).pvalue)}


def wasserstein(name, a, b):
    return {"name": name, "statistic": float(stats.wasserstein_distance(a, b)), "std": float(np.std(a))}


small = list(samples())
json.dump({
    "scipy": scipy.__version__,
    "numpy": np.__version__,
    "seed": SEED,
    "ks": [ks(*s, "exact") for s in small],
    "ks_large": [ks(*s, "exact") for s in large()],
    "wasserstein": [wasserstein(*s) for s in small],  # of the samples of "ks"
    "counts": [counts(r, c) for r, c in count_tables()],
    "fisher": list(fisher()),
}, sys.stdout, indent=None, separators=(",", ":"))
print()
