"""Looks at a part so far: at its end they are what ``rcl detect`` says about its recording."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from played import RATE, again_and_again, pictures, recording
from rcl.data.detections import Detections
from rcl.data.standardization import ChannelScale
from rcl.data.streams import Stream
from rcl.detector.live.features.part_features import PartFeatures
from rcl.detector.live.looking import Looking, decider, default_context
from rcl.detector.localizer import Localizer
from rcl.detector.operating_points import OperatingPoints, without_duplicates
from rcl.evaluation.calibration import Calibration
from rcl.models.sampling import Lattice
from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from rcl.video.extractor import build_extractor
from rcl.video.settings import ExtractionSettings, StreamSettings
from untrained import FACTS, random_model, tiny_config


class Blocks:
    """A backbone: the mean colors of sixteen blocks of the picture."""

    frame_size, rate, window, stride, fixed_window = FrameSize(short=16), 10.0, 3, 2, None

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        gray = frames.float().mean(1).mean(1, keepdim=True)  # (B, 1, H, W)
        return torch.nn.functional.adaptive_avg_pool2d(gray, 4).flatten(1) / 255


SETTINGS = ExtractionSettings(backbone=f"{__name__}:Blocks", rate=10, window=3, stride=2)
SLOW = SETTINGS.model_copy(update={"rate": 6.0, "window": 5, "stride": 3})
STREAMS = (Stream("fast", 16, 5.0), Stream("slow", 16, 2.0), Stream("imu", 3, 4.0))
SCALE = ChannelScale((0.5,) * 16, (0.2,) * 16)


def pushed(localizer: Localizer, given_pictures: Any, *, end: bool = True, **options: Any) -> PartFeatures:
    part = PartFeatures(localizer.extractor, localizer.streams, where="cam", **options)
    for picture in given_pictures:
        part.push(picture)
    if end:
        part.finish()
    return part


@cache
def single(**data: Any) -> Localizer:
    facts = replace(FACTS, in_channels=16, longest=28.0, channels=SCALE, longest_seconds=30.0)
    config = tiny_config(data={**data, "standardize": True}, model={"head": {"ends": 1}})
    localizer = Localizer.from_model(random_model(config, facts), config, facts, device="cpu")
    localizer.extractor = build_extractor(SETTINGS)
    return localizer


@cache
def streamed() -> Localizer:
    facts = replace(FACTS, in_channels=35, longest=12.0, streams=STREAMS)
    config = tiny_config()
    localizer = Localizer.from_model(random_model(config, facts), config, facts, device="cpu")
    localizer.extractor = build_extractor(StreamSettings({"fast": SETTINGS, "slow": SLOW}), streams=STREAMS)
    return localizer


def all_of_them(detections: Detections) -> Detections:
    return detections


def assert_same(found: Detections, expected: Detections) -> None:
    """The same segments and scores, in whatever order equal ones are."""
    assert len(found) == len(expected)
    np.testing.assert_allclose(np.sort(found.scores), np.sort(expected.scores), atol=1e-4)
    np.testing.assert_allclose(found.segments_seconds, expected.segments_seconds, atol=1e-4)
    assert found.label_index.tolist() == expected.label_index.tolist()


@settings(max_examples=8)
@given(
    frames=st.integers(1, 60),
    which=st.sampled_from(["one", "several", "resized", "downsampled"]),
    infinite=st.booleans(),
)
@example(frames=20, which="resized", infinite=False)
def test_at_the_end_of_a_part_the_look_is_that_of_rcl_detect(frames: int, which: str, infinite: bool) -> None:
    makers = {"resized": {"resize": 20}, "downsampled": {"downsample": 2}}
    localizer = streamed() if which == "several" else single(**makers.get(which, {}))
    part = pushed(localizer, pictures(recording(frames)))
    context = {"context_seconds": math.inf} if infinite else {"context_seconds": 6 * 3600.0, "fill": False}
    look = Looking(localizer, decide=all_of_them, **context).look(part)  # type: ignore[arg-type]
    assert_same(look.detections, localizer.detect(recording(frames)))
    assert look.seconds == pytest.approx(frames / RATE, abs=1e-3)
    assert look.settled_before == 0


def test_a_look_at_nothing_finds_nothing() -> None:
    for localizer in (single(), streamed()):
        part = pushed(localizer, list(pictures(recording(60)))[:2], end=False)
        look = Looking(localizer, decide=all_of_them).look(part)
        assert (len(look.detections), look.seconds, look.settled_before) == (0, 0.0, 0.0)


@pytest.mark.parametrize("maker", [single, streamed])
def test_a_window_moves_by_half_a_context(maker: Any) -> None:
    localizer, context = maker(), 8.0
    looking = Looking(localizer, decide=all_of_them, context_seconds=context)
    part = pushed(localizer, [], end=False, keep_seconds=looking.keep_seconds)
    whole = pushed(localizer, islice(again_and_again(40), 376), end=False)
    settled, begins = 0.0, set[float]()
    for number, picture in enumerate(again_and_again(40)):
        part.push(picture)
        if number % 15 or not part.snippets:
            continue
        look = looking.look(part)
        assert look.seconds == part.seconds
        assert look.settled_before >= settled  # what is settled stays settled
        settled = look.settled_before
        assert settled <= max(look.seconds - context / 2, 0)  # and all else is asked for half a context at least
        assert settled >= look.seconds - context - 0.5 or look.seconds < 1.5 * context
        assert (look.detections.segments_seconds[:, 1] >= settled).all()
        begins.add(begin := settled - context / 2 if settled else 0.0)
        if number == 375:
            first = round(begin * part.snippets_per_second)
            given_features = whole.given(first).features
            features = given_features if isinstance(given_features, torch.Tensor) else given_features.read()
            rows = part.snippets - first
            expected = localizer.detect(features[:rows], part.snippets_per_second)
            segments = expected.segments_seconds + begin
            kept = segments[:, 1] >= settled
            assert_same(look.detections, replace(expected, segments_seconds=segments)[kept])
    assert begins == {4.0 * half for half in range(8)}


def test_a_short_window_is_not_slowed_down() -> None:
    localizer = single(resize=40)
    part = pushed(localizer, pictures(recording(30)))  # 2.5 s
    look = Looking(localizer, decide=all_of_them, context_seconds=8.0).look(part)
    features = np.array(localizer.extractor(recording(30)).features)  # type: ignore[misc]
    padded = np.concatenate((features, features[-1:].repeat(40 - len(features), axis=0)))  # 8 s
    timeline = localizer.preparation.timeline(40, 5.0, end_seconds=2.5)
    opened = localizer.open(torch.from_numpy(padded), timeline)
    assert_same(look.detections, localizer.detect_prepared(*opened, video="cam"))
    assert look.detections.segments_seconds.max() <= 2.5


def test_the_default_context_is_what_answers_depend_on_and_like_training() -> None:
    localizer = single(scale=1.0)
    sight, anchors = localizer.model.sight, localizer.search.anchors
    assert sight is not None
    assert isinstance(anchors, Lattice)
    seen = 2 * (1.25 * anchors.longest + sight.radius) / 5
    assert 10 < 2 * anchors.longest / 5 < 12 < seen < 30
    for longest, context in ((30.0, seen), (12.0, 12.0), (2.0, 2 * anchors.longest / 5), (None, seen)):
        localizer.longest_seconds = longest
        assert default_context(localizer) == pytest.approx(context)
    with pytest.raises(InputError, match="context: expected seconds above 0"):
        Looking(localizer, decide=all_of_them, context_seconds=0)


# -- what counts -------------------------------------------------------------------------------------------------

FOUND = Detections(
    ("v",),
    [0] * 4,
    [[0, 2], [0, 2.2], [5, 6], [8, 9]],
    ("clap", "jump"),
    [0, 0, 1, 0],
    [0.9, 0.8, 0.7, 0.2],
)
POINTS = OperatingPoints({"clap": 0.5, "jump": 0.75}, Calibration(1.0, 0.0), 0.5, None, "tests")


def test_operating_points_or_a_score_decide() -> None:
    def scores(**options: Any) -> list[float]:
        return decider(POINTS, labels=FOUND.labels, **options)(FOUND).scores.round(2).tolist()

    assert scores() == POINTS.decide(FOUND).scores.round(2).tolist() == [0.9]
    assert scores(min_score=0.3) == [0.9, 0.7]
    assert scores(min_score=0.0) == without_duplicates(FOUND).scores.tolist() == [0.9, 0.7, 0.2]
    assert scores(min_score=0.1, only=["clap"]) == [0.9, 0.2]
    assert scores(only=["jump"]) == []
    assert len(decider(None, labels=FOUND.labels, min_score=0.1)(Detections.empty())) == 0


def test_what_cannot_decide_is_refused() -> None:
    with pytest.raises(InputError, match="rcl calibrate CHECKPOINT PACK, or give a score with --min-score"):
        decider(None, labels=("clap",))
    with pytest.raises(InputError, match=r"labels of the detector \(clap, jump\), found kick"):
        decider(POINTS, labels=("clap", "jump"), only=["kick", "jump"])
    with pytest.raises(InputError, match="it has none"):
        decider(None, labels=(), only=["kick"], min_score=0.5)
    with pytest.raises(InputError, match="from 0 to 1"):
        decider(POINTS, labels=("clap",), min_score=3)
