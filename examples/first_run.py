"""What does a first training look like in Python? Also draws the picture of the README."""

from __future__ import annotations

from pathlib import Path

import epochal as ep

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


def main() -> None:
    """Train five repeats on a table, say what came of it, draw the curves."""
    run = ep.fit(ep.MLP(64, 64), "example:breast-cancer", batch_size=32, epochs=100, repeats=5)
    print(run.summary())
    for style in ("light", "dark"):
        run.curves.plot(path=IMAGES / f"learning-curve-{style}.png", style=style, verdict=run.verdict)


if __name__ == "__main__":
    main()
