"""Writes vectors.json: inputs, and what other implementations or other ways of computing
make of them.

Run from this folder: python vectors.py > vectors.json
The tests only read the JSON, which names the versions it was made with.
"""

import json

import numpy as np
import scipy
from scipy import optimize, stats

SEED = 20250101
rng = np.random.default_rng(SEED)


def mcnemar(wins, losses):
    n = wins + losses
    square = (wins - losses) ** 2 / n
    corrected = max(abs(wins - losses) - 1, 0) ** 2 / n
    exact = stats.binomtest(wins, n, 0.5).pvalue
    return {
        "wins": wins, "losses": losses,
        "chi_square": square, "p": stats.chi2.sf(square, 1),
        "corrected": corrected, "p_corrected": stats.chi2.sf(corrected, 1),
        "exact": exact, "mid_p": exact - stats.binom.pmf(wins, n, 0.5) if wins != losses else 1.0,
        "better": stats.binomtest(wins, n, 0.5, alternative="greater").pvalue,
    }


def tango_score(wins, losses, n, delta):
    """The score from the likelihood maximised numerically, not from Tango's formula."""
    def negative(q):  # q is the probability of a loss, q + delta of a win
        return -(wins * np.log(q + delta) + losses * np.log(q) + (n - wins - losses) * np.log(1 - 2 * q - delta))
    low, high = max(0, -delta), (1 - delta) / 2
    q = optimize.minimize_scalar(negative, bounds=(low + 1e-12, high - 1e-12), method="bounded",
                                 options={"xatol": 1e-14}).x
    return (wins - losses - n * delta) / np.sqrt(n * (2 * q + delta - delta**2))


def tango(wins, losses, n, level):
    z = stats.norm.ppf(0.5 + level / 2)
    measured = (wins - losses) / n
    return {
        "wins": wins, "losses": losses, "n": n, "level": level,
        "lo": optimize.brentq(lambda d: tango_score(wins, losses, n, d) - z, -0.99, measured),
        "hi": optimize.brentq(lambda d: tango_score(wins, losses, n, d) + z, measured, 0.99),
        "margin": 0.02, "p": stats.norm.sf(tango_score(wins, losses, n, -0.02)),
    }


def delong(name, n, digits):
    """Every positive row against every negative one."""
    y = rng.random(n) < 0.3
    y[:4] = [True, True, False, False]
    common = rng.normal(size=n)
    scores = [np.round(shift * y + common + rng.normal(size=n), digits) for shift in (1.0, 1.4)]
    v10, v01 = [], []
    for s in scores:
        wins = (s[y][:, None] > s[~y][None, :]) + 0.5 * (s[y][:, None] == s[~y][None, :])
        v10.append(wins.mean(axis=1))
        v01.append(wins.mean(axis=0))
    cov = np.cov(v10) / y.sum() + np.cov(v01) / (~y).sum()
    auc = [v.mean() for v in v10]
    z = (auc[1] - auc[0]) / np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    return {
        "name": name, "truth": y.tolist(), "incumbent": scores[0].tolist(), "candidate": scores[1].tolist(),
        "auc": auc, "variance": [cov[0, 0], cov[1, 1]], "covariance": cov[0, 1],
        "z": z, "p": 2 * stats.norm.sf(abs(z)),
    }


def student(name, x, bound, level):
    greater = stats.ttest_1samp(x, bound, alternative="greater")
    n = len(x)
    skewness = stats.skew(x) / np.sqrt(n)
    hall = lambda t, g: t + g * t**2 / 3 + g**2 * t**3 / 27 + g / 6
    t = greater.statistic
    quantile = stats.t.ppf(0.5 + level / 2, n - 1)
    reach = [max(quantile, optimize.brentq(lambda t: hall(t, g) - quantile, -50, 50)) for g in (skewness, -skewness)]
    stderr = stats.sem(x)
    return {
        "name": name, "values": x.tolist(), "bound": bound, "level": level,
        "mean": np.mean(x), "stderr": stderr, "skewness": skewness,
        "greater": max(greater.pvalue, stats.t.sf(hall(t, skewness), n - 1)),
        "less": max(stats.t.cdf(t, n - 1), stats.t.sf(hall(-t, -skewness), n - 1)),
        "lo": np.mean(x) - stderr * reach[0], "hi": np.mean(x) + stderr * reach[1],
    }


mcnemar_vectors = [mcnemar(*c) for c in ((150, 86), (12, 3), (3, 12), (1, 0), (5, 5), (0, 20), (1200, 1100))]
tango_vectors = [tango(*c) for c in ((40, 20, 160, 0.95), (12, 3, 200, 0.95), (5, 5, 50, 0.9), (1, 7, 40, 0.99))]
delong_vectors = [delong("continuous", 60, 15), delong("ties", 60, 0), delong("more rows", 400, 1)]
rng.normal(size=10)  # not used: the numbers after these stay what they were
print(json.dumps({
    "numpy": np.__version__,
    "scipy": scipy.__version__,
    "seed": SEED,
    "mcnemar": mcnemar_vectors,
    "tango": tango_vectors,
    "delong": delong_vectors,
    "student": [student("symmetric", rng.normal(0.1, 1, 40), 0.0, 0.9),
                student("skewed", rng.exponential(1, 30), 0.9, 0.95),
                student("skewed the other way", -rng.exponential(1, 30) ** 2, -1.0, 0.9)],
}, separators=(",", ":")))
