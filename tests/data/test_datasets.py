"""From annotations and feature files to samples and batches."""

from collections import Counter
from itertools import combinations

import lightning
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.batches import Augmentation, EpochBatches, TrainingDataset, collate, pad_features, seeded
from rcl.data.datasets import Sample, VideoDataset
from rcl.data.feature_store import FeatureStore
from rcl.data.preparation import Preparation
from rcl.data.segments import Timeline
from rcl.system.errors import InputError

# -- the order of an epoch ---------------------------------------------------------------------------------------


def batches(lengths, batch_size, *, epoch=0, seed=0, **options):
    sampler = EpochBatches(lengths, batch_size, seed=seed, **options)
    sampler.set_epoch(epoch)
    found = list(sampler)
    assert len(found) == len(sampler)
    return found


SIZES = {
    # Lists that hypothesis makes are short, and an epoch of a few batches is not rearranged.
    "lengths": st.builds(
        lambda count, seed: np.random.default_rng(seed).integers(1, 10, count).tolist(),
        st.integers(1, 150),
        st.integers(0, 99),
    ),
    "batch_size": st.integers(1, 4),
    "epoch": st.integers(0, 5),
    "seed": st.integers(0, 3),
    "buckets": st.booleans(),
}


@settings(deadline=None, max_examples=100)
@given(replicas=st.integers(1, 7), **SIZES)
def test_replicas_share_every_epoch(lengths, batch_size, epoch, seed, buckets, replicas):
    size, options = len(lengths), {"epoch": epoch, "seed": seed, "buckets": buckets}
    shares = [batches(lengths, batch_size, rank=rank, replicas=replicas, **options) for rank in range(replicas)]
    tickets = [ticket for share in shares for batch in share for ticket in batch]
    assert {ticket // size for ticket in tickets} == {epoch}
    counts = Counter(ticket % size for ticket in tickets)
    assert counts.keys() == set(range(size))
    assert len({tuple(map(len, share)) for share in shares}) == 1  # as many batches of as many samples
    assert len(tickets) - size < replicas  # no more is repeated than makes the shares equal
    assert max(counts.values()) - min(counts.values()) <= 1


@settings(deadline=None, max_examples=100)
@given(replicas=st.integers(1, 4), **SIZES)
def test_replicas_together_see_the_batches_of_one_process(lengths, batch_size, epoch, seed, buckets, replicas):
    options = {"epoch": epoch, "seed": seed, "buckets": buckets}
    shares = [batches(lengths, batch_size, rank=rank, replicas=replicas, **options) for rank in range(replicas)]
    single = batches(lengths, batch_size * replicas, **options)
    assert len(single) == len(shares[0])
    again = [ticket for batch in single for ticket in batch] * replicas
    for number, (whole, *parts) in enumerate(zip(single, *shares, strict=True)):
        together = [ticket for samples in zip(*parts, strict=True) for ticket in samples]
        assert together[: len(whole)] == whole
        assert number == len(single) - 1 or len(together) == len(whole)  # the last one repeats the first samples
        assert together[len(whole) :] == again[: len(together) - len(whole)]


@settings(deadline=None, max_examples=100)
@given(replicas=st.integers(1, 4), equal=st.booleans(), **SIZES)
def test_with_equal_lengths_or_without_buckets_the_order_is_that_of_chance(
    lengths, batch_size, epoch, seed, buckets, replicas, equal
):
    size = len(lengths)
    order = torch.randperm(size, generator=seeded(seed, -1 - epoch)).tolist()
    share = -(-size // replicas)
    padded = (order * replicas)[: share * replicas]
    lengths, buckets = ([7] * size, buckets) if equal else (lengths, False)
    for rank in range(replicas):
        own = [epoch * size + index for index in padded[rank::replicas]]
        expected = [own[first : first + batch_size] for first in range(0, share, batch_size)]
        options = {"epoch": epoch, "seed": seed, "buckets": buckets}
        assert batches(lengths, batch_size, rank=rank, replicas=replicas, **options) == expected


@settings(deadline=None, max_examples=50)
@given(steps=st.integers(1, 30), replicas=st.integers(1, 3), **SIZES)
def test_epochs_of_so_many_steps_cut_the_same_passes_elsewhere(
    lengths, batch_size, epoch, seed, steps, replicas, buckets
):
    options = {"seed": seed, "replicas": replicas, "buckets": buckets}
    epochs = range(epoch + 1)
    found = [batch for e in epochs for batch in batches(lengths, batch_size, epoch=e, epoch_batches=steps, **options)]
    assert len(found) == steps * len(epochs)
    passes = -(-len(found) // len(batches(lengths, batch_size, epoch=0, **options)))
    whole = [batch for e in range(passes) for batch in batches(lengths, batch_size, epoch=e, **options)]
    assert found == whole[: len(found)]


def test_the_order_of_a_pass_and_the_draws_of_its_samples_are_independent():
    own = {seeded(seed, number).initial_seed() for seed in range(20) for number in range(-200, 200)}
    assert len(own) == 20 * 400


def padded_share(lengths, found):
    lengths = np.array(lengths)
    kept = [lengths[np.array(batch) % len(lengths)] for batch in found]
    return 1 - sum(part.sum() for part in kept) / sum(len(part) * part.max() for part in kept)


def test_batches_of_similar_lengths_are_padded_little_and_change():
    lengths = np.random.default_rng(0).integers(100, 1000, 1003)
    bucketed = [batches(lengths, 8, epoch=epoch) for epoch in range(4)]
    assert padded_share(lengths, bucketed[0]) < 0.05 < 0.3 < padded_share(lengths, batches(lengths, 8, buckets=False))
    together = [{frozenset(ticket % 1003 for ticket in batch) for batch in epoch} for epoch in bucketed]
    assert all(len(one & other) < 3 for one, other in combinations(together, 2))
    means = np.array([np.mean(lengths[np.array(batch) % 1003]) for epoch in bucketed for batch in epoch[:-1]])
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.2  # neither growing nor shrinking through an epoch


def test_a_small_pack_is_not_always_cut_into_the_same_batches():
    lengths = np.arange(100, 140)
    together = [{frozenset(t % 40 for t in batch) for batch in batches(lengths, 2, epoch=e)} for e in range(30)]
    assert all(len(one & other) < 10 for one, other in combinations(together, 2))


def test_every_epoch_has_an_order_of_its_own():
    def order(seed, epoch):
        return [ticket % 50 for (ticket,) in batches(range(1, 51), 1, seed=seed, epoch=epoch)]

    assert order(0, 3) == order(0, 3)
    orders = [order(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert len(set(map(tuple, orders))) == 9
    assert list(range(50)) not in orders


def test_lightning_finds_the_sampler_to_say_which_epoch_it_is():
    class Idle(lightning.LightningModule):
        def training_step(self, batch, batch_idx):
            drawn.append((self.current_epoch, batch // len(sampler.lengths)))

        def configure_optimizers(self):
            return None

    drawn, sampler = [], EpochBatches([3, 4, 5], 3, seed=0)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = lightning.Trainer(max_epochs=3, enable_checkpointing=False, **quiet)
    trainer.fit(Idle(), DataLoader(range(9), batch_sampler=sampler))
    assert [(epoch, set(own.tolist())) for epoch, own in drawn] == [(0, {0}), (1, {1}), (2, {2})]


@settings(deadline=None)
@given(snippets=st.integers(1, 60), crop=st.integers(1, 60), number=st.integers(0, 99))
def test_a_crop_holds_what_lies_in_it_at_the_same_times(snippets, crop, number):
    features = torch.arange(snippets, dtype=torch.float32)[None]
    starts = torch.arange(0, snippets, 3, dtype=torch.float32)
    segments, labels = torch.stack((starts, (starts + 4).clamp(max=snippets)), dim=1), torch.arange(len(starts))
    sample = Sample("v", features, segments, labels, Timeline(2.0, start_seconds=1.0))
    part = Augmentation(crop=crop)(sample, seeded(0, number))
    first = int(part.features[0, 0])
    assert torch.equal(part.features[0], features[0, first : first + crop])
    assert part.timeline.start_seconds == 1.0 + first / 2.0
    end = first + part.features.shape[1]
    for segment, label in zip(segments.tolist(), labels.tolist(), strict=True):
        start, stop = max(segment[0], first), min(segment[1], end)
        assert (label in part.labels.tolist()) == (stop - start > (segment[1] - segment[0]) / 2)
    assert ((part.segments >= 0) & (part.segments <= end - first)).all()


def test_neighbouring_draws_are_independent():
    draws = torch.stack([torch.rand(200, generator=seeded(s, n)) for s in (0, 1, 7) for n in range(20)])
    others = torch.corrcoef(draws)[~torch.eye(60, dtype=torch.bool)]
    assert others.abs().max() < 0.4
    assert seeded(-1, 3).initial_seed() >= 0


# -- videos ------------------------------------------------------------------------------------------------------


def video(name="v", *, segments=((1, 2),), labels=None, duration=None, rate=None):
    ends = np.array(segments, dtype=np.float64).reshape(-1, 2)
    return VideoAnnotation(name, "training", duration, rate, ends, labels or ("run",) * len(ends))


def dataset(tmp_path, videos, features, **options):
    for annotation, array in zip(videos, features, strict=True):
        np.save(tmp_path / f"{annotation.name}.npy", np.asarray(array, dtype=np.float32))
    annotations = Annotations({annotation.name: annotation for annotation in videos})
    return VideoDataset(annotations, FeatureStore(tmp_path), ("jump", "run"), Preparation(**options))


def numbered(snippets, channels=3):
    return np.arange(snippets * channels).reshape(snippets, channels)


def error_of(function, *arguments):
    with pytest.raises(InputError) as caught:
        function(*arguments)
    return str(caught.value)


def test_a_sample(tmp_path):
    videos = [
        video("a", segments=[(1, 2.5), (4, 6)], labels=("run", "jump"), duration=10.0, rate=2.0),
        video("b", rate=1),
    ]
    samples = dataset(tmp_path, videos, [numbered(20), numbered(5)], scale=2.0)
    assert len(samples) == 2
    sample = samples[0]
    assert sample.video == "a"
    assert sample.features.is_contiguous()
    torch.testing.assert_close(sample.features, torch.from_numpy(numbered(20).T / 2).float())
    assert sample.segments.dtype == torch.float32
    assert sample.segments.tolist() == [[2, 5], [8, 12]]
    assert sample.labels.tolist() == [1, 0]
    assert sample.labels.dtype == torch.int64
    assert sample.timeline == Timeline(2.0, end_seconds=10.0) == samples.timeline(0)
    assert samples[1].features.shape == (3, 5)
    assert samples.longest().tolist() == [4, 1]


@pytest.mark.parametrize(
    ("known", "options", "rate"),
    [
        ({"rate": 2.0}, {}, 2.0),
        ({"rate": 2.0, "duration": 10.1}, {}, 2.0),  # durations are rounded; the rate is not
        ({"duration": 8.0}, {}, 2.5),
        ({}, {"snippets_per_second": 4.0}, 4.0),
        ({"rate": 2.0}, {"snippets_per_second": 4.0}, 4.0),  # the user corrects the file
        ({"duration": 8.0, "rate": 25.0}, {"snippets_per_second": 2.5}, 2.5),
        ({"duration": 8.0}, {"resize": 100}, 12.5),
        ({"rate": 2.5}, {"resize": 100}, 12.5),
        ({"duration": 8.0, "rate": 25.0}, {"resize": 100}, 12.5),
    ],
)
def test_the_rate_is_known_from(tmp_path, known, options, rate):
    samples = dataset(tmp_path, [video(segments=[(2, 4)], **known)], [numbered(20)], **options)
    sample = samples[0]
    assert sample.timeline.snippets_per_second == pytest.approx(rate)
    assert samples.timeline(0) == sample.timeline
    assert sample.features.shape == (3, options.get("resize", 20))
    torch.testing.assert_close(
        sample.segments, torch.tensor([[2 * rate, 4 * rate]]).clamp(max=sample.features.shape[1])
    )
    assert samples.longest().item() == pytest.approx(2 * rate)


def test_an_unknown_rate_is_refused(tmp_path):
    for options in ({}, {"resize": 100}):
        samples = dataset(tmp_path, [video("v7")], [numbered(20)], **options)
        for function in (samples.timeline, samples.__getitem__):
            message = error_of(function, 0)
            assert message.startswith("video 'v7': expected its snippets per second or its duration, found neither")
            assert "data.snippets_per_second" in message


def test_the_rate_of_frames_is_refused_for_snippets(tmp_path):
    samples = dataset(tmp_path, [video("v7", duration=40.0, rate=25.0)], [numbered(100)])
    for function in (samples.timeline, samples.read, samples.open, lambda _: samples.longest(), samples.__getitem__):
        message = error_of(function, 0)
        assert message.startswith(
            "video 'v7': expected about 1000 snippets (40 s at 25 snippets per second), found 100 "
        )
        assert "correct 'fps'" in message


@pytest.mark.parametrize(("snippets", "fine"), [(100, True), (96, True), (109, True), (85, False), (120, False)])
def test_a_few_snippets_more_or_less_are_fine(tmp_path, snippets, fine):
    samples = dataset(tmp_path, [video(duration=40.0, rate=2.5)], [numbered(snippets)])
    if fine:
        assert samples[0].timeline.snippets_per_second == 2.5
    else:
        assert f"found {snippets} in its feature file" in error_of(samples.timeline, 0)


def test_resizing_keeps_features_and_segments_together(tmp_path):
    pulse = np.zeros((20, 1))
    pulse[8:12] = 1
    sample = dataset(tmp_path, [video(segments=[(4, 6)], duration=10.0)], [pulse], resize=100)[0]
    assert sample.segments.tolist() == [[40, 60]]
    assert (sample.features[0] > 0.5).nonzero().flatten().tolist() == list(range(40, 60))


def test_ground_truth_is_cut_to_the_features(tmp_path):
    segments = [(0, 4), (3, 3), (8, 30), (-2, 1), (10, 12), (15, 20)]
    labels = ("jump", "jump", "run", "jump", "jump", "jump")
    samples = dataset(tmp_path, [video(segments=segments, labels=labels, rate=2.0)], [numbered(20)])
    assert samples[0].segments.tolist() == [[0, 8], [16, 20], [0, 2]]  # the one without length is left out
    assert samples[0].labels.tolist() == [0, 1, 0]


def test_a_video_of_one_snippet(tmp_path):
    samples = dataset(tmp_path, [video(segments=[(0, 0.4)], duration=0.4)], [numbered(1)])
    assert samples[0].features.shape == (3, 1)
    assert samples[0].timeline.snippets_per_second == 2.5
    torch.testing.assert_close(samples[0].segments, torch.tensor([[0.0, 1.0]]))
    resized = dataset(tmp_path, [video(segments=[(0, 0.4)], duration=0.4)], [numbered(1)], resize=10)
    torch.testing.assert_close(resized[0].features, torch.tensor([[0.0], [1.0], [2.0]]).expand(3, 10))


def test_a_video_without_actions(tmp_path):
    samples = dataset(tmp_path, [video(segments=[], rate=2.0)], [numbered(6)])
    assert samples[0].segments.shape == (0, 2)
    assert samples[0].labels.shape == (0,)
    assert samples.longest().item() == 0


# -- augmentation ------------------------------------------------------------------------------------------------


def pulsed(snippets, start, end):
    """A sample whose one feature is 1 inside its segment and 0 elsewhere."""
    inside = torch.zeros(1, snippets)
    inside[0, start:end] = 1
    return Sample("v", inside, torch.tensor([[float(start), float(end)]]), torch.tensor([0]), Timeline(1.0))


@settings(deadline=None, max_examples=120)
@given(
    snippets=st.integers(1, 60),
    ends=st.tuples(st.integers(0, 59), st.integers(1, 60)),
    speed=st.floats(0.01, 0.6),
    seed=st.integers(0, 1000),
)
def test_speed_keeps_the_pulse_inside_its_segment(snippets, ends, speed, seed):
    start = min(ends[0], snippets - 1)
    end = min(start + ends[1], snippets)
    sample = pulsed(snippets, start, end)
    changed = Augmentation(speed=speed)(sample, seeded(seed, 0))
    stretched = changed.features.shape[1]
    assert max(1, (1 - speed) * snippets - 0.5) <= stretched <= max(1, (1 + speed) * snippets + 0.5)
    (new_start, new_end), centres = changed.segments[0], torch.arange(stretched) + 0.5
    # Interpolated between snippet centres, the pulse passes one half just where its segment begins and ends.
    clear = (centres - new_start).abs().minimum((centres - new_end).abs()) > 1e-3
    inside = (centres > new_start) & (centres < new_end)
    assert torch.equal((changed.features[0] > 0.5)[clear], inside[clear])
    assert (new_end - new_start).item() == pytest.approx((end - start) * stretched / snippets, rel=1e-4)
    assert (changed.video, changed.labels) == (sample.video, sample.labels)
    assert sample.features.sum() == end - start  # the original is as it was


def test_speed_goes_both_ways_as_far_as_it_may():
    sample = pulsed(1000, 100, 200)
    factors = [Augmentation(speed=0.3)(sample, seeded(0, n)).features.shape[1] / 1000 for n in range(300)]
    assert 0.7 <= min(factors) < 0.72
    assert 1.28 < max(factors) <= 1.3
    assert np.mean(factors) == pytest.approx(1, abs=0.03)


def test_noise_changes_the_features_alone():
    sample = Sample("v", torch.ones(50, 400), torch.tensor([[3.0, 9.0]]), torch.tensor([0]), Timeline(1.0))
    changed = Augmentation(noise=0.2)(sample, seeded(0, 0))
    noise = changed.features - 1
    assert noise.std().item() == pytest.approx(0.2, rel=0.02)
    assert noise.mean().abs() < 0.01
    assert changed._replace(features=sample.features) is not sample
    assert torch.equal(changed.segments, sample.segments)


def test_no_augmentation_changes_nothing():
    sample = pulsed(10, 2, 5)
    changed = Augmentation()(sample, seeded(0, 0))
    assert torch.equal(changed.features, sample.features)
    assert torch.equal(changed.segments, sample.segments)


# -- training samples --------------------------------------------------------------------------------------------


def random_anchors(snippets, targets, generator, reviewed=None):
    assert targets.shape[1] == 2
    return torch.rand(4, 2, generator=generator).sort(-1).values * snippets


def training(tmp_path, seed=0, augmentation=None):
    videos = [video(f"v{index}", segments=[(1, 3)], rate=1.0) for index in range(3)]
    samples = dataset(tmp_path, videos, [numbered(40)] * 3)
    return TrainingDataset(samples, augmentation or Augmentation(noise=0.1, speed=0.3), random_anchors, seed=seed)


def same(one, other):
    return torch.equal(one[0].features, other[0].features) and torch.equal(one[1], other[1])


def test_a_ticket_is_one_draw_in_whatever_order(tmp_path):
    once = training(tmp_path)
    first = [once[ticket] for ticket in range(9)]
    torch.manual_seed(5)  # the global generator plays no part
    again = training(tmp_path)
    for ticket in reversed(range(9)):
        assert same(again[ticket], first[ticket])
        assert first[ticket][0].video == f"v{ticket % 3}"
    assert len(once) == 3
    for one in range(9):  # three videos of the same features, three epochs
        for other in range(one):
            assert not same(first[one], first[other])


def test_seeds_differ(tmp_path):
    assert not same(training(tmp_path, seed=0)[0], training(tmp_path, seed=1)[0])


def test_anchors_are_drawn_on_the_changed_sample(tmp_path):
    seen = []

    def anchors(snippets, targets, generator, reviewed):
        seen.append((snippets, targets))
        return torch.zeros(1, 2)

    samples = training(tmp_path, augmentation=Augmentation(speed=0.5))
    samples.sample_anchors = anchors
    lengths = set()
    for ticket in range(6):
        sample, _ = samples[ticket]
        snippets, targets = seen[-1]
        assert snippets == sample.features.shape[1]
        assert torch.equal(targets, sample.segments)
        assert targets[0, 1].item() == pytest.approx(3 * snippets / 40, rel=1e-5)
        lengths.add(snippets)
    assert len(lengths) > 1


def test_an_epoch_through_sampler_and_dataset(tmp_path):
    samples = training(tmp_path)
    for epoch in range(2):
        tickets = [ticket for batch in batches(samples.videos.lengths(), 2, epoch=epoch) for ticket in batch]
        assert sorted(samples[ticket][0].video for ticket in tickets) == ["v0", "v1", "v2"]


# -- batches -----------------------------------------------------------------------------------------------------


def test_collate_pads():
    first = Sample("a", torch.ones(2, 5), torch.tensor([[0.0, 2.0], [1.0, 4.0]]), torch.tensor([1, 0]), Timeline(1.0))
    second = Sample("b", 2 * torch.ones(2, 3), torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), Timeline(1.0))
    batch = collate([(first, torch.tensor([[2.0, 3.0]])), (second, torch.tensor([[0.0, 3.0], [1.0, 2.0], [0.5, 1.5]]))])
    assert batch.features.tolist() == [[[1] * 5] * 2, [[2, 2, 2, 0, 0]] * 2]
    assert batch.features.is_contiguous()
    assert batch.mask.tolist() == [[True] * 5, [True] * 3 + [False] * 2]
    assert batch.segments.tolist() == [[[0, 2], [1, 4]], [[0, 0], [0, 0]]]
    assert batch.labels.tolist() == [[1, 0], [-1, -1]]
    assert batch.anchors.tolist() == [[[2, 3], [0, 1], [0, 1]], [[0, 3], [1, 2], [0.5, 1.5]]]
    assert batch.anchor_mask.tolist() == [[True, False, False], [True] * 3]
    assert batch.mask.dtype == batch.anchor_mask.dtype == torch.bool
    assert batch.labels.dtype == torch.int64


def test_collate_without_ground_truth_and_of_one():
    sample = Sample("b", torch.ones(2, 1), torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), Timeline(1.0))
    batch = collate([(sample, torch.tensor([[0.0, 1.0]]))])
    assert [tuple(part.shape) for part in batch] == [(1, 2, 1), (1, 1), (1, 0, 2), (1, 0), (1, 1, 2), (1, 1), (1, 1)]
    assert batch.mask.all()
    assert batch.anchor_mask.all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_padded_features_are_found_again(lengths):
    videos = [torch.rand(3, snippets) for snippets in lengths]
    features, mask = pad_features(videos)
    assert features.shape == (len(lengths), 3, max(lengths))
    for row, exists, original in zip(features, mask, videos, strict=True):
        assert torch.equal(row[:, exists], original)
        assert (row[:, ~exists] == 0).all()
