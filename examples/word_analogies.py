"""Do word vectors find analogies that were planted in a text?

The text is generated. A word such as "queen" stands among words that go with its meaning (throne, crown) and
words that go with its form (she, her); "rome" among those of Italy and those of capitals. Nothing says that
king is to queen as uncle is to aunt: it has to follow from the company the words keep. Prints how many of all
analogies are answered right, over several seeds of text and training.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

import epochal as ep
from epochal.curves import summarize

PEOPLE = (
    ("king", "queen"),
    ("prince", "princess"),
    ("uncle", "aunt"),
    ("brother", "sister"),
    ("actor", "actress"),
    ("waiter", "waitress"),
    ("father", "mother"),
    ("wizard", "witch"),
)
PLACES = (
    ("italy", "rome"),
    ("france", "paris"),
    ("japan", "tokyo"),
    ("kenya", "nairobi"),
    ("peru", "lima"),
    ("norway", "oslo"),
    ("egypt", "cairo"),
    ("cuba", "havana"),
)
FORMS = (
    (("he", "him", "his", "man"), ("she", "her", "hers", "woman")),
    (
        ("nation", "border", "flag", "province"),
        ("city", "mayor", "street", "suburb"),
    ),
)
"""What goes with the first and with the second word of each pair."""
TOPICS = 5
"""Words that go with one pair, whichever of the two."""
SENTENCES = 6000


def sentences(seed: int) -> list[list[str]]:
    """A text: each sentence is about one word, in words of its meaning and of its form and a few others."""
    random = np.random.default_rng(seed)
    others = [f"word{number}" for number in range(30)]
    made = []
    for _ in range(SENTENCES):
        kind = random.integers(2)
        pair = random.integers(len(PEOPLE))
        form = random.integers(2)
        words = [(PEOPLE, PLACES)[kind][pair][form]]
        words += [
            f"{('life', 'land')[kind]}{pair}-{topic}" for topic in random.choice(TOPICS, 2, replace=False)
        ]
        words += list(random.choice(FORMS[kind][form], 2, replace=False))
        words += list(random.choice(others, 2))
        made.append([str(word) for word in random.permutation(words)])
    return made


def score(vectors: ep.WordVectors) -> float:
    """The share of all analogies between two pairs that are answered right, in both directions."""
    asked = right = 0
    for pairs in (PEOPLE, PLACES):
        for (a, b), (c, d) in permutations(pairs, 2):
            for question, answer in (((a, b, c), d), ((b, a, d), c)):
                asked += 1
                right += vectors.analogy(*question)[0][0] == answer
    return right / asked


def learn(seed: int) -> ep.WordVectors:
    """The vectors of one text."""
    return ep.word_vectors(
        sentences(seed), dimensions=32, subsample=0, epochs=5, batch_size=512, learning_rate=0.1, seed=seed
    )


def main() -> None:
    """Print the share of right answers over 5 seeds, and what the vectors of one text say."""
    shares = summarize([score(vectors := learn(seed)) for seed in range(5)], bounds=(0, 1))
    assert vectors.run is not None
    print(vectors.run.plan)
    print(f"\nking is to queen as uncle is to {vectors.analogy('king', 'queen', 'uncle')[0][0]}")
    print(f"italy is to rome as peru is to {vectors.analogy('italy', 'rome', 'peru')[0][0]}")
    print(f"near rome: {', '.join(word for word, _ in vectors.nearest('rome', 5))}")
    print(f"\n{shares} of the analogies are answered right")


if __name__ == "__main__":
    main()
