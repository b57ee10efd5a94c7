"""Do an LSTM and an MLP forecast a series better than its last value, and does shuffling windows harm?

    python examples/airline.py airline-passengers.csv

Monthly totals with a trend and a season (a generated series of that kind where no table is given). Windows of
12 months forecast the next month. The last fifth is the test part, the months before it the validation part;
windows that cross a cut are in no part. Since the series grows, the test part lies above all that training
has seen: windows are therefore seen as ratios to their last value (`relative="ratio"`), and one network
without that shows what it is good for.

Every network is trained 10 times with the same seeds, on the same windows. Intervals are over these repeats:
they say how sure the figure is for this test part, not for years to come.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

import epochal as ep
from epochal.choose.statistics.paired_test import difference

REPEATS, EPOCHS = 10, 200


def generated(months: int = 144) -> pa.Table:
    """A series that doubles in about five years, with a season of a year and a little noise."""
    random = np.random.default_rng(1)
    month = np.arange(months)
    season = 1 + 0.18 * np.sin(2 * np.pi * month / 12) + 0.06 * np.sin(4 * np.pi * month / 12 + 1)
    total = 110 * 2 ** (month / 62) * season * np.exp(random.normal(0, 0.03, months))
    names = np.datetime_as_string(np.datetime64("1949-01") + month)
    return pa.table({"Month": pa.array(names.tolist()), "Passengers": total.round()})


def main() -> None:
    """Train all networks on the same windows, print the table, save the picture."""
    source = sys.argv[1] if len(sys.argv) > 1 else generated()
    ratios = ep.load_windows(source, target="Passengers", window=12, relative="ratio")
    plain = ep.load_windows(source, target="Passengers", window=12)
    networks = {"MLP": ep.MLP(32), "LSTM": ep.LSTM(32)}
    chosen = [(name, order, ratios) for name in networks for order in ("shuffle", "blocks")]
    chosen.append(("MLP", "shuffle", plain))
    runs = {}
    for name, order, data in chosen:
        title = f"{name}, {order}" + ("" if data is ratios else ", values as they are")
        runs[title] = ep.fit(
            networks[name],
            data,
            batch_size=12,
            epochs=EPOCHS,
            repeats=REPEATS,
            learning_rate=3e-3,
            order=order,
            validation=0.15,
            test=0.2,
        )
    first = next(iter(runs.values()))
    print("\n".join(first.data["notes"]))
    print(f"\n{'test RMSE':<40}{'':>16}  against the last value")
    for naive in first.forecasts["test"].naive:
        print(f"{naive.name:<40}{naive.rmse.mean:>16.1f}")
    for title, run in runs.items():
        found = run.forecasts["test"]
        gain = found.naive[0].skill
        assert gain.ci95 is not None
        low, high = gain.ci95
        figure = f"{found.rmse.mean:.1f} ± {found.rmse.sd:.1f}"
        print(f"{title:<40}{figure:>16}  {gain.mean:.0%} smaller (95 % interval {low:.0%} to {high:.0%})")
    print()
    for name in networks:
        values = {
            order: runs[f"{name}, {order}"].forecasts["test"].rmse.per_repeat
            for order in ("shuffle", "blocks")
        }
        apart = difference(values["shuffle"], values["blocks"], a="shuffled windows", b="blocks of a year")
        print(f"{name}: {apart}")
    for name in networks:
        sentences = runs[f"{name}, shuffle"].forecasts["test"].sentences
        print(f"{name}: {sentences[0]}")
    picture = Path("airline-forecast.png")
    runs["LSTM, shuffle"].plot_forecast(picture, style="light")
    print(f"\nwrote {picture}")


if __name__ == "__main__":
    main()
