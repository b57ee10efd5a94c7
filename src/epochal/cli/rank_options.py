"""Options of rankings."""

from __future__ import annotations

from typing import Any

from epochal.cli.command import under
from epochal.cli.options import Whole, column, decorate
from epochal.errors import Refusal

__all__ = ["pairs_asked", "rank_options"]

_rank = under("Ranking")

rank_options = decorate(
    _rank(
        "--rank-by", metavar="COLUMN", help="Learn to rank the rows of each group: pairs of rows are samples."
    ),
    _rank("--rank-best", metavar="WHICH", help="lowest (ranks) or highest (scores) is ahead. [lowest]"),
    _rank("--most-pairs", type=Whole(1), metavar="N", help="Pairs of one group, at most. [all]"),
)
"""How pairs of ranked rows are made."""


def pairs_asked(given: dict[str, Any]) -> dict[str, Any] | None:
    """The keyword arguments of `rank_pairs` that no table has besides; None where nothing is ranked."""
    if given.get("rank_by") is None:
        for name in ("rank_best", "most_pairs"):
            if given.get(name) is not None:
                raise Refusal(f"--{name.replace('_', '-')} is about ranked rows; give --rank-by COLUMN, too.")
        return None
    for name, remedy in (
        ("task", "pairs are ahead or behind"),
        ("sample_weight", "each group weighs the same"),
        *((name, "the ranked groups are kept whole") for name in ("groups", "groups_from", "groups_table")),
        ("window", "a sample is a pair of rows or a window"),
    ):
        if given.get(name) is not None:
            raise Refusal(f"--{name.replace('_', '-')} does not go with --rank-by: {remedy}; leave it out.")
    return {
        "by": column(given["rank_by"]),
        "best": given["rank_best"] or "lowest",
        "most": given["most_pairs"],
        "seed": given["seed"],
    }
