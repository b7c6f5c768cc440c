"""The annotations that detections are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from rcl.cli.console import warn, warn_of
from rcl.system.errors import InputError, counted, listed
from rcl.system.paths import is_dir

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations
    from rcl.data.detections import Detections
    from rcl.evaluation.characteristics import Fields
    from rcl.evaluation.ground_truths import Policy


@dataclass(frozen=True)
class TruthOptions:
    """Which instances of an annotation file count."""

    subset: Annotated[str, typer.Option(help="The subset of the annotated videos to evaluate on.")] = "validation"
    policy: Annotated[
        str,
        typer.Option(help="official: every instance counts. deduplicated: not those given twice or without a length."),
    ] = "official"
    leave_out: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Leave out the instances of this label, e.g. Ambiguous; may be repeated."),
    ] = None

    def check(self) -> None:
        """Check the policy.

        Raises:
            InputError: it is unknown.
        """
        from rcl.evaluation.ground_truths import Policy

        if self.policy not in get_args(Policy):
            expected = " or ".join(get_args(Policy))
            raise InputError("--policy", expected=expected, found=self.policy, fix="use one of them")


@dataclass(frozen=True)
class GroundTruth:
    """An annotation file and the part of it that counts.

    Args:
        path: of the file.
        everything: all of it.
        chosen: the videos of the subset, without the labels that are left out.
        subset: its name.
        policy: which of the instances count.
        left_out: labels.
    """

    path: Path
    everything: Annotations
    chosen: Annotations
    subset: str
    policy: Policy
    left_out: Sequence[str] = ()

    @classmethod
    def load(cls, source: Path, options: TruthOptions) -> GroundTruth:
        """Read an annotation file, or that of a pack. What can hardly be meant is said.

        Raises:
            InputError: it cannot be read, or an option does not fit it.
        """
        from rcl.data.formats import outcome
        from rcl.data.formats.load import import_annotations
        from rcl.data.formats.values import composed
        from rcl.data.pack import find_annotations

        options.check()
        path = find_annotations(source) if is_dir(source) else source
        everything = import_annotations(path)
        outcome.check_times(everything)
        left_out = [composed(label) for label in options.leave_out or []]
        unknown = [label for label in left_out if label not in everything.labels]
        if unknown:
            expected = f"a label of {path} ({listed(everything.labels)})"
            raise InputError("--leave-out", expected=expected, found=listed(unknown), fix="correct it")
        chosen = everything.subset(options.subset).without_labels(left_out)
        warn_of(outcome.doubts(chosen, overhang=outcome.USUAL_OVERHANG), path)
        warn_of(outcome.similar_classes(chosen, slips=False), path)
        return cls(path, everything, chosen, options.subset, options.policy, left_out)  # type: ignore[arg-type]

    def join(self, detections: Detections, *, where: Path) -> Detections:
        """The detections under the names of the annotations, without those in videos of other subsets.

        A video that the annotations do not name stays: its detections count as wrong. Times outside videos are said.

        Args:
            detections: of any videos and labels.
            where: their file.

        Raises:
            InputError: there are none, none is in an annotated video or has a known label, or two names mean one video.
        """
        from rcl.data.formats import outcome
        from rcl.evaluation.joining import check_comparable, join_names

        joined = join_names(detections, self.everything, where=where)
        others = set(self.everything.videos) - set(self.chosen.videos)
        ignored = [name for name in joined.videos if name in others]
        chosen = joined.without(others) if ignored else joined
        check_comparable(chosen if len(chosen) else joined, self.chosen, where=where)
        warn_of(outcome.doubtful_times(chosen, self.chosen, overhang=outcome.USUAL_OVERHANG), where)
        if ignored:
            warn(f"ignored the detections in {counted(len(ignored), 'video')} outside the {self.subset} subset.")
        return chosen

    def print_reviewed(self) -> None:
        """Say how much of the videos was reviewed, if it is not all."""
        from rcl.data.reviewed_time import describe_reviewed

        if line := describe_reviewed(self.chosen):
            print(f"{line}; what was found elsewhere is not counted")

    def doubtful_instances(self, *, lengthless: bool = True) -> list[str]:
        """A sentence for each kind of instance that counts and that other toolboxes leave out."""
        from rcl.evaluation.ground_truths import doubtful_instances

        return doubtful_instances(self.chosen, policy=self.policy, lengthless=lengthless)

    def fields(self) -> Fields:
        """The characteristics that the file gives for each instance, for DETAD."""
        from rcl.evaluation.characteristics import read_characteristics

        found = read_characteristics(self.path)
        if not self.left_out:
            return found
        kept = {
            name: [label not in self.left_out for label in video.labels]
            for name, video in self.everything.videos.items()
        }
        return {
            one: {
                # DETAD refuses another number of values, naming the video.
                name: values[kept[name]] if len(values) == len(kept[name]) else values
                for name, values in field.items()
                if name in kept
            }
            for one, field in found.items()
        }
