"""Writes sklearn_vectors.json: inputs and scikit-learn's values of every metric.

Run from this folder: python sklearn_vectors.py > sklearn_vectors.json
The tests only read the JSON, which names the versions it was made with.
"""

import json

import numpy as np
import sklearn
from sklearn import metrics as m

SEED = 20250101
rng = np.random.default_rng(SEED)


def ece(y, p, w):
    """Mean over rows of |confidence - share of positives| of the row's bin of ten."""
    bins = np.minimum((p * 10).astype(int), 9)
    return sum(abs(np.sum((w * (p - y))[bins == b])) for b in range(10)) / np.sum(w)


def binary(name, n, ties, weighted):
    y = (rng.random(n) < 0.3).astype(int)
    y[0], y[1] = 0, 1  # both classes occur
    score = np.clip(0.3 * y + rng.random(n) * 0.7, 0, 1)
    if ties:
        score = np.round(score, 1)
    pred = (score >= 0.5).astype(int)
    pred[0], pred[1] = 1, 0
    w = rng.integers(1, 64, n) / 16 if weighted else np.ones(n)
    return {
        "name": name,
        "truth": y.tolist(),
        "predicted": pred.tolist(),
        "score": score.tolist(),
        "weights": w.tolist() if weighted else None,
        "want": {
            "accuracy": m.accuracy_score(y, pred, sample_weight=w),
            "precision": m.precision_score(y, pred, sample_weight=w),
            "recall": m.recall_score(y, pred, sample_weight=w),
            "f1": m.f1_score(y, pred, sample_weight=w),
            "specificity": m.recall_score(y, pred, pos_label=0, sample_weight=w),
            "mcc": m.matthews_corrcoef(y, pred, sample_weight=w),
            "balanced_accuracy": m.balanced_accuracy_score(y, pred, sample_weight=w),
            "roc_auc": m.roc_auc_score(y, score, sample_weight=w),
            "pr_auc": m.average_precision_score(y, score, sample_weight=w),
            "log_loss": m.log_loss(y, score, sample_weight=w),
            "brier": m.brier_score_loss(y, score, sample_weight=w),
            "ece": ece(y, score, w),
        },
    }


def multiclass(name, n, classes, weighted, all_occur=False):
    y = rng.integers(0, classes if all_occur else classes - 1, n)  # else the last class never occurs
    p = rng.random((n, classes)) + 1.5 * np.eye(classes)[y] * rng.random((n, 1))
    p /= p.sum(axis=1, keepdims=True)
    pred = p.argmax(axis=1)
    w = rng.integers(1, 64, n) / 16 if weighted else np.ones(n)
    want = {
        "accuracy": m.accuracy_score(y, pred, sample_weight=w),
        "mcc": m.matthews_corrcoef(y, pred, sample_weight=w),
        "balanced_accuracy": np.mean(
            m.recall_score(y, pred, average=None, labels=np.unique(y), sample_weight=w)),
        "log_loss": m.log_loss(y, p, labels=range(classes), sample_weight=w),
        "brier": np.sum(w * np.sum((p - np.eye(classes)[y]) ** 2, axis=1)) / np.sum(w),
    }
    for average in ("macro", "micro", "weighted"):
        if all_occur:
            want["roc_auc_" + average] = m.roc_auc_score(y, p, multi_class="ovr", average=average, sample_weight=w)
            want["pr_auc_" + average] = m.average_precision_score(y, p, average=average, sample_weight=w)
        options = dict(average=average, sample_weight=w, zero_division=0)
        want["precision_" + average] = m.precision_score(y, pred, **options)
        want["recall_" + average] = m.recall_score(y, pred, **options)
        want["f1_" + average] = m.f1_score(y, pred, **options)
    return {
        "name": name,
        "classes": classes,
        "truth": y.tolist(),
        "predicted": pred.tolist(),
        "probability": p.T.tolist(),
        "weights": w.tolist() if weighted else None,
        "want": want,
    }


def regression(name, n, weighted, center=10):
    y = rng.normal(center, 3, n)
    pred = y + rng.normal(0, 1, n)
    w = rng.integers(1, 64, n) / 16 if weighted else np.ones(n)
    return {
        "name": name,
        "truth": y.tolist(),
        "predicted": pred.tolist(),
        "weights": w.tolist() if weighted else None,
        "want": {
            "mae": m.mean_absolute_error(y, pred, sample_weight=w),
            "mse": m.mean_squared_error(y, pred, sample_weight=w),
            "rmse": m.root_mean_squared_error(y, pred, sample_weight=w),
            "r2": m.r2_score(y, pred, sample_weight=w),
            "mape": m.mean_absolute_percentage_error(y, pred, sample_weight=w),
            "pinball_0.1": m.mean_pinball_loss(y, pred, alpha=0.1, sample_weight=w),
            "pinball_0.5": m.mean_pinball_loss(y, pred, alpha=0.5, sample_weight=w),
        },
    }


print(json.dumps({
    "sklearn": sklearn.__version__,
    "numpy": np.__version__,
    "seed": SEED,
    "binary": [
        binary("two rows", 2, False, False),
        binary("continuous scores", 60, False, False),
        binary("tied scores", 60, True, False),
        binary("weights", 40, False, True),
        binary("weights and ties", 40, True, True),
        binary("more rows than are sorted by comparison", 250, False, True),
    ],
    "multiclass": [
        multiclass("three classes", 50, 3, False),
        multiclass("five classes, weights", 50, 5, True),
        multiclass("all classes occur", 60, 4, False, True),
        multiclass("all classes occur, weights", 60, 4, True, True),
    ],
    "regression": [
        regression("plain", 40, False),
        regression("weights", 40, True),
        regression("far from zero", 40, True, 1e6),
    ],
}, separators=(",", ":")))
