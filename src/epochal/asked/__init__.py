"""WHAT was asked of a training, as a file holds it: asked again, compared, extended.

`document` says all that `prepare` was given; `ask_again` makes of it what `prepare` takes. What no file can
hold (a function, an Optax object, arrays) is named, and has to be given again. `identity` is what must be the
same for a training to go on, and `differences` says in words what is not.
"""

from epochal.asked.differences import differences
from epochal.asked.identity import identity
from epochal.asked.request import (
    ask_again,
    changed_conditions,
    conditions_of,
    document,
    with_epochs,
)

__all__ = [
    "ask_again",
    "changed_conditions",
    "conditions_of",
    "differences",
    "document",
    "identity",
    "with_epochs",
]
