"""What the comparisons with peers have in common: tables of medians, pictures of ratios, and the files of a commit."""

import json
import math
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "peers"


class Row(NamedTuple):
    """What is measured, in which unit, whether more of it is better, and the limit, if there is one."""

    title: str
    unit: str
    more_is_better: bool = False
    limit: float | None = None


def environment_for(name, source, packages=()):
    """Return the Python of the environment of that name, made with ``packages`` if need be, with ``source``."""
    python = FOLDER / name / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER / name], check=True)
        subprocess.run([*pip, *packages, "pip"], check=True)
    subprocess.run([*pip, source], check=True)
    return python


def revision_source(revision):
    """Return a folder with the files of the commit."""
    folder = FOLDER / f"source-{revision}"
    if not folder.exists():
        folder.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "--extract", "--directory", folder], input=archive, check=True)
    return folder


def times_as_long(row, own, other):
    """Return how many times as long as the first column another one takes by its median; None if that says nothing.

    Below 1 the other one is ahead.
    """
    if not own or not other:
        return None
    medians = statistics.median(own), statistics.median(other)
    if min(medians) <= 0 or not all(map(math.isfinite, medians)):
        return None
    ratio = medians[1] / medians[0]
    return 1 / ratio if row.more_is_better else ratio


def table(rows, columns):
    """Return the lines of a table: medians, spread, and the ratio to the first column.

    Parameters
    ----------
    rows : dict of str to Row
        The rows, by name.
    columns : dict of str to dict of str to list of float
        The figures of all rounds, by the title of the column and the name of the row.
    """
    own, *_ = columns.values()
    lines = [
        f"| work | unit | limit | {' | '.join(columns)} |",
        "| --- | --- | --- |" + " --- |" * len(columns),
    ]
    for name, row in rows.items():
        cells = []
        for figures in columns.values():
            values = figures.get(name)
            if not values:
                cells.append("–")
                continue
            cell = f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"
            if figures is not own and (ratio := times_as_long(row, own.get(name), values)) is not None:
                cell += f" **{ratio:.2f}**"
            cells.append(cell)
        limit = "–" if row.limit is None else f"{row.limit:.3g}"
        lines.append(f"| {row.title} | {row.unit} | {limit} | {' | '.join(cells)} |")
    return lines


def draw(rows, columns, path, python):
    """Draw the ratios to the first column as bars, with the matplotlib of this Python."""
    (title, own), *others = columns.items()
    ratios = {}
    for other, figures in others:
        for name, row in rows.items():
            if (ratio := times_as_long(row, own.get(name), figures.get(name))) is not None:
                ratios.setdefault(other, {})[row.title] = ratio
    program = """
import json, sys
import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot
ratios, own, path = json.load(sys.stdin)
titles = list(dict.fromkeys(title for by_title in ratios.values() for title in by_title))[::-1]
figure, axes = pyplot.subplots(figsize=(9, 0.5 * len(titles) + 1), layout="constrained")
height = 0.8 / max(1, len(ratios))
for number, (library, by_title) in enumerate(ratios.items()):
    places = [titles.index(title) + 0.4 - (number + 0.5) * height for title in by_title]
    axes.barh(places, [value - 1 for value in by_title.values()], height, left=1, label=library)
axes.set_yticks(range(len(titles)), titles)
axes.set_ylim(-0.6, len(titles) - 0.4)
axes.set_xscale("log")
axes.xaxis.set_major_formatter("{x:g}")
axes.axvline(1, color="black")
axes.set_xlabel(f"times as long as {own}")
axes.legend()
figure.savefig(path, dpi=120)
"""
    given = json.dumps([ratios, title, str(path)])
    subprocess.run([python, "-c", program], input=given, text=True, check=True)


def report(rows, columns, name, note, python):
    """Print the table, leave it and the picture in build/peers as NAME.md and NAME.png."""
    lines = table(rows, columns)
    print("\n".join(lines))
    (FOLDER / f"{name}.md").write_text("\n".join(lines) + "\n")
    picture = FOLDER / f"{name}.png"
    draw(rows, columns, picture, python)
    print(f"\n{note}; the picture is {picture.relative_to(ROOT)}")
