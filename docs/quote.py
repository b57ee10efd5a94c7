"""Which numbers do the pages quote? Writes those of benchmarks/results between the marks for them.

A page has `<!-- quoted: NAME -->` and `<!-- end of NAME -->`; between them go the table and lines of
`benchmarks/results/NAME.md`, without its title. Between `<!-- said: NAME -->` and its end goes one of
`SENTENCES`, of the numbers of `benchmarks/results/NAME.json`, with when and where they were measured.
"""

from __future__ import annotations

import json
import re
import statistics
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
MARKED = re.compile(
    r"(<!-- (?P<how>quoted|said): (?P<name>\w+) -->\n).*?(<!-- end of (?P=name) -->)", re.DOTALL
)
WIDTH = 120

Document = Mapping[str, Any]


def quoted(name: str) -> str:
    """What a table says, without its title."""
    return (RESULTS / f"{name}.md").read_text(encoding="utf-8").partition("\n")[2].strip()


def said(name: str, found: Document | None = None) -> str:
    """What a sentence says of the numbers that were measured last."""
    if found is None:
        found = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    assert found is not None
    return textwrap.fill(f"{SENTENCES[name](found)} ({_measured(found)})", WIDTH, break_on_hyphens=False)


def _measured(found: Document) -> str:
    where = found["conditions"]
    busy = " while other processes were busy" if any(aim["met"] is None for aim in found["aims"]) else ""
    return f"Measured {where['date']} on {where['cores']} cores, {where['processor']}{busy}."


def _aim(found: Document, what: str) -> float:
    return float(next(aim["value"] for aim in found["aims"] if aim["what"] == what))


def _equal_settings(found: Document) -> str:
    rows = [row for row in found["rows"] if row["values"].startswith("trainings")]
    worst = max(rows, key=lambda row: row["count"] / row["comparisons"])
    by_repeats = {
        repeats: [
            sum(row[key] for row in rows if row["repeats"] == repeats) for key in ("count", "comparisons")
        ]
        for repeats in sorted({row["repeats"] for row in rows})
    }
    shares = [f"{100 * count / of:.1f} % with {repeats}" for repeats, (count, of) in by_repeats.items()]
    kinds = len({row["values"] for row in rows})
    return (
        f"Of {sum(row['comparisons'] for row in rows):,} comparisons of equal settings ({kinds} kinds of "
        "real trainings that differ in initial weights and order alone) `compare` called any setting worse "
        f"in {', '.join(shares[:-1])} and {shares[-1]} repeats; of one kind in "
        f"{100 * worst['count'] / worst['comparisons']:.1f} % at most."
    )


def _promises(found: Document) -> str:
    told = [row for row in found["rows"] if row["advised"] != "nothing"]
    better, worse, beyond = re.findall(r"(\d+) (?:are )?(?:significantly|of those)", found["notes"][-1])
    held = round(_aim(found, "share of promises that hold") * len(told))
    failed = _aim(found, "new seeds that failed, of all")
    quiet = _aim(found, "tables of noise on which it abstains")
    margin = re.findall(r"\((\d+)% of", found["notes"][-1])[0]
    less = "by less than" if beyond == "0" else f"{beyond} of them by more than"
    margin = f"{less} the margin of non-inferiority ({margin} % of what they gain on the baseline)"
    behind = f"{_were(worse)} worse, {margin}" if int(worse) else "none was worse"
    return (
        f"{'All ' if held == len(told) else f'{held} of '}{len(told)} recommendations with the goal quality "
        f"held on 30 new seeds each, and {f'{100 * failed:.2g} % of the seeds' if failed else 'no seed'} "
        f"failed. {_were(better)} significantly better than the defaults; {behind}. "
        f"On {quiet:.0f} of 20 tables of noise there was no recommendation."
    )


def _were(count: str) -> str:
    return f"{count} {'was' if count == '1' else 'were'}"


def _coverage(found: Document) -> str:
    ours = [
        _aim(found, f"% of all tables covered, on {part} rows, at least") for part in ("validation", "test")
    ]
    student = [row["student"] for row in found["rows"] if row["kind"] == "all"]
    return (
        "On generated tables of noise, classes and numbers whose truth is known, the 95 % interval of the "
        f"accuracy or R² holds it on validation samples in {ours[0]:.1f} %, on test samples in {ours[1]:.1f} "
        f"%; Student's interval over the repeats in {' and '.join(student)}."
    )


def _coverage_splits(found: Document) -> str:
    covered = [
        statistics.mean(
            _aim(found, f"% of all tables covered, on {part} rows, {split}, at least")
            for part in ("validation", "test")
        )
        for split in ("chronological", "groups")
    ]
    return (
        f"Where rows depend on one another it holds less often: in {covered[0]:.1f} % of tables that are "
        f"split by time, and in {covered[1]:.1f} % of those split by groups."
    )


def _verdicts(found: Document) -> str:
    every = next(row for row in found["rows"] if row["source"] == "all")
    commits, right = (every[key].replace("%", " %") for key in ("commits", "right"))
    green = _aim(found, "green on an end above 1.2 times the minimum, or on a falling curve")
    return (
        f"On {every['curves']:,} curves with known answers there is a definite verdict in {commits}, and "
        f"{right} of those are right. Of the curves that end above 1.2 times their minimum, or are still "
        f"falling, {f'{green:.0f} are' if green else 'none is'} called a good fit."
    )


def _regret(found: Document) -> str:
    """Of the grid's point that was fastest on the very seeds it is timed on, which flatters the grid."""
    ratios = [row["in_sample"] for row in found["rows"]]
    within = sum(ratio <= 1.2 for ratio in ratios) / len(ratios)
    return (
        f"What `epochal advise --goal time` advises needs, in the median of {len(ratios)} recommendations on "
        f"{len({row['table'] for row in found['rows']})} tables, {statistics.median(ratios):.2f} times the "
        f"time of the best point of an exhaustive grid, at most 1.2 times in {within:.0%} and "
        f"{max(ratios):.2f} times at worst."
    )


def _advise(found: Document) -> str:
    cold, warm = ([row[key] for row in found["rows"]] for key in ("cold", "warm"))
    names = sorted({row["table"].replace("-", " ") for row in found["rows"]})
    share = _aim(found, "largest share of the grid's updates")
    return (
        f"`epochal advise` on {', '.join(names[:-1])} and {names[-1]} takes {min(cold):.0f} to "
        f"{max(cold):.0f} s from start to exit with nothing compiled, {min(warm):.0f} to {max(warm):.0f} s "
        f"the second time, and at most {100 * share:.1f} % of the updates of an exhaustive grid of 10 "
        "repeats."
    )


def _compare(found: Document) -> str:
    def of(network: str) -> str:
        compare, _, each, grid = (row for row in found["rows"] if row["network"] == network)
        return (
            f"{compare['seconds']['median']:.1f} s, the same trainings by `fit` one after another "
            f"{each['seconds']['median']:.1f} s ({each['ratio']:.1f} times) and scikit-learn's "
            f"`GridSearchCV` {grid['seconds']['median']:.0f} s on both cores ({grid['ratio']:.0f} times)"
        )

    return (
        "150 trainings on breast cancer (5 batch sizes from 1 to full, 3 rates, 10 repeats, 50 epochs) take "
        f"`compare` with 32 hidden units {of('32')}; with two layers of 64 units {of('64-64')}. The aims "
        "were 3 and 20 times."
    )


SENTENCES: Mapping[str, Callable[[Document], str]] = {
    "equal_settings": _equal_settings,
    "promises": _promises,
    "coverage": _coverage,
    "coverage_splits": _coverage_splits,
    "verdicts": _verdicts,
    "regret": _regret,
    "advise": _advise,
    "compare": _compare,
}


def page(path: Path) -> str:
    """A page with the numbers as they were measured last."""

    def anew(found: re.Match[str]) -> str:
        text = quoted(found["name"]) if found["how"] == "quoted" else said(found["name"])
        return f"{found[1]}{text}\n{found[4]}"

    return MARKED.sub(anew, path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(page(path), encoding="utf-8")
