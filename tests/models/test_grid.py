"""The grid detector is the published network where that exists, and sane where it does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from plain_bmn import PlainBMN
from rcl.models.alignment import SegmentAlignment
from rcl.models.bmn import BMNEncoder
from rcl.models.grid import GridDetector, GridEncoding, GridHead
from rcl.models.grid_cells import Cells
from rcl.models.losses import Criterion
from rcl.models.published import bmn
from rcl.models.sampling import grid
from rcl.models.temporal import TemporalEncoder
from rcl.system.errors import InputError

LAYOUTS = {"durations": Cells(), "starts": Cells("starts", last=1.0)}
layouts = pytest.mark.parametrize("layout", LAYOUTS)


PAIRS = {
    "x_1d_b.0": "encoder.base.0",
    "x_1d_b.2": "encoder.base.2",
    "x_1d_s.0": "encoder.start.0",
    "x_1d_s.2": "encoder.start.2",
    "x_1d_e.0": "encoder.end.0",
    "x_1d_e.2": "encoder.end.2",
    "x_1d_p.0": "encoder.proposal.0",
    "x_3d_p.0": "alignment",
    "x_2d_p.0": "head.cell",
    "x_2d_p.2": "head.convolutions.0",
    "x_2d_p.4": "head.convolutions.1",
    "x_2d_p.6": "head.scores",
}


def plain_and_ours(in_channels: int, snippets: int, layout: str = "durations") -> tuple[PlainBMN, GridDetector]:
    torch.manual_seed(0)
    plain, ours = PlainBMN(in_channels, snippets, layout), bmn(in_channels, cells=LAYOUTS[layout])
    with torch.no_grad():
        for theirs, own in PAIRS.items():
            for kind in ("weight", "bias"):
                target = ours.get_parameter(f"{own}.{kind}")
                target.copy_(plain.get_parameter(f"{theirs}.{kind}").view(target.shape))
    return plain, ours


def small(
    *,
    num_labels: int = 0,
    cells: Cells | None = None,
    in_channels: int = 6,
    finer: int = 1,
    empty: tuple[float, float] | None = None,
) -> GridDetector:
    """A little network whose every parameter is random, so that a leak shows."""
    torch.manual_seed(1)
    alignment = SegmentAlignment(16, 12, points=4, subpoints=2, context=0.5, convention="bmn")
    alignment.empty_segment = empty
    head = GridHead(12, channels=8, num_labels=num_labels)
    model = GridDetector(BMNEncoder(in_channels, channels=16, groups=2), alignment, head, cells=cells, finer=finer)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    return model.eval()


def whole(snippets: int, batch: int = 1) -> Tensor:
    return torch.ones(batch, snippets, dtype=torch.bool)


@layouts
@pytest.mark.parametrize("snippets", [1, 20])
def test_equals_the_published_network(snippets: int, layout: str) -> None:
    plain, ours = plain_and_ours(12, snippets, layout)
    features = torch.randn(2, 12, snippets) * 3
    with torch.no_grad():
        confidence, start, end = plain(features)
        encoding = ours.encode(features, whole(snippets, 2))
    torch.testing.assert_close(encoding.maps.sigmoid(), confidence, atol=1e-4, rtol=0)
    assert encoding.boundaries is not None
    torch.testing.assert_close(encoding.boundaries.sigmoid(), torch.stack((start, end), dim=1), atol=1e-4, rtol=0)


def test_equals_the_published_network_at_its_size_which_is_4_98_million_parameters() -> None:
    plain, ours = plain_and_ours(400, 100)
    count = sum(parameter.numel() for parameter in ours.parameters())
    assert count == sum(parameter.numel() for parameter in plain.parameters() if parameter.requires_grad)
    assert f"{count / 1e6:.2f}" == "4.98"
    features = torch.randn(1, 400, 100)
    with torch.no_grad():
        confidence, *_ = plain(features)
        maps = ours.encode(features, whole(100)).maps
    torch.testing.assert_close(maps.sigmoid(), confidence, atol=1e-4, rtol=0)
    assert confidence.std() > 1e-3  # there is something to compare


def test_gradients_equal_those_of_the_published_network() -> None:
    plain, ours = plain_and_ours(8, 7)
    features = torch.randn(2, 8, 7)
    confidence, start, end = plain(features)
    encoding = ours.encode(features, whole(7, 2))
    assert encoding.boundaries is not None
    seed = torch.randn_like(confidence)
    (confidence * seed).sum().add((start * 2 - end).sum()).backward()
    starts, ends = encoding.boundaries.sigmoid().unbind(1)
    (encoding.maps.sigmoid() * seed).sum().add((starts * 2 - ends).sum()).backward()
    for theirs, own in PAIRS.items():
        for kind in ("weight", "bias"):
            expected = plain.get_parameter(f"{theirs}.{kind}").grad
            found = ours.get_parameter(f"{own}.{kind}").grad
            assert expected is not None
            assert found is not None
            scale = expected.abs().max().item()
            torch.testing.assert_close(found, expected.view(found.shape), atol=1e-4 * scale + 1e-7, rtol=0)


@layouts
def test_every_segment_of_the_grid_reads_its_own_cell(layout: str) -> None:
    cells, snippets = LAYOUTS[layout], 6
    segments = grid(snippets).segments
    start, duration = cells.nearest(segments[None], torch.tensor([[snippets]]))
    assert torch.equal(torch.stack((start, start + duration + 1), dim=-1)[0].float(), segments)
    place = cells.place(start, duration, snippets)[0]
    row, column = (duration[0], start[0]) if layout == "durations" else (start[0], start[0] + duration[0])
    assert torch.equal(place, row * snippets + column)
    known = cells.place(*cells.all(snippets, torch.device("cpu")), snippets)
    assert sorted(known.tolist()) == sorted(place.tolist())


def test_other_segments_read_the_nearest_cell_that_exists() -> None:
    model = small()
    mask = torch.tensor([[True] * 9, [True] * 5 + [False] * 4])
    encoding = model.encode(torch.randn(2, 6, 9), mask)
    anchors = torch.tensor([[2.4, 5.3], [-3.0, 1.0], [7.6, 40.0], [3.0, 3.0], [30.0, 31.0]]).expand(2, -1, -1)
    scores = model.query(encoding, anchors, steps=3).steps
    assert len(scores) == 1
    for video, cells in enumerate(([(2, 2), (3, 0), (0, 8), (0, 3), (0, 8)], [(2, 2), (3, 0), (0, 4), (0, 3), (0, 4)])):
        for k, (duration, start) in enumerate(cells):
            assert scores[0].regression[video, k] == encoding.maps[video, 0, duration, start]
            assert scores[0].classification[video, k] == encoding.maps[video, 1, duration, start]


@layouts
@pytest.mark.parametrize("longest", [None, 4])
@pytest.mark.parametrize("empty", [None, (0.25, -0.25)])
@pytest.mark.parametrize("finer", [1, 2, 3])
def test_a_padded_batch_gives_every_video_what_it_gives_alone(
    layout: str, longest: int | None, empty: tuple[float, float] | None, finer: int
) -> None:
    cells = Cells(layout, longest=longest, last=float(layout == "starts"))  # type: ignore[arg-type]
    model = small(num_labels=2, cells=cells, finer=finer, empty=empty)
    videos = [torch.randn(6, snippets) for snippets in (1, 3, 9)]
    features, mask = torch.full((3, 6, 9), 50.0), torch.zeros(3, 9, dtype=torch.bool)
    for row, video in enumerate(videos):
        features[row, :, : video.shape[1]] = video
        mask[row, : video.shape[1]] = True
    together = model.encode(features, mask)
    for row, video in enumerate(videos):
        alone = model.encode(video[None], whole(video.shape[1]))
        anchors = grid(video.shape[1], finer=finer).segments[None]
        height, width = alone.maps.shape[2:]
        torch.testing.assert_close(together.maps[row, :, :height, :width], alone.maps[0], atol=1e-4, rtol=1e-4)
        batch = anchors.expand(3, -1, -1)
        read, expected = model.query(together, batch).steps[0], model.query(alone, anchors).steps[0]
        torch.testing.assert_close(read.labels[row], expected.labels[0], atol=1e-4, rtol=1e-4)


def test_longest_leaves_the_rows_of_the_other_durations_out() -> None:
    full, bounded = small(), small(cells=Cells(longest=5))
    features = torch.randn(1, 6, 12)
    maps, few = full.encode(features, whole(12)).maps, bounded.encode(features, whole(12)).maps
    assert few.shape == (1, 2, 5, 12)
    # Two convolutions see two rows further: rows of the bound's own neighbourhood differ, the others do not.
    torch.testing.assert_close(few[:, :, :3], maps[:, :, :3], atol=1e-5, rtol=1e-5)


def test_a_huge_map_is_not_made_by_accident() -> None:
    model = small()
    with pytest.raises(InputError, match="a video of 2000 snippets: expected at most 512"):
        model.encode(torch.randn(1, 6, 2000), whole(2000))
    bounded = small(cells=Cells(longest=3))
    assert bounded.encode(torch.randn(1, 6, 2000), whole(2000)).maps.shape == (1, 2, 3, 2000)


def test_takes_any_encoder_and_the_centred_convention() -> None:
    torch.manual_seed(0)
    encoder = TemporalEncoder(6, channels=16, layers=2)
    alignment = SegmentAlignment(16, 12, points=4)
    model = GridDetector(encoder, alignment, GridHead(12, channels=8, kernel=1), cells=Cells(last=1.0)).eval()
    features, anchors = torch.randn(1, 6, 8), grid(8).segments[None]
    scores = model(features, whole(8), anchors).steps[0]
    # With kernels of 1 the map is the continuous function at the grid.
    looked_up = alignment(encoder(features, whole(8)).features, anchors)
    x = model.head.embed(looked_up)
    for layer in model.head.convolutions:
        x = torch.relu(nn.functional.linear(x, layer.weight[..., 0, 0], layer.bias))
    expected = nn.functional.linear(x, model.head.scores.weight[..., 0, 0], model.head.scores.bias)
    torch.testing.assert_close(torch.stack((scores.regression, scores.classification), -1), expected, atol=1e-5, rtol=0)


# -- a finer map -------------------------------------------------------------------------------------------------


def test_a_map_that_is_not_finer_is_the_one_of_before() -> None:
    torch.manual_seed(0)
    features, anchors = torch.randn(2, 6, 9), torch.rand(2, 50, 2).sort().values * 9
    plain, same = small(num_labels=2)(features, whole(9, 2), anchors), small(num_labels=2, finer=1)
    for found, expected in zip(same(features, whole(9, 2), anchors).steps[0], plain.steps[0], strict=True):
        assert torch.equal(found, expected)


def interpolated(coarse: Tensor, finer: int, layout: str) -> Tensor:
    """``(rows, columns)`` times ``finer``, cell by cell: linear between the segments of the coarse cells.

    A start index ``i`` stands for the time ``i``; the index of a duration or an end for ``i + 1``.
    """
    rows, columns = coarse.shape
    fine = torch.empty(rows * finer, columns * finer)
    for i in range(rows * finer):
        for j in range(columns * finer):
            as_start, as_end = (lambda k: k / finer), (lambda k: (k + 1) / finer - 1)
            y, x = (as_start(i), as_end(j)) if layout == "starts" else (as_end(i), as_start(j))
            y, x = min(max(y, 0.0), rows - 1.0), min(max(x, 0.0), columns - 1.0)
            top, left = int(y), int(x)
            below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            upper = coarse[top, left] * (1 - (x - left)) + coarse[top, right] * (x - left)
            lower = coarse[below, left] * (1 - (x - left)) + coarse[below, right] * (x - left)
            fine[i, j] = upper * (1 - (y - top)) + lower * (y - top)
    return fine


@layouts
@pytest.mark.parametrize("longest", [None, 4])
@pytest.mark.parametrize("finer", [2, 3])
@pytest.mark.parametrize("snippets", [1, 7])
def test_a_finer_map_is_bilinear_interpolation(layout: str, longest: int | None, finer: int, snippets: int) -> None:
    cells = Cells(layout, longest=longest, last=float(layout == "starts"))  # type: ignore[arg-type]
    features = torch.randn(2, 6, snippets)
    coarse = small(num_labels=1, cells=cells).encode(features, whole(snippets, 2)).maps.detach()
    fine = small(num_labels=1, cells=cells, finer=finer).encode(features, whole(snippets, 2)).maps.detach()
    torch.testing.assert_close(fine[1, 2], interpolated(coarse[1, 2], finer, layout), atol=1e-5, rtol=1e-5)


@layouts
def test_a_segment_of_the_coarse_grid_reads_its_coarse_score_from_a_finer_map(layout: str) -> None:
    cells = Cells(layout, last=float(layout == "starts"))  # type: ignore[arg-type]
    features, anchors = torch.randn(1, 6, 7), grid(7).segments[None]
    coarse, fine = (small(cells=cells, finer=finer)(features, whole(7), anchors).steps[0] for finer in (1, 3))
    torch.testing.assert_close(fine.regression, coarse.regression, atol=1e-5, rtol=1e-5)


@layouts
@pytest.mark.parametrize("longest", [None, 3])
@pytest.mark.parametrize("finer", [1, 2, 3])
def test_every_segment_of_a_finer_grid_reads_its_own_cell(layout: str, longest: int | None, finer: int) -> None:
    snippets, cells = 6, Cells(layout, longest=longest)  # type: ignore[arg-type]
    segments = grid(snippets, longest=longest, finer=finer).segments
    rows, columns = (side * finer for side in cells.shape(snippets))
    maps = torch.arange(2 * rows * columns).view(1, 2, rows, columns).float()  # every cell has a number
    scores = small(cells=cells, finer=finer).query(GridEncoding(maps, whole(snippets), None), segments[None]).steps[0]
    assert torch.equal(scores.anchors[0], segments)
    read = scores.regression[0].long()
    assert len(read.unique()) == len(segments)
    start, end = (segments * finer).round().long().T
    assert torch.equal(read, (end - start - 1 if layout == "durations" else start) * columns
                       + (start if layout == "durations" else end - 1))  # fmt: skip
    assert torch.equal(scores.classification[0].long(), read + rows * columns)


def test_segments_of_a_padded_video_read_no_padding_of_a_finer_map() -> None:
    model, mask = small(finer=2), torch.tensor([[True] * 9, [True] * 5 + [False] * 4])
    encoding = model.encode(torch.randn(2, 6, 9), mask)
    anchors = torch.tensor([[2.4, 5.3], [-3.0, 1.0], [7.6, 40.0], [3.0, 3.0], [30.0, 31.0]]).expand(2, -1, -1)
    scores = model.query(encoding, anchors).steps[0]
    own = [(5, 5), (7, 0), (2, 15), (0, 6), (0, 17)], [(4, 5), (7, 0), (0, 9), (0, 6), (0, 9)]
    for video, cells in enumerate(own):  # in halves of a snippet
        for k, (duration, start) in enumerate(cells):
            assert scores.regression[video, k] == encoding.maps[video, 0, duration, start]


@pytest.mark.parametrize("snippets", [1, 2, 9])
@pytest.mark.parametrize("finer", [1, 2])
@pytest.mark.parametrize("num_labels", [0, 1, 3])
@pytest.mark.parametrize("truths", [0, 2])
def test_losses_and_gradients_are_finite(snippets: int, finer: int, num_labels: int, truths: int) -> None:
    model = small(num_labels=num_labels, finer=finer).train()
    mask = whole(snippets, 2)
    mask[1, max(1, snippets // 2) :] = False
    anchors = grid(snippets, finer=finer).segments.expand(2, -1, -1)
    segments, labels = torch.rand(2, truths, 2).sort().values * snippets, torch.zeros(2, truths, dtype=torch.int64)
    predictions = model(torch.randn(2, 6, snippets), mask, anchors)
    assert predictions.steps[0].labels.shape == (2, anchors.shape[1], num_labels)
    assert torch.equal(predictions.segments, anchors)
    anchor_mask = torch.ones(anchors.shape[:2], dtype=torch.bool)
    losses = Criterion()(predictions, segments, labels, mask=mask, anchor_mask=anchor_mask)
    total = torch.stack(tuple(losses.values())).sum()
    assert total.isfinite()
    total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_map_is_looked_up_in_parts_where_it_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    model, features = small(), torch.randn(2, 6, 9)
    at_once = model.encode(features, whole(9, 2)).maps
    monkeypatch.setattr("rcl.models.grid.CELLS_PER_LOOKUP", 7)
    torch.testing.assert_close(model.encode(features, whole(9, 2)).maps, at_once, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("empty", [None, (0.0, -1.0)])
@pytest.mark.parametrize("finer", [1, 2])
def test_works_under_autocast(empty: tuple[float, float] | None, finer: int) -> None:
    model = small(num_labels=2, finer=finer, empty=empty)
    mask = torch.tensor([[True] * 9, [True] * 4 + [False] * 5])
    with torch.autocast("cpu", torch.bfloat16):
        maps = model.encode(torch.randn(2, 6, 9), mask).maps
    assert maps.isfinite().all()
    maps.float().sum().backward()
