"""Writes scipy_two_sample.json, the golden numbers of the two-sample methods that
scipy_vectors.py does not cover, and the power of SciPy's tests by simulation.

Needs numpy, scipy and mpmath. Run: python scipy_two_sample.py > scipy_two_sample.json
"""

import itertools
import json
import math
import sys
import warnings

import mpmath
import numpy as np
import scipy
from scipy import stats

SEED = 20250201
POWER_RUNS = 2000
rng = np.random.default_rng(SEED)
more_rng = np.random.default_rng(SEED + 1)
warnings.simplefilter("ignore")


def samples():
    for n, m in [(2, 2), (3, 5), (7, 7), (8, 30), (12, 18), (20, 20), (19, 20), (21, 15), (60, 40), (30, 300)]:
        for shift in (0.0, 0.5, 1.5):
            yield f"normal {n} {m} shift {shift}", rng.normal(0, 1, n).round(5), rng.normal(shift, 1, m).round(5)
    for n, m in [(6, 9), (25, 40), (100, 80)]:
        yield f"few-valued {n} {m}", rng.integers(0, 7, n), rng.integers(0, 8, m)
        yield f"log-normal {n} {m}", rng.lognormal(0, 1, n).round(3), rng.lognormal(0.2, 1.2, m).round(3)
    yield "far from 0", 1e6 + rng.normal(0, 1, 40).round(3), 1e6 + rng.normal(0.7, 1, 50).round(3)
    yield "tiny", (1e-9 * rng.normal(0, 1, 40)).round(13), (1e-9 * rng.normal(0.4, 2, 50)).round(13)
    for shift in (0.4, 0.8, 1.1):
        yield f"far out {shift}", rng.normal(0, 1, 120).round(4), rng.normal(shift, 1, 90).round(4)
    yield "equal", np.arange(8.0), np.arange(8.0)


def more_samples():
    """Those of the methods that treat ties otherwise than SciPy or are exact up to a size."""
    for n, m in [(4, 4), (5, 9), (8, 8), (6, 20), (14, 16), (20, 20), (18, 12), (21, 21), (22, 20), (25, 24), (5, 60), (40, 90), (70, 300), (300, 300), (600, 250)]:
        for few in (2, 4, 9):
            yield f"{few} values {n} {m}", more_rng.integers(0, few, n), more_rng.integers(0, few + 1, m)
        a, b = more_rng.normal(0, 1, n).round(1), more_rng.normal(0.4, 1.3, m).round(1)
        yield f"rounded {n} {m}", a, b
    yield "half in common 9 7", np.arange(9.0), np.array([0, 2, 4, 4.5, 6, 8, 8.5])
    for n, m in [(16, 15), (16, 16), (10, 21), (9, 31)]:
        for shift in (0.3, 0.8, 1.2):
            yield f"normal {n} {m} shift {shift}", more_rng.normal(0, 1, n).round(6), more_rng.normal(shift, 1, m).round(6)
    yield "without overlap 60 60", np.arange(60.0), 100 + np.arange(60.0)


def tied(a, b):
    return len(np.unique(np.concatenate([a, b]))) < len(a) + len(b)


def pair(r):
    return [float(r.statistic), float(r.pvalue)]


def methods(a, b):
    a, b = a.astype(float), b.astype(float)
    out = {
        "ks": pair(stats.ks_2samp(a, b, method="exact")),
        "cramer_von_mises": pair(stats.cramervonmises_2samp(a, b)),
        "mann_whitney": pair(stats.mannwhitneyu(b, a)),
        "welch": pair(stats.ttest_ind(b, a, equal_var=False)),
        "student": pair(stats.ttest_ind(b, a)),
        "energy": [float(stats.energy_distance(a, b)), None],
        "anderson": pair(stats.anderson_ksamp([a, b], variant="midrank")),
        "cramer_von_mises_scipy": pair(stats.cramervonmises_2samp(a, b)),
    }
    if np.std(a) > 0:
        out["normalized_wasserstein"] = [float(stats.wasserstein_distance(a, b) / np.std(a)), None]
    if anderson_is_exact(a, b):
        out["anderson_exact"] = [out["anderson"][0], anderson_regrouped(a, b)]
    elif len(a) + len(b) <= 40 and not tied(a, b):
        out["anderson_near"] = [out["anderson"][0], anderson_regrouped(a, b)]  # to the border
    if tied(a, b):
        # With ties and unequal sizes SciPy's statistic grows with the sizes whatever the
        # values are: its midranks no longer measure the distance of the two functions.
        out["cramer_von_mises_ties"] = [cvm_statistic(a, b), None]
        del out["cramer_von_mises"]
    elif max(len(a), len(b)) > 20:  # the limit again, without SciPy's cut-off at 1e-7
        out["cramer_von_mises"][1] = float(cvm_survival(cvm_argument(out["cramer_von_mises"][0], len(a), len(b))))
    if min(len(a), len(b)) >= 5 and stats.iqr(np.concatenate([a, b])) > 0:  # else SciPy fails
        out["epps_singleton_scipy"] = pair(stats.epps_singleton_2samp(a, b))
        out["epps_singleton"] = pair(stats.epps_singleton_2samp(a, b))
        if not epps_limit_is_near(len(a), len(b)):
            out["epps_singleton_limit"] = out["epps_singleton"].copy()
            out["epps_singleton"][1] = epps_regrouped(a, b)
    return out


def anderson_is_exact(a, b):
    """Says of these samples whether AndersonDarling counts out the regroupings."""
    distinct = len(np.unique(np.concatenate([a, b])))
    size = len(a) + len(b)
    return size <= 30 or size <= 40 and distinct <= 10 or size <= 130 and distinct <= 5


def anderson_regrouped(a, b):
    """The share of the regroupings of the values whose A² with midranks is at least as
    large: walks over the groups of equal values from either end meet in the middle. Where
    SciPy can go through all regroupings, it must agree."""
    n, m = len(a), len(b)
    total = n + m
    values, sizes = np.unique(np.concatenate([a, b]), return_counts=True)

    def term(i, j, x, y):  # of x + y equal values above i of a and j of b
        middle = i + j + (x + y) / 2
        return (x + y) * (m * (i + x / 2) - n * (j + y / 2)) ** 2 / (middle * (total - middle) - total * (x + y) / 4)

    def walks(sizes):
        ends = {(0, 0): (np.zeros(1), np.ones(1))}
        for size in sizes:
            ahead = {}
            for (i, j), (sums, ways) in ends.items():
                for x in range(max(0, size - (m - j)), min(size, n - i) + 1):
                    y = size - x
                    ahead.setdefault((i + x, j + y), []).append((sums + term(i, j, x, y), ways * math.comb(size, x)))
            ends = {k: tuple(np.concatenate(parts) for parts in zip(*v)) for k, v in ahead.items()}
        return ends

    measured, i, j = 0.0, 0, 0
    for v, size in zip(values, sizes):
        x = int(np.sum(a == v))
        measured += term(i, j, x, size - x)
        i, j = i + x, j + size - x
    sizes = [int(s) for s in sizes]
    half = len(sizes) // 2
    second = walks(sizes[half:][::-1])
    reached = 0.0
    for (i, j), (sums, ways) in walks(sizes[:half]).items():
        rest, rest_ways = second[n - i, m - j]
        order = np.argsort(rest)
        above = np.append(np.cumsum(rest_ways[order][::-1])[::-1], 0)
        reached += np.sum(ways * above[np.searchsorted(rest[order], measured * (1 - 1e-12) - sums)])
    p = reached / math.comb(total, n)
    if math.comb(total, n) <= 13000:
        exact = stats.PermutationMethod(n_resamples=np.inf, batch=1)
        theirs = stats.anderson_ksamp([a, b], variant="midrank", method=exact).pvalue
        assert abs(theirs - p) <= 1e-9 * p, (n, m, theirs, p)
    return float(p)


def epps_limit_is_near(n, m):
    corrected = max(n, m) < 25
    return ((n - m) / (n + m)) ** 2 / min(n, m) <= 1 / 4000 and (corrected or min(n, m) >= 50)


def epps_regrouped(a, b):
    """The p-value of the difference of the mean waves in terms of the covariance of both
    samples together: the gamma distribution with its mean and variance over all
    regroupings."""
    n, m = len(a), len(b)
    pooled = np.concatenate([a, b])
    size = n + m
    t = np.array([0.4, 0.8]).reshape(-1, 1) / (stats.iqr(pooled) / 2)
    waves = np.vstack([np.cos(t * pooled), np.sin(t * pooled)])
    inverse = np.linalg.pinv(np.cov(waves))
    rank = np.linalg.matrix_rank(np.cov(waves))
    difference = waves[:, :n].mean(axis=1) - waves[:, n:].mean(axis=1)
    centred = waves - waves.mean(axis=1, keepdims=True)
    lengths = np.einsum("ai,ab,bi->i", centred, inverse, centred)
    gram = centred.T @ inverse @ centred
    p = np.cumprod([(n - k) / (size - k) for k in range(4)])
    all_pairs = lengths.sum() ** 2 + 2 * (gram**2).sum()
    square = (lengths**2).sum() * (p[0] - 7 * p[1] + 12 * p[2] - 6 * p[3]) + all_pairs * (p[1] - 2 * p[2] + p[3])
    variance = (size / (n * m)) ** 2 * square - rank**2
    return float(stats.gamma.sf(n * m / size * difference @ inverse @ difference, rank**2 / variance, scale=variance / rank))


def sample_cases():
    for name, a, b in itertools.chain(samples(), more_samples()):
        yield {"name": name, "reference": a.astype(float).tolist(), "current": b.astype(float).tolist(), "methods": methods(a, b)}


def ks_large():
    """Sizes at which ks_2samp is exact by default and the whole sample would be too long to
    store: the current sample is the reference, i/n, moved by a distance."""
    for n, m in [(200, 1000), (500, 500), (1000, 100), (5000, 5000), (3000, 7000), (9999, 10000), (10000, 10000)]:
        for z in (0.5, 1.0, 1.36, 2.0, 3.5):
            move = z * ((n + m) / (n * m)) ** 0.5
            a, b = np.arange(n) / n, np.arange(m) / m + move
            r = stats.ks_2samp(a, b, method="exact")
            yield {"n": n, "m": m, "move": move, "statistic": float(r.statistic), "p_value": float(r.pvalue)}


def cvm_statistic(a, b):
    """nm/N² times the sum of (F - G)² over all values of both samples."""
    z = np.concatenate([a, b])
    f, g = (np.searchsorted(np.sort(x), z, side="right") / len(x) for x in (a, b))
    return float(len(a) * len(b) / len(z) ** 2 * np.sum((f - g) ** 2))


def cvm_argument(t, n, m):
    k, total = mpmath.mpf(n * m), mpmath.mpf(n + m)
    variance = (total + 1) * (4 * k * total - 3 * (n**2 + m**2) - 2 * k) / (45 * total**2 * 4 * k)
    return mpmath.mpf(1) / 6 + (t - (1 + 1 / total) / 6) / mpmath.sqrt(45 * variance)


def cvm_survival(x):
    """1 less equation 1.3 of Csörgő and Faraway (1996)."""
    with mpmath.workdps(40):
        x = mpmath.mpf(x)
        total, k = mpmath.mpf(0), 0
        while True:
            q = mpmath.mpf(4 * k + 1) ** 2 / (16 * x)
            term = mpmath.gamma(k + mpmath.mpf(1) / 2) / mpmath.factorial(k) * mpmath.sqrt(4 * k + 1) * mpmath.exp(-q) * mpmath.besselk(0.25, q)
            total += term / (mpmath.pi ** mpmath.mpf(1.5) * mpmath.sqrt(x))
            k += 1
            if term < mpmath.mpf(10) ** -35:
                return 1 - total


def anderson_survival(x):
    """1 less the distribution function of Anderson and Darling (1952, equation 4.35)."""
    with mpmath.workdps(40):
        x = mpmath.mpf(x)
        total, j = mpmath.mpf(0), 0
        while True:
            q = mpmath.mpf(4 * j + 1) ** 2 * mpmath.pi**2 / (8 * x)
            integral = mpmath.quad(lambda w: mpmath.exp(x / (8 * (w * w + 1)) - q * w * w), [0, 1, 3, 10, mpmath.inf])
            term = mpmath.binomial(mpmath.mpf(-1) / 2, j) * (4 * j + 1) * mpmath.exp(-q) * integral
            total += mpmath.sqrt(2 * mpmath.pi) / x * term
            j += 1
            if abs(term) < mpmath.mpf(10) ** -30:
                return 1 - total


def anderson_argument(t):
    return 1 + mpmath.mpf(t) * mpmath.sqrt(2 * (mpmath.pi**2 - 9) / 3)


def count_tables():
    yield [50, 30, 20], [40, 40, 40]
    yield [10, 0, 5], [12, 7, 0]
    yield [100, 100], [100, 100]
    yield [1000, 20, 300, 4], [10, 1, 2, 0]
    yield [400, 300, 200, 100], [250, 330, 270, 150]
    for k in (2, 5, 30):
        yield rng.multinomial(500, rng.dirichlet(np.ones(k))).tolist(), rng.multinomial(800, rng.dirichlet(np.ones(k))).tolist()


def filled(x):
    x = np.where(x == 0, 0.5, x)
    return x / x.sum()


def count_cases():
    for r, c in count_tables():
        table = np.array([r, c], dtype=float)
        table = table[:, table.sum(axis=0) > 0]
        p, q = (row / row.sum() for row in table)
        yield {"reference": r, "current": c, "methods": {
            "g_test": pair(stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")),
            "chi_square": pair(stats.chi2_contingency(table, correction=False)),
            "kullback_leibler": [float(stats.entropy(filled(table[0]), filled(table[1]))), None],
            "hellinger": [float(np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2)), None],
        }}


def two_proportion_z(r, c):
    rate = (r[0] + c[0]) / (sum(r) + sum(c))
    z = (c[0] / sum(c) - r[0] / sum(r)) / np.sqrt(rate * (1 - rate) * (1 / sum(r) + 1 / sum(c)))
    return [float(z), float(2 * stats.norm.sf(abs(z)))]


def rate_cases():
    for r, c in [([8, 2], [1, 5]), ([100, 900], [140, 860]), ([50, 50], [50, 50]), ([3000, 7000], [350, 650]), ([200, 9800], [80, 920])]:
        yield {"reference": r, "current": c, "methods": {"two_proportion_z": two_proportion_z(r, c)}}


def mmd(x, y, width):
    def kernel(a, b):
        return np.exp(-((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2) / (2 * width**2))
    n, m = len(x), len(y)
    return float((kernel(x, x).sum() - n) / (n * (n - 1)) + (kernel(y, y).sum() - m) / (m * (m - 1)) - 2 * kernel(x, y).mean())


def mmd_cases():
    for n, m, d in [(2, 2, 1), (10, 15, 2), (40, 30, 3)]:
        x, y = rng.normal(0, 1, (n, d)).round(4), rng.normal(0.5, 1, (m, d)).round(4)
        pooled = np.concatenate([x, y])
        distances = [float(np.linalg.norm(pooled[i] - pooled[j])) for i in range(n + m) for j in range(i)]
        width = float(np.median(distances))
        yield {"reference": x.tolist(), "current": y.tolist(), "width": width, "statistic": mmd(x, y, width)}


TESTS = {
    "KolmogorovSmirnov": lambda a, b: stats.ks_2samp(a, b).pvalue,
    "CramerVonMises": lambda a, b: stats.cramervonmises_2samp(a, b).pvalue,
    "AndersonDarling": lambda a, b: stats.anderson_ksamp([a, b], variant="midrank").pvalue,
    "MannWhitney": lambda a, b: stats.mannwhitneyu(a, b).pvalue,
    "WelchT": lambda a, b: stats.ttest_ind(a, b, equal_var=False).pvalue,
    "StudentT": lambda a, b: stats.ttest_ind(a, b).pvalue,
    "EppsSingleton": lambda a, b: stats.epps_singleton_2samp(a, b).pvalue,
    "ChiSquare": lambda a, b: stats.chi2_contingency(table_of(a, b), correction=False).pvalue,
    "GTest": lambda a, b: stats.chi2_contingency(table_of(a, b), correction=False, lambda_="log-likelihood").pvalue,
    "FisherExact": lambda a, b: stats.fisher_exact(table_of(a, b)).pvalue,
    "TwoProportionZ": lambda a, b: two_proportion_z(np.bincount(a, minlength=2)[::-1], np.bincount(b, minlength=2)[::-1])[1],
}


def table_of(a, b):
    k = max(a.max(), b.max()) + 1
    table = np.array([np.bincount(a, minlength=k), np.bincount(b, minlength=k)])
    return table[:, table.sum(axis=0) > 0]


def power(tests, n, m, change, draw_reference, draw_current):
    found = dict.fromkeys(tests, 0)
    for _ in range(POWER_RUNS):
        a, b = draw_reference(n), draw_current(m)
        for name in tests:
            found[name] += bool(TESTS[name](a, b) <= 0.05)
    return {"n": n, "m": m, "change": change, "power": {name: k / POWER_RUNS for name, k in found.items()}}


def power_cases():
    numeric = list(TESTS)[:7]
    for n, m, shift in [(20, 20, 1.0), (50, 500, 0.4), (200, 1000, 0.2), (500, 500, 0.2), (1000, 100, 0.3), (5000, 5000, 0.06)]:
        yield power(numeric, n, m, {"normal_shift": shift}, lambda k: rng.normal(0, 1, k), lambda k: rng.normal(shift, 1, k))
    before, after = [0.4, 0.3, 0.2, 0.1], [0.3, 0.3, 0.25, 0.15]
    for n, m in [(200, 1000), (500, 500), (1000, 100)]:
        yield power(["ChiSquare", "GTest"], n, m, {"categories": after},
                    lambda k: rng.choice(4, k, p=before), lambda k: rng.choice(4, k, p=after))
    for n, m, rate in [(50, 500, 0.5), (500, 500, 0.38), (1000, 100, 0.45)]:
        yield power(["FisherExact", "TwoProportionZ"], n, m, {"rate": rate},
                    lambda k: (rng.random(k) < 0.3).astype(int), lambda k: (rng.random(k) < rate).astype(int))


sample_vectors = list(sample_cases())
json.dump({
    "scipy": scipy.__version__,
    "numpy": np.__version__,
    "mpmath": mpmath.__version__,
    "seed": SEED,
    "samples": sample_vectors,
    "ks_large": list(ks_large()),
    "anderson_limit": [{"name": c["name"], "p_value": float(anderson_survival(anderson_argument(c["methods"]["anderson"][0])))}
                       for c in sample_vectors if "cramer_von_mises" in c["methods"]],  # without ties
    "counts": list(count_cases()),
    "rates": list(rate_cases()),
    "mmd": list(mmd_cases()),
    "power_runs": POWER_RUNS,
    "power": list(power_cases()),
}, sys.stdout, indent=None, separators=(",", ":"))
print()
