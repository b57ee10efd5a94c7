"""Does a network learn which words of a review decide, and when they are turned into their opposite?

The reviews are generated: a sentence praises or blames a thing, in one of many words, and "not" turns the
verdict over. Words about other things and other people's verdicts stand around it. Training texts are of
different lengths, and the longest are ten times as long as the shortest. Prints the accuracy on held-out
reviews, over repeats with splits of their own, of networks that read the words in order and of one that
only counts them, and what the first says about new sentences.
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
NEW = ("the plot was not dull", "we saw it on a rainy day and the cast was not good")


def reviews(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts and their labels, "yes" for praise."""
    random = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        praise, turned = random.integers(2, size=2)
        words = ["the", random.choice(THINGS), "was", *(["not"] if turned else [])]
        words.append(random.choice((BAD, GOOD)[praise]))
        before, after = (
            [word for at in random.choice(len(FILLERS), number) for word in FILLERS[at]]
            for number in random.integers(0, 5, size=2)
        )
        texts.append(" ".join([*before, *map(str, words), *after]))
        labels.append("yes" if praise != turned else "no")
    return texts, labels


def main() -> None:
    """Print accuracies of three networks, and predictions for new sentences."""
    data = ep.text(reviews(1500, seed=0))
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
