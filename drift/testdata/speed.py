"""Measures this package, SciPy and Evidently side by side and prints the ratios.

Run, with Go on the path, in an environment outside the checkout:

    python -m venv venv
    venv/bin/pip install evidently 'pandas<3'
    venv/bin/python speed.py                # about ten minutes
    venv/bin/python speed.py --rows 100000  # about two

Each figure is the lowest wall time of several repetitions, ours and the peers' by turns:
whatever else a machine does only adds to a time. Evidently runs once, for its minute tells
little from its second. The Go benchmarks use two processors where they say so; SciPy and
Evidently use what they use. The last part compares whole processes, from two CSV files to a
page, with the processor time and the peak memory that the operating system counts.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DRIFT = Path(__file__).resolve().parent.parent
COLUMNS = 12
REPORT = """
import sys
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
reference, current = pd.read_csv(sys.argv[1]), pd.read_csv(sys.argv[2])
Report([DataDriftPreset()]).run(current, reference).save_html(sys.argv[3])
"""
MEASURE = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss,
                  os.waitstatus_to_exitcode(status)]))
"""


def frame(rng, rows, shift):
    """Returns columns as the Go benchmark has them: normal and log-normal by turns."""
    import numpy as np
    import pandas as pd
    draw = lambda i: rng.normal(shift, 1, rows)
    return pd.DataFrame({f"f{i}": np.exp(draw(i)) if i % 2 else draw(i) for i in range(COLUMNS)})


def lowest_ms(run, repetitions):
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


class Benchmarks:
    """The Go benchmarks, compiled once."""

    def __init__(self, folder):
        self.binary = os.path.join(folder, "drift.test")
        subprocess.run(["go", "test", "-c", "-o", self.binary, "."], cwd=DRIFT, check=True)

    def lowest_ms(self, pattern, count=5, seconds=0.2):
        """Returns the lowest time of each benchmark in ms, by name without the processors."""
        out = subprocess.run(
            [self.binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", f"{seconds}s",
             "-test.count", str(count)],
            cwd=DRIFT, check=True, capture_output=True, text=True).stdout
        times = {}
        for name, ns in re.findall(r"^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op", out, re.M):
            times[name] = min(times.get(name, float("inf")), float(ns) / 1e6)
        return times


def line(what, ours, theirs, wanted, unit="ms"):
    ratio = theirs / ours
    print(f"{what:58s} {ours:10.3f} {theirs:10.1f} {unit:3s} {ratio:8.1f}x  wanted {wanted:>4}x  {'ok' if ratio >= wanted else 'LESS'}",
          flush=True)


def kolmogorov_smirnov(go, rng):
    import numpy as np
    from scipy import stats
    ours, theirs = {}, {}
    samples = {}
    for n in (10**4, 10**5, 10**6):
        a, b = (np.exp(rng.normal(size=n)) for _ in range(2))
        samples[f"n={n}"] = a, b
        samples[f"drifted/n={n}"] = a, np.exp(0.1) * b
    for _ in range(7):
        # Each of our figures is taken over 20 ms, about as long as SciPy takes for 10^5 values once.
        for name, ms in go.lowest_ms("KolmogorovSmirnov", count=4, seconds=0.02).items():
            ours[name] = min(ours.get(name, ms), ms)
        for name, (a, b) in samples.items():
            ms = lowest_ms(lambda: stats.ks_2samp(a, b), 2)
            theirs[name] = min(theirs.get(name, ms), ms)
    for n in (10**4, 10**5, 10**6):
        for name in (f"n={n}", f"drifted/n={n}"):
            line(f"exact KS, both samples unsorted, {name}, SciPy", ours[f"KolmogorovSmirnov/{name}"], theirs[name], 1)


def table(go, rng, rows):
    from evidently import Report
    from evidently.presets import DataDriftPreset
    ours = go.lowest_ms("Table")
    reference, current = frame(rng, 10**6, 0), frame(rng, 10**6, 0)
    for method, name, wanted in (("psi", "cells", 200), ("ks", "exact", 1)):
        report = Report([DataDriftPreset(method=method)])
        if rows < 10**6:
            reference, current = reference[:rows], current[:rows]
        theirs = lowest_ms(lambda: report.run(current, reference).dict(), 1) * 10**6 / rows
        line(f"12 columns x 1M rows, {name}, Evidently's {method}", ours[f"Table/{name}/columns=12/n=1000000"], theirs, wanted)


def profiles(go):
    for name, ms in go.lowest_ms("Profile_Add|Detector_Detect/columns=100", count=10).items():
        if name.startswith("Profile_Add"):
            print(f"{name:58s} {ms / int(name.split('n=')[1]) * 1e6:10.2f} ns a value, wanted 10")
        else:
            print(f"{name:58s} {ms:10.2f} ms, wanted 5")


def measure(command):
    """Runs a process; returns its wall time and processor time in s and its peak memory in MB.

    A small process starts it, because Linux counts the memory of the one that does.
    """
    out = subprocess.run([sys.executable, "-c", MEASURE, *command], check=True, capture_output=True, text=True).stdout
    wall, processor, memory, status = json.loads(out)
    if status not in (0, 3, 4):  # the verdicts of driftreport
        sys.exit(f"{command[0]} failed")
    return wall, processor, memory / 1024


def whole_process(rng, rows):
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ("reference.csv", "current.csv", "report.html")]
        for path, shift in zip(files, (0, 0.02)):
            frame(rng, rows, shift).to_csv(path, index=False)
        program = os.path.join(folder, "driftreport")
        subprocess.run(["go", "build", "-o", program, "./examples/driftreport"], cwd=DRIFT.parent, check=True)
        ours = [measure([program, "-reference", files[0], "-current", files[1], "-o", files[2]]) for _ in range(5)]
        theirs = measure([sys.executable, "-c", REPORT, *files])
        wall, cpu, memory = (min(column) for column in zip(*ours))
        what = f"2 CSV files of {rows} rows to HTML"
        line(f"{what}, wall time", wall, theirs[0], 30, "s")
        line(f"{what}, processor time", cpu, theirs[1], 1, "s")
        line(f"{what}, peak memory", memory, theirs[2], 5, "MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10**6, help="rows that Evidently is given; its time is scaled to 1M")
    rows = parser.parse_args().rows
    import evidently
    import numpy as np
    import pandas as pd
    import scipy
    rng = np.random.default_rng(20250101)
    print(f"SciPy {scipy.__version__}, Evidently {evidently.__version__}, pandas {pd.__version__}, "
          f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"{'':58s} {'ours':>10s} {'theirs':>10s}")
    with tempfile.TemporaryDirectory() as folder:
        go = Benchmarks(folder)
        kolmogorov_smirnov(go, rng)
        profiles(go)
        table(go, rng, rows)
    whole_process(rng, rows)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
