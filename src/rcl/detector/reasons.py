"""Why a stretch was chosen, in a sentence for the user."""

from __future__ import annotations

import numpy as np

from rcl.detector.survey import Survey
from rcl.system.errors import listed

AT_RANDOM = "Chosen at random, as a check."
OFTEN = 0.5  # share of corrected proposals
DOUBTFUL = 0.5  # uncertainty from which on a detector is said to hesitate
MOSTLY = 0.5  # of a stretch
FEW = 10  # labelled instances, or half as many as of a label in the middle: only so many
NAMED = 0.25  # of the worth of a stretch: labels that bring less are not named


class Reasons:
    """Finds the reason for a stretch.

    Args:
        known: what is known of the moments.
        counts: ``(L,)`` labelled instances.
        corrected: ``(L,)``, the share of corrected proposals.
    """

    def __init__(self, known: Survey, counts: np.ndarray, corrected: np.ndarray) -> None:
        self.known, self.counts, self.corrected = known, counts, corrected

    def of(self, moments: slice, worth: np.ndarray, *, for_labels: bool) -> str:
        """The reason for a stretch.

        Args:
            moments: of the stretch.
            worth: ``(L,)``, what each label brings.
            for_labels: whether its labels bring more than what it covers.
        """
        if for_labels and worth.sum() > 0:
            return self._of_labels(worth)
        is_answered = self.known.is_answered[moments].all()
        is_nothing = self.known.is_nothing[moments].mean() > MOSTLY
        is_doubtful = self.known.uncertainty[moments].max() >= DOUBTFUL
        if is_answered and is_doubtful and not is_nothing and self.known.labels:
            return self._of_doubt(moments)
        if not self.known.features.shape[1]:
            return "Not reviewed yet." if is_answered else "Nothing is known of it yet."
        return "Unlike anything labelled so far." if (~self.known.is_open).any() else "Like much else in the videos."

    def _of_labels(self, worth: np.ndarray) -> str:
        best = int(worth.argmax())
        label, number = _named(self.known.labels[best]), int(self.counts[best])
        if number <= max(FEW, np.median(self.counts) / 2):
            only = f"only {number}" if number else "none so far"
            return f"May hold {label}, of which there {'is' if number < 2 else 'are'} {only}."
        if self.corrected[best] > OFTEN:
            return f"May hold {label}, which you often corrected."
        most = [_named(self.known.labels[row]) for row in np.argsort(-worth)[:3] if worth[row] >= NAMED * worth[best]]
        return f"May hold many instances, such as {listed(most)}." if len(most) > 1 else f"May hold much of {label}."

    def _of_doubt(self, moments: slice) -> str:
        doubtful = self.known.likely[moments][self.known.uncertainty[moments].argmax()]  # (L + 1,)
        names = [*map(_named, self.known.labels), "no action"]
        first, second = (names[row] for row in np.argsort(-doubtful)[:2])
        return f"The detector hesitates between {first} and {second} here."


def _named(label: str) -> str:
    return label or "an action"
