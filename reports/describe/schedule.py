"""What a saved learning rate implies under a cosine.

A cosine brings the rate from r0 to r1 in T steps: r(s) = r1 + (r0 - r1) (1 + cos(pi s / T)) / 2 (arXiv:1608.03983).
A file that holds r0 and r at s steps therefore tells T, for any r1 that one supposes; that T comes out whole, to a
part in 10^11, hardly happens by chance.
"""

import math
from dataclasses import dataclass

from reports.describe.facts import Fact, Known

EXACT = 1e-11
"""Share of the initial rate: torch's step-by-step cosine drifts by less in a thousand epochs."""
LONGEST = 10**7


@dataclass(frozen=True)
class Implied:
    """One solution."""

    steps: int
    total: float
    """T; the whole number where one fits."""
    final: float
    fits: bool
    """Whether a whole T, and no other near it, gives the saved rate."""
    vague: bool = False
    """Several do: the rate has hardly moved."""


def cosine_rate(initial: float, final: float, steps: float, total: float) -> float:
    """The rate after `steps` of `total`; NaN where a file gives them such that there is none."""
    turned = math.pi * steps / total
    return final + (initial - final) * (1 + math.cos(turned)) / 2 if math.isfinite(turned) else math.nan


def solve_total(rate: float, initial: float, final: float, steps: int) -> Implied | None:
    """The length of the cosine that has this rate after `steps`; None where no cosine between the two rates has."""
    if steps < 1 or not final <= rate < initial:
        return None
    # 2 asin keeps its precision at the start of the cosine, where acos(1 - x) loses half of its digits
    turned = 2 * math.asin(math.sqrt((initial - rate) / (initial - final))) / math.pi
    total = steps / turned
    whole = round(total) if math.isfinite(total) and total < LONGEST else 0
    near = [n for n in (whole - 1, whole, whole + 1) if n >= steps and _gives(n, rate, initial, final, steps)]
    return Implied(steps, whole if near == [whole] else total, final, near == [whole], len(near) > 1)


def _gives(total: int, rate: float, initial: float, final: float, steps: int) -> bool:
    return abs(cosine_rate(initial, final, steps, total) - rate) <= EXACT * initial


def describe_cosine(
    rate: float,
    initial: float,
    epoch: int | None,
    steps: int | None,
    claims: dict[str, int],
    final: float | None = None,
) -> tuple[list[Fact], Implied | None]:
    """What the rate implies, and the solution where one is whole.

    Args:
        epoch: as saved; whether it counts from 0 or 1, and whether the scheduler had stepped, is unknown, so that
            one more and one less are tried too.
        steps: of the scheduler, where its state is saved: then nothing else is tried.
        claims: who says how many epochs -> how many.
        final: the rate at the end, where it is stored that the schedule is a cosine; None: lr/100 and 0 are tried.
    """
    if rate == initial:
        text = "the initial one: a constant rate, the first epoch, or the start of a cycle; nothing follows"
        return [Fact("rate", text, Known.COMPUTED)], None
    if (counted := steps if steps is not None else epoch) is None:
        return [Fact("cosine", "no epoch is saved, so its length cannot be solved for", Known.NOT)], None
    facts, fitting = [], None
    supposed = (("lr/100", initial / 100), ("0", 0.0)) if final is None else ((f"{final:g}", final),)
    known, suppose = (Known.GUESS, "if a cosine") if final is None else (Known.COMPUTED, "cosine")
    for name, end in supposed:
        tried = [counted] if steps is not None else [counted, counted + 1, counted - 1]
        solved = [one for one in (solve_total(rate, initial, end, n) for n in tried) if one is not None]
        best = next((one for one in solved if one.fits), solved[0] if solved else None)
        facts.append(Fact(f"{suppose} down to {name}", _text(best, epoch, initial, claims), known))
        if best is not None and best.fits and fitting is None:
            fitting = best
    if fitting is None:
        text = "another schedule, a warm-up, another final rate, or another count of epochs"
        facts.append(Fact("no whole number fits", text, Known.GUESS))
    return facts, fitting


def _text(one: Implied | None, epoch: int | None, initial: float, claims: dict[str, int]) -> str:
    if one is None:
        return "impossible: the saved rate does not lie on it"
    unit = "epoch" if epoch is not None and abs(one.steps - epoch) <= 1 else "step"
    if one.vague:
        return f"{unit} {one.steps} of about {one.total:.0f}; the rate has moved too little to say more"
    if not one.fits:
        return f"{unit} {one.steps} of {one.total:.2f}, which is no whole number"
    text = f"{unit} {one.steps} of {one.total}"
    if unit == "epoch" and one.steps != epoch:
        text += f" (saved as epoch {epoch})"
    for claim in sorted({claim for claim in claims.values() if claim != one.total}) if unit == "epoch" else ():
        there = cosine_rate(initial, one.final, one.steps, claim) if claim >= one.steps else one.final
        text += f", not of {claim} (where it would be {there:.6g})"
    return text
