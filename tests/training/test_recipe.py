"""Settings chosen from the data: valid for any data, and the same whatever unit or file they come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.streams import Stream
from rcl.detector.load_config import parse_config
from rcl.training.places import information_of_place
from rcl.training.recipe import (
    LONGEST_CROP,
    MANY_VIDEOS,
    Recordings,
    choose_layers,
    choose_recipe,
    choose_steps,
    choose_time,
    with_changes,
)

RECORDINGS = st.builds(
    lambda lengths, snippets, rate, information: Recordings(np.sort(lengths), np.array(snippets), rate, information),
    st.lists(st.floats(0.01, 500), min_size=1, max_size=30),
    st.lists(st.integers(1, 100_000), min_size=1, max_size=40),
    st.floats(0.05, 60),
    st.sampled_from([0.0, 0.4]),
)


def like(videos: int, snippets: int, rate: float, short_seconds: float, place_information: float = 0.4) -> Recordings:
    return Recordings(np.full(10, short_seconds), np.full(videos, snippets), rate, place_information)


@given(RECORDINGS)
def test_the_recipe_of_any_data_is_a_valid_configuration_with_reasons(recordings: Recordings) -> None:
    sections, choices = choose_recipe(recordings)
    config = parse_config(sections, where="test")
    assert config.data.standardize
    assert all(choice.name and choice.value and choice.reason for choice in choices)
    assert len({choice.name for choice in choices}) == len(choices)
    assert config.training.learning_rate == (1e-3 if config.data.resize else 2e-3)


@given(RECORDINGS)
def test_no_video_becomes_longer_than_its_typical_one_and_short_actions_keep_their_snippets(
    recordings: Recordings,
) -> None:
    data, _ = choose_time(recordings)
    if "resize" in data:
        assert data["resize"] <= max(np.median(recordings.snippets) + 1, 16)
        return
    rate = recordings.rate / data["downsample"]
    assert data["downsample"] == 1 or rate * recordings.short_seconds >= 4 - 1e-3


def test_many_similar_videos_get_one_length_and_others_their_own() -> None:
    assert choose_time(like(40, 1000, 2.5, 5.7))[0] == {"resize": 281, "resize_method": "mean"}
    assert choose_time(like(MANY_VIDEOS - 1, 1000, 15, 1.0))[0] == {"downsample": 3}
    assert choose_time(like(10, 1376, 2, 3.1))[0] == {"downsample": 1}
    assert choose_time(like(40, 1000, 2.5, 5.7, place_information=0.05))[0] == {"downsample": 3}
    mixed = Recordings(np.full(9, 3.0), np.array([100] * 20 + [1000]), 2.0, 0.4)
    assert choose_time(mixed)[0] == {"downsample": 1}


@pytest.mark.parametrize("course", [True, False])
def test_a_similar_course_is_told_from_a_random_one(course: bool) -> None:
    random, steps, videos = np.random.default_rng(0), 12, 20
    labels = np.concatenate([np.arange(steps) if course else random.permutation(steps) for _ in range(videos)])
    centres = np.tile((np.arange(steps) + 0.5) / steps, videos) + random.normal(0, 0.03, steps * videos)
    found = information_of_place(np.repeat(np.arange(videos), steps), centres, labels)
    assert found > 0.5 if course else abs(found) < 0.1


@given(st.floats(1, 100_000))
def test_the_encoder_sees_a_whole_video_of_up_to_seven_hundred_snippets(snippets: float) -> None:
    layers = choose_layers(snippets)
    assert 5 <= layers <= 9
    assert layers == 9 or 2 ** (layers + 1) - 1 >= 1.5 * snippets
    assert layers == 5 or 2**layers - 1 < 1.5 * snippets


def test_steps_do_not_depend_on_the_number_of_videos_until_there_are_many() -> None:
    def steps(videos: int) -> int:
        training, _ = choose_steps(videos)
        return training["epochs"] * training["epoch_steps"]

    assert [steps(videos) for videos in (1, 8, 200, 10_000)] == [500, 500, 500, 25_000]


def test_only_long_videos_are_cropped() -> None:
    crops = [choose_recipe(like(5, snippets, 1, 3))[0]["augmentation"]["crop"] for snippets in (500, 2048, 9000)]
    assert crops == [None, None, LONGEST_CROP]


def test_changes_leave_what_they_do_not_name() -> None:
    sections, _ = choose_recipe(like(5, 100, 1, 3))
    changed = with_changes(sections, {"model": {"head": {"context": 0.5}}})
    assert changed["model"]["head"] == {**sections["model"]["head"], "context": 0.5}
    assert changed["model"]["encoder"] == sections["model"]["encoder"]
    assert sections["model"]["head"]["context"] == pytest.approx(0.25)


@pytest.mark.parametrize("streams", [(), (Stream("a", 993, 5.0), Stream("b", 7, 5.0))])
def test_wide_features_of_few_instances_get_strong_dropout_and_noise(streams: tuple[Stream, ...]) -> None:
    narrow = like(10, 100, 5.0, 2.0)._replace(channels=999, streams=streams)  # ten instances
    wide = narrow._replace(channels=1000)
    assert not wide._replace(lengths_seconds=np.ones(125)).are_wide  # eight for every instance
    for recordings, dropout, noise in ((narrow, 0.1, 0.0), (wide, 0.5, 0.5)):
        sections, choices = choose_recipe(recordings)
        config = parse_config(sections, where="test")
        if streams:
            found = config.model.streams.input_dropout, config.model.streams.noise
            assert config.augmentation.noise == config.model.encoder.input_dropout == 0
        else:
            found = config.model.encoder.input_dropout, config.augmentation.noise
        assert found == (dropout, noise)
        strong = [choice for choice in choices if "1,000 channels for 10 training instances" in choice.reason]
        assert len(strong) == (noise > 0)
        assert all("of a," in choice.name for choice in strong if streams)  # the one that is wider than its embedding


def test_streams_of_one_file_are_not_dropped() -> None:
    several = like(10, 100, 5.0, 2.0)._replace(channels=12, streams=(Stream("a", 5, 5.0), Stream("b", 7, 5.0)))
    for one_file, dropout in ((True, 0.0), (False, 0.5)):
        sections, choices = choose_recipe(several._replace(one_file=one_file))
        assert parse_config(sections, where="test").model.streams.dropout == dropout
        assert f"{dropout:g}" in {choice.value for choice in choices if choice.name == "dropout of streams"}
