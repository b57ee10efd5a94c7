"""Does a network have to read words in their order, or is it enough to count them?

The reviews are generated: each passes two verdicts on a film, in one of many words, and the later one
counts. Where one is praise and the other blame, the words alone say nothing. Sentences about other things
stand around them, so that texts are of very different lengths. Prints the accuracy on held-out reviews, over
repeats with splits of their own, of a network that averages the words and of one that reads them, and what
the second says about new sentences.
"""

from __future__ import annotations

import numpy as np

import epochal as ep

GOOD = ("good", "great", "fine", "lovely", "superb", "charming", "clever", "moving")
BAD = ("bad", "dull", "poor", "awful", "weak", "clumsy", "silly", "boring")
THINGS = ("film", "plot", "cast", "music", "ending", "script")
FILLERS = (
    ("we", "saw", "it", "on", "a", "rainy", "day"),
    ("the", "cinema", "was", "full"),
    ("there", "was", "popcorn"),
    ("my", "sister", "came", "along", "with", "her", "dog"),
    ("it", "took", "two", "hours"),
)
NEW = ("the plot was dull , but in the end superb", "the cast was good , but in the end awful")


def reviews(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts and their labels, "yes" for praise in the end."""
    random = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        first, last = random.integers(2, size=2)
        words = [
            "the",
            random.choice(THINGS),
            "was",
            random.choice((BAD, GOOD)[first]),
            ",",
            "but",
            "in",
            "the",
        ]
        words += ["end", random.choice((BAD, GOOD)[last])]
        before, after = (
            [word for at in random.choice(len(FILLERS), number) for word in FILLERS[at]]
            for number in random.integers(0, 5, size=2)
        )
        texts.append(" ".join([*before, *map(str, words), *after]))
        labels.append("yes" if last else "no")
    return texts, labels


def main() -> None:
    """Print the accuracies of both networks, and what the second predicts for new sentences."""
    data = ep.load_texts(reviews(1500, seed=0))
    print("\n".join(data.notes), "\n")
    for kind in ("mean", "gru"):
        run = ep.fit(
            ep.TextClassifier(embedding=16, units=32, kind=kind),
            data,
            epochs=12,
            batch_size=32,
            learning_rate=0.01,
            repeats=3,
        )
        print(f"{kind}: accuracy {run.metrics['validation']['accuracy']}")
    for sentence, label in zip(NEW, run.predict(list(NEW)).labels, strict=True):
        print(f"{label:>4}  {sentence}")


if __name__ == "__main__":
    main()
