"""What a format can hold comes back equal. The formats of annotation tools are in test_annotation_tools.py."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from named import video_key
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.formats import audacity
from rcl.data.formats.exported import Exported
from rcl.data.formats.load import import_annotations, load_annotations, save_annotations
from rcl.data.formats.media_names import named_files
from rcl.data.formats.results import load_detections, save_detections
from rcl.data.formats.subtitles import save_subtitles
from rcl.data.formats.values import composed

relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
printable = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters='<>:"/\\|?*')
words = st.text(printable, min_size=1, max_size=8).map(str.strip).filter(bool).map(composed)
paths = st.lists(words.filter(lambda word: word[0] != "." != word[-1]), min_size=1, max_size=3)
milliseconds = st.integers(0, 10**7).map(lambda time: time / 1000)
pairs = st.tuples(milliseconds, milliseconds).map(sorted)
anything = st.text(max_size=8).map(composed)


@st.composite
def annotated(draw: st.DrawFn, names: st.SearchStrategy[str], labels: st.SearchStrategy[str]) -> Annotations:
    videos = {}
    for name in draw(st.lists(names, min_size=1, max_size=4, unique_by=video_key)):
        segments = draw(st.lists(pairs, max_size=5))
        own = tuple(draw(labels) for _ in segments)
        subset = draw(st.sampled_from(["training", "validation", "testing"]))
        length = draw(st.none() | st.floats(1e-3, 1e5))
        array = np.array(segments, dtype=np.float64).reshape(-1, 2)
        rate, group = draw(st.none() | st.floats(0.1, 100)), draw(st.none() | words)
        videos[name] = VideoAnnotation(name, subset, length, rate, array, own, group)
    return Annotations(videos)


def instances(content: Annotations) -> dict[str, Counter[tuple[float, float, str]]]:
    return {
        name: Counter((*pair, label) for pair, label in zip(video.segments_seconds.tolist(), video.labels, strict=True))
        for name, video in content.videos.items()
    }


@relaxed
@given(annotated(anything.filter(str.strip), anything.filter(str.strip)))
def test_activitynet(tmp_path_factory: pytest.TempPathFactory, content: Annotations) -> None:
    path = tmp_path_factory.mktemp("x") / "a.json"
    save_annotations(content, path)
    back = load_annotations(path, clip=False)
    assert instances(back) == instances(content)
    for name, video in content.videos.items():
        own = back.videos[name]
        facts = [(one.subset, one.duration_seconds, one.snippets_per_second, one.group) for one in (own, video)]
        assert facts[0] == facts[1]


@relaxed
@given(annotated(paths.map("/".join), words))
def test_audacity(tmp_path_factory: pytest.TempPathFactory, content: Annotations) -> None:
    """Names with folders are files in folders. Only the instances have a place."""
    folder = tmp_path_factory.mktemp("x")
    lost = audacity.write(Exported.of(content), folder / "out")
    files = named_files([folder / "out"], (".txt",))
    parts = [import_annotations(file, name=name) for file, name in files]
    expected = {
        name: Counter((start, end, " ".join(label.split())) for start, end, label in found.elements())
        for name, found in instances(content).items()
    }
    assert instances(Annotations.merge(parts)) == expected
    assert not any("names" in what for what in lost)
    assert ("durations" in lost) == any(video.duration_seconds for video in content.videos.values())


@relaxed
@given(
    st.lists(
        st.tuples(anything.filter(bool), st.floats(-5, 500), st.floats(0, 50), anything, st.floats(0, 1)), max_size=8
    ),
    st.lists(anything.filter(bool), max_size=2),
    st.sampled_from([".json", ".csv"]),
)
def test_results(
    tmp_path_factory: pytest.TempPathFactory,
    items: list[tuple[str, float, float, str, float]],
    idle: list[str],
    kind: str,
) -> None:
    rows = [(name, start, start + length, label.strip(), score) for name, start, length, label, score in items]
    rows = [row for row in rows if row[0] == row[0].strip()]
    names = [*dict.fromkeys([row[0] for row in rows] + [name for name in idle if name == name.strip()])]
    labels = sorted({row[3] for row in rows})
    content = Detections(
        tuple(names),
        np.array([names.index(row[0]) for row in rows], dtype=np.int64),
        np.array([row[1:3] for row in rows], dtype=np.float64).reshape(-1, 2),
        tuple(labels),
        np.array([labels.index(row[3]) for row in rows], dtype=np.int64),
        np.array([row[4] for row in rows], dtype=np.float64),
    )
    path = tmp_path_factory.mktemp("x") / f"a{kind}"
    save_detections(content, path)
    back = load_detections(path)
    assert set(back.videos) == set(content.videos)
    assert Counter(back) == Counter(content)


@relaxed
@given(
    st.lists(st.tuples(pairs.filter(lambda pair: pair[1] > pair[0]), words, st.floats(0.5, 1)), min_size=1, max_size=6),
    st.sampled_from([".srt", ".vtt"]),
)
def test_subtitles(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[list[float], str, float]], kind: str
) -> None:
    labels = sorted({label for _, label, _ in items})
    content = Detections(
        ("my clip",),
        np.zeros(len(items), dtype=np.int64),
        np.array([pair for pair, _, _ in items], dtype=np.float64).reshape(-1, 2),
        tuple(labels),
        np.array([labels.index(label) for _, label, _ in items], dtype=np.int64),
        np.array([score for _, _, score in items], dtype=np.float64),
    )
    path = tmp_path_factory.mktemp("x") / f"my clip{kind}"
    save_subtitles(content, path)
    expected = Counter((*pair, " ".join(label.split())) for pair, label, _ in items)
    assert instances(import_annotations(path)) == {"my clip": expected}
