"""Files that mean harm, and places that cannot be written: one sentence, nothing executed, nothing lost."""

from __future__ import annotations

import errno
import gc
import io
import json
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import memory
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.feature_store import FeatureStore
from rcl.data.features import read_features
from rcl.data.formats.elan import writing as elan
from rcl.data.formats.exported import Exported
from rcl.data.formats.label_studio import writing as label_studio
from rcl.data.formats.load import import_annotations, load_annotations, read_bmn, read_thumos14, save_annotations
from rcl.data.formats.results import load_detections
from rcl.data.formats.subtitles import save_subtitles
from rcl.data.formats.via import project as via
from rcl.data.video_scores import load_video_scores
from rcl.detector.checkpoint import read_checkpoint
from rcl.detector.convert import convert
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.evaluation.characteristics import read_characteristics
from rcl.system.errors import InputError
from rcl.system.text_files import LARGEST_TEXT, write_json, write_text
from rcl.video.backbones.exported import ONNXBackbone, TorchScriptBackbone
from rcl.video.backbones.i3d import I3DBackbone
from rcl.video.decoding import VideoReader
from rcl.video.extract_many import extract_many
from rcl.video.packs import PackWriter
from rcl.video.settings import ExtractionSettings, read_settings
from typed import Rcl
from untrained import FACTS, content, save_untrained, tiny_config

X = np.arange(64, dtype=np.float32).reshape(2, 32)  # (T, C)
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """Bounds on memory collect garbage first, which need not search half a million objects of imported modules."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def refusal(act: Callable[[], object]) -> str:
    """The sentence with which something is refused, without much memory having been taken for it."""
    with memory.at_most(300_000), pytest.raises(InputError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 2000
    return message


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is that of the process's life")
def test_the_bound_on_memory_holds_after_a_large_test() -> None:
    np.ones(5 * 10**7)  # 400 MB, freed at once
    with pytest.raises(AssertionError), memory.at_most(300_000):
        np.ones(5 * 10**7)


def done_or_refused(act: Callable[[], object]) -> None:
    """Either it works, or it is refused in one sentence."""
    try:
        act()
    except InputError as error:
        message = str(error)
    else:
        return
    assert "\n" not in message


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- code --------------------------------------------------------------------------------------------------------


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple:
        return Path.touch, (self.place,)


def resume(path: Path, pack: Path) -> None:
    from rcl.training.run import train

    path.parent.joinpath("run").mkdir()
    path.rename(path.parent / "run" / "last.ckpt")
    train(tiny_config(data={"root": str(pack)}), path.parent / "run", resume=True)


LOADERS: dict[str, Callable[[Path, Path], object]] = {
    "a.ckpt": lambda path, pack: Localizer.load(path),
    "resumed.ckpt": resume,
    "bmn.pth": lambda path, pack: convert(path, path.with_suffix(".ckpt"), network="bmn"),
    "gtad.pth": lambda path, pack: convert(path, path.with_suffix(".ckpt"), network="gtad"),
    "i3d.pt": lambda path, pack: I3DBackbone(path),
    "script.pt": lambda path, pack: TorchScriptBackbone(path),
    "network.onnx": lambda path, pack: ONNXBackbone(path),
    "features.pt": lambda path, pack: read_features(path),
    "features.npy": lambda path, pack: read_features(path),
    "features.npz": lambda path, pack: read_features(path),
    "scores.npy": lambda path, pack: load_video_scores(path),
}


@pytest.mark.parametrize("wrapping", ["torch", "old torch", "pickle"])
@pytest.mark.parametrize("name", LOADERS)
def test_code_in_a_file_is_refused_and_not_executed(tmp_path: Path, pack: Path, name: str, wrapping: str) -> None:
    path, trap = tmp_path / name, Trap(tmp_path / "sprung")
    held = {**content(tiny_config()), "callbacks": trap}
    if wrapping == "pickle" and path.suffix in (".npy", ".npz"):
        save = np.save if path.suffix == ".npy" else np.savez
        save(path, np.array([[trap]], dtype=object), allow_pickle=True)
    elif wrapping == "pickle":
        path.write_bytes(pickle.dumps(held))
    else:
        torch.save(held, path, _use_new_zipfile_serialization=wrapping == "torch")
    message = refusal(lambda: LOADERS[name](path, pack))
    assert "weights_only" not in message  # which torch advises to switch off
    assert not trap.place.exists()
    pickle.loads(pickle.dumps(trap))  # the trap works
    assert trap.place.exists()


def test_a_flow_stream_with_code_is_refused_too(tmp_path: Path) -> None:
    from rcl.video.backbones.i3d import I3D

    torch.save(I3D().state_dict(), tmp_path / "rgb.pt")
    torch.save({"weights": Trap(tmp_path / "sprung")}, tmp_path / "flow.pt")
    assert "could run code" in refusal(lambda: I3DBackbone(tmp_path / "rgb.pt", flow=tmp_path / "flow.pt"))
    assert not (tmp_path / "sprung").exists()


def test_weights_alone_are_nothing_to_go_on_from(tmp_path: Path, pack: Path) -> None:
    torch.save(content(tiny_config(data={"root": str(pack)})), tmp_path / "last.ckpt")
    assert "found weights only; start a run in another folder" in refusal(lambda: resume(tmp_path / "last.ckpt", pack))


@pytest.mark.parametrize("place", ["../secret.bin", "/secret.bin", "sub/../../secret.bin", "link.bin"])
def test_an_onnx_model_takes_no_weights_from_outside_its_folder(tmp_path: Path, place: str) -> None:
    onnx = pytest.importorskip("onnx")
    (tmp_path / "model").mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(48))
    (tmp_path / "model" / "link.bin").symlink_to("../secret.bin")
    weights = onnx.TensorProto(name="w", data_type=1, dims=[3, 4], data_location=onnx.TensorProto.EXTERNAL)
    location = f"{tmp_path}{place}" if place.startswith("/") else place
    for key, value in (("location", location), ("offset", "0"), ("length", "48")):
        weights.external_data.add(key=key, value=value)
    make = onnx.helper
    nodes = [
        make.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3, 4], keepdims=0),
        make.make_node("MatMul", ["mean", "w"], ["y"]),
    ]
    ends = [make.make_tensor_value_info(*end) for end in (("x", 1, ["b", 3, "l", 32, 32]), ("y", 1, ["b", 4]))]
    graph = make.make_graph(nodes, "g", ends[:1], ends[1:], [weights])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)])
    model.ir_version = 8
    (tmp_path / "model" / "v.onnx").write_bytes(model.SerializeToString())
    assert "expected an ONNX file" in refusal(lambda: ONNXBackbone(tmp_path / "model" / "v.onnx"))


# -- files that unpack to more than they are ---------------------------------------------------------------------


def write_archive(path: Path, rows: int, method: int) -> None:
    """A zip of one array of zeros, of which 32 MB are there and as many rows as you like are claimed."""
    with zipfile.ZipFile(path, "w", method) as archive, archive.open("v.npy", "w", force_zip64=True) as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, 512)}
        np.lib.format.write_array_header_1_0(stream, header)
        for _ in range(80):
            stream.write(bytes(2**20))


def write_hdf5_of_nothing(path: Path) -> None:
    with h5py.File(path, "w") as file:
        options = {"chunks": (2**14, 512), "compression": "gzip", "dtype": "f4"}
        file.create_dataset("v", shape=(2**16, 512), **options)[: 2**14] = 0


def write_npy(path: Path, header: str, version: tuple[int, int] = (1, 0), length: int | None = None) -> None:
    size = (len(header) if length is None else length).to_bytes(2 if version == (1, 0) else 4, "little")
    path.write_bytes(b"\x93NUMPY" + bytes(version) + size + header.encode() + bytes(64))


def write_torch(path: Path, program: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + program + b".")
        archive.writestr("a/version", "3\n")


def repack(path: Path, method: int) -> None:
    torch.save(torch.zeros(2**12, 2**10), path)
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)


SHAPE = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s)}"
BIG = b"\x8a\x05" + (10**11).to_bytes(5, "little") + b"\x85"  # a tuple of one large number
BOMBS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "rows": ("v.npy", lambda path: write_npy(path, SHAPE % "10000000000000, 8")),
    "digits": ("v.npy", lambda path: write_npy(path, SHAPE % f"{'9' * 4000}, {'9' * 4000}")),
    "too many digits": ("v.npy", lambda path: write_npy(path, SHAPE % f"{'9' * 5000},")),
    "negative": ("v.npy", lambda path: write_npy(path, SHAPE % "-4, -4")),
    "brackets": ("v.npy", lambda path: write_npy(path, "(" * 9000)),
    "long head": ("v.npy", lambda path: write_npy(path, "", (2, 0), 2**32 - 1)),
    "deflated": ("v.npz", lambda path: write_archive(path, 40960, zipfile.ZIP_DEFLATED)),
    "bzip2": ("v.npz", lambda path: write_archive(path, 1, zipfile.ZIP_BZIP2)),
    "lzma": ("v.npz", lambda path: write_archive(path, 1, zipfile.ZIP_LZMA)),
    "chunks": ("v.h5", write_hdf5_of_nothing),
    "columns": ("v.csv", lambda path: path.write_text("," * 2**21)),
    "long text": ("v.csv", lambda path: os.truncate(path, LARGEST_TEXT + 1)),
    "deflated tensor": ("v.pt", lambda path: repack(path, zipfile.ZIP_DEFLATED)),
    "bytes": ("v.pt", lambda path: write_torch(path, b"cbuiltins\nbytearray\n" + BIG + b"R")),
    "storage": (
        "v.pt",
        lambda path: write_torch(path, b"ctorch\nFloatTensor\nJ\x00\x00\x00\x10J\x01\x00\x00\x00\x86R"),
    ),
    "expanded": ("v.pt", lambda path: torch.save(torch.zeros(1, 1).expand(10**12, 128), path)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_a_feature_file_claims_is_checked_before_memory_is_made(tmp_path: Path, name: str) -> None:
    file, write = BOMBS[name]
    (tmp_path / file).touch()
    write(tmp_path / file)
    assert (tmp_path / file).stat().st_size < 5e6 or name in ("columns", "long text")
    assert refusal(lambda: read_features(tmp_path / file)).startswith(str(tmp_path / file))


def test_well_compressed_features_are_read(tmp_path: Path) -> None:
    zeros = np.zeros((2000, 512), dtype=np.float32)  # of a black video, 800 : 1
    np.savez_compressed(tmp_path / "v.npz", zeros)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("v", data=zeros, compression="gzip")
    for name in ("v.npz", "v.h5"):
        assert read_features(tmp_path / name).shape == zeros.shape


@pytest.mark.parametrize("kind", ["link", "virtual", "external"])
def test_hdf5_files_take_nothing_from_other_files(tmp_path: Path, kind: str) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["v"] = X
    (tmp_path / "pack").mkdir()
    path = tmp_path / "pack" / "features.h5"
    with h5py.File(path, "w") as file:
        if kind == "link":
            file["v"] = h5py.ExternalLink("../secret.h5", "v")
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape=(10**9, 32), dtype="f4")
            layout[:2] = h5py.VirtualSource(tmp_path / "secret.h5", "v", shape=(2, 32))
            file.create_virtual_dataset("v", layout)
        else:
            file.create_dataset("v", shape=(2, 32), dtype="f4", external=[(tmp_path / "secret.h5", 0, 256)])
    assert "found a reference to another file" in refusal(lambda: read_features(path, video="v"))


def test_a_pipe_does_not_keep_us_waiting(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    for name in ("features/v.npy", "all.npz", "v.mp4", "a.json", "c.ckpt"):
        os.mkfifo(tmp_path / name)
    for act in (
        lambda: FeatureStore(tmp_path / "features").shape("v"),
        lambda: FeatureStore(tmp_path / "all.npz"),
        lambda: VideoReader(tmp_path / "v.mp4"),
        lambda: load_annotations(tmp_path / "a.json"),
        lambda: read_checkpoint(tmp_path / "c.ckpt"),
    ):
        assert "found no such file" in refusal(act)


@pytest.mark.parametrize(
    ("facts", "sections"),
    [
        ({"in_channels": 10**9}, {}),
        ({"in_channels": -1}, {}),
        ({"in_channels": "32"}, {}),
        ({"longest": float("nan")}, {}),
        ({"longest": -1.0}, {}),
        ({"snippets_per_second": float("inf")}, {}),
        ({"labels": [1, 2]}, {}),
        ({"labels": 3}, {}),
        ({"extraction": "motion"}, {}),
        ({"more": 1}, {}),
        ({}, {"channels": 10**9}),
    ],
)
def test_what_a_checkpoint_says_of_itself_is_checked(tmp_path: Path, facts: dict, sections: dict) -> None:
    held = content(tiny_config())
    held["rcl"]["facts"].update(facts)
    held["rcl"]["config"]["model"].update(sections)
    torch.save(held, tmp_path / "a.ckpt")
    assert refusal(lambda: Localizer.load(tmp_path / "a.ckpt")).startswith(str(tmp_path / "a.ckpt"))


def test_a_list_that_holds_itself_many_times_is_not_told_in_full(tmp_path: Path) -> None:
    value: list[Any] = ["x"] * 10
    for _ in range(20):
        value = [value] * 10
    held = content(tiny_config())
    for place, key in ((held["rcl"], "format"), (held["rcl"]["config"], "data")):
        before, place[key] = place[key], value
        torch.save(held, tmp_path / "a.ckpt")
        refusal(lambda: read_checkpoint(tmp_path / "a.ckpt"))
        place[key] = before
    refusal(lambda: parse_config({"model": {"lengths": value}}, where="x"))


# -- any content -------------------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, -0.0, 1, 2.5, 1e308, 5e-324, float("inf"), float("nan"), 10**400, 2**63, -1])
    | st.sampled_from(["", "1", "v", "a", "val", "train", "nan", "1e999", "9" * 5000, "../x", "\0", "\ud800", "x\ny"])
)
INSTANCE = {"segment": [1.0, 2.0], "label": "a", "score": 0.5}
GOOD: dict[str, Any] = {
    "database": {"database": {"v": {"subset": "val", "duration": 9, "fps": 2, "annotations": [INSTANCE]}}},
    "bmn": {"v": {"duration_second": 9, "duration_frame": 90, "feature_frame": 80, "subset": "val", "annotations": []}},
    "results": {"results": {"v": [INSTANCE]}},
    "scores": {"results": {"v": [0.5, 0.5]}, "class": ["a", "b"]},
    "tasks": [
        {
            "data": {"video": "/upload/v.mp4", "fps": 25, "rcl": {"video": "v"}},
            "annotations": [{"result": [{"value": {"ranges": [{"start": 1, "end": 9}], "timelinelabels": ["a"]}}]}],
        }
    ],
    "via": {
        "project": {},
        "attribute": {"1": {"anchor_id": "FILE1_Z2_XY0", "type": 4, "options": {"a": "run"}}},
        "file": {"1": {"fname": "v.mp4", "rcl": {"video": "v"}}},
        "view": {"1": {"fid_list": ["1"]}},
        "metadata": {"m": {"vid": "1", "z": [1, 2], "xy": [], "av": {"1": "a"}}},
    },
    "extraction.json": {"format": 1, "settings": {"backbone": "motion", "rate": 15, "window": 4, "stride": 3}},
}


def places_in(value: Any, path: tuple = ()) -> Iterator[tuple]:
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else []):
        yield from places_in(item, (*path, key))


KEYS = st.sampled_from(sorted({str(key) for good in GOOD.values() for place in places_in(good) for key in place}))
ANYTHING = st.recursive(
    SCALARS, lambda some: st.lists(some, max_size=3) | st.dictionaries(KEYS, some, max_size=4), max_leaves=12
)

READERS: tuple[Callable[[Path], object], ...] = (
    load_annotations,
    load_detections,
    import_annotations,
    load_video_scores,
    read_bmn,
    read_characteristics,
    lambda path: read_settings(path.parent),
)


def try_all(path: Path, readers: tuple[Callable[[Path], object], ...] = READERS) -> None:
    """Whatever is in a file, it is read or refused in one sentence."""
    for reader in readers:
        done_or_refused(lambda reader=reader: reader(path))


def put(value: Any, path: tuple, item: Any) -> Any:
    if not path:
        return item
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], item)
    return copy


@pytest.mark.parametrize("kind", GOOD)
@few
@given(data=st.data())
def test_any_value_at_any_place_of_a_json_file_is_read_or_refused(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    place = data.draw(st.sampled_from([*places_in(GOOD[kind])]))
    changed = put(GOOD[kind], place, data.draw(ANYTHING))
    path = tmp_path / (kind if kind.endswith(".json") else "a.json")
    path.write_text(json.dumps(changed))
    try_all(path)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10**5,
        '{"a":' * 10**5,
        '{"database":' + "[" * 10**5 + "]" * 10**5 + "}",
        '{"database":{"v":{"duration":' + "9" * 10**5 + "}}}",
        '{"results":{"v":[{"segment":[' + "9" * 4000 + ',1e999],"score":-0}]}}',
        '{"results":{"v":[1]},"results":{}}',
        '\ufeff{"database": {"\\u0000": {"subset": "val", "annotations": []}}}',
    ],
    ids=range(7),
)
def test_json_that_breaks_parsers(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    try_all(tmp_path / "a.json")


EAF = """<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///v.mp4" TIME_ORIGIN="0"/><PROPERTY NAME="rcl">{"video": "v"}</PROPERTY></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="10"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="20"/></TIME_ORDER>
<TIER TIER_ID="a"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>run</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"""
TABLES = {
    "a.csv": 'video,start,end,label,subset,duration,fps,score\nv,1,2,a,val,9,2,0.5\n"w",,,,val,,,\n',
    "s.csv": "Video;Start;End;Label;Score\nv;0:01,5;0:00:02;a;0,5\n",
    "t.csv": "video,type,type_idx,start,end,startFrame,endFrame\nvideo_test_0000004,a,1,1,2,30,60\n",
    "a.eaf": EAF,
}
PIECES = [
    "",
    "\0",
    '"',
    ",",
    "\n",
    "1e999",
    "nan",
    "-",
    "9" * 400,
    "<",
    ">",
    "&#0;",
    "<!DOCTYPE a>",
    "\ud7ff",
    "../../x",
    "é",
]


@pytest.mark.parametrize("name", TABLES)
@few
@given(data=st.data())
def test_any_piece_at_any_place_of_a_text_is_read_or_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    text = TABLES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 20, len(text))))
        text = text[:start] + data.draw(st.sampled_from(PIECES)) + text[end:]
    (tmp_path / name).write_text(text)
    readers = (load_annotations, load_detections, import_annotations, lambda path: read_thumos14(path, stride_frames=5))
    try_all(tmp_path / name, (import_annotations,) if name.endswith(".eaf") else readers)


@few
@given(raw=st.binary(max_size=300), end=st.sampled_from([".json", ".csv", ".xlsx", ".jsonl", ".eaf", ".npy"]))
def test_bytes_are_refused(tmp_path: Path, raw: bytes, end: str) -> None:
    (tmp_path / f"a{end}").write_bytes(raw)
    try_all(tmp_path / f"a{end}")


def test_texts_that_are_too_long_are_refused(tmp_path: Path) -> None:
    for name in ("a.json", "a.csv", "a.eaf"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(10**12)  # which takes no room
        assert f"at most {LARGEST_TEXT:,} bytes" in refusal(lambda name=name: import_annotations(tmp_path / name))
    (tmp_path / "a.csv").write_text("video,start,end,label\n" + "x" * 10**7)
    assert "field larger" in refusal(lambda: load_annotations(tmp_path / "a.csv"))


def test_deep_xml_and_its_bombs(tmp_path: Path) -> None:
    for text in ("<a>" * 10**5, "<ANNOTATION_DOCUMENT>" + "<a>" * 10**5 + "</a>" * 10**5 + "</ANNOTATION_DOCUMENT>"):
        (tmp_path / "a.eaf").write_text(text)
        try_all(tmp_path / "a.eaf", (import_annotations,))
    (tmp_path / "a.eaf").write_text('<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>')
    assert "document type" in refusal(lambda: import_annotations(tmp_path / "a.eaf"))


def test_many_videos_of_many_classes_are_no_matrix_before_they_are_read(tmp_path: Path) -> None:
    names = [f"x{number}" for number in range(10**5)]
    (tmp_path / "a.json").write_text(json.dumps({"results": {name: [] for name in names}, "class": names}))
    assert "expected 100000 scores" in refusal(lambda: load_video_scores(tmp_path / "a.json"))


SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"


@pytest.mark.parametrize("name", ["v.mp4", "v.sdp", "v.mpd"])
def test_a_stream_from_the_network_is_no_video(tmp_path: Path, name: str) -> None:
    manifest = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>/etc/</BaseURL></Period>'
    )
    (tmp_path / name).write_text(manifest + "</MPD>" if name == "v.mpd" else SDP)
    assert "expected a video file" in refusal(lambda: list(VideoReader(tmp_path / name)))


# -- numbers that no video has -----------------------------------------------------------------------------------

EXTREME = st.sampled_from([0.0, 5e-324, 1e-300, 1e-9, 0.1, 1.0, 5.0, 1e9, 1e18, 1e300, 1.7e308])


@st.composite
def extreme_videos(draw: st.DrawFn) -> Annotations:
    videos = {}
    for name, subset in (("a", "training"), ("b", "training"), ("c", "validation")):
        pairs = draw(st.lists(st.tuples(EXTREME, EXTREME).map(sorted), max_size=3))
        rate, duration = (draw(st.none() | EXTREME.filter(bool)) for _ in range(2))
        segments = np.array(pairs, dtype=np.float64).reshape(-1, 2)
        videos[name] = VideoAnnotation(name, subset, duration, rate, segments, ("run",) * len(pairs))
    return Annotations(videos)


@few
@given(annotations=extreme_videos(), sizes=st.sampled_from([{}, {"window": 8}, {"resize": 16}]))
def test_extreme_numbers_in_a_pack_are_trained_on_or_refused(
    tmp_path: Path, annotations: Annotations, sizes: dict
) -> None:
    from rcl.data.batches import TrainingDataset
    from rcl.detector.build import build_augmentation, regular_anchors, training_segments
    from rcl.training.data import load_training_data

    (tmp_path / "features").mkdir(exist_ok=True)
    for name in annotations.videos:
        np.save(tmp_path / "features" / f"{name}.npy", np.ones((10, 32), dtype=np.float32))
    save_annotations(annotations, tmp_path / "annotations.json")
    config = tiny_config(data={"root": str(tmp_path), **sizes})

    def draw_all() -> None:
        data = load_training_data(config)
        anchors = regular_anchors(config.model, config.inference, longest=data.facts.longest)
        draw = training_segments(config.sampling, anchors)
        samples = TrainingDataset(data.training, build_augmentation(config.augmentation), draw, seed=0)
        for index in range(len(samples)):
            sample, drawn = samples[index]
            assert sample.segments.isfinite().all()
            assert drawn.isfinite().all()

    done_or_refused(draw_all)


@few
@given(annotations=extreme_videos())
def test_extreme_times_are_evaluated_and_written_or_refused(tmp_path: Path, annotations: Annotations) -> None:
    from rcl.evaluation import detad, metrics

    rows = [
        (index, *pair) for index, v in enumerate(annotations.videos.values()) for pair in v.segments_seconds.tolist()
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    none = np.zeros(len(table), dtype=np.int64)
    detections = Detections(
        tuple(annotations.videos), table[:, 0].astype(int), table[:, 1:], ("run",), none, np.ones(len(table))
    )
    thresholds = np.array([0.5])
    rates = dict.fromkeys(annotations.videos, 25.0)
    for act in (
        lambda: metrics.evaluate(detections, annotations, tiou_thresholds=thresholds, short_seconds=1.0).to_json(),
        lambda: detad.diagnose(
            detections, annotations, tiou_thresholds=thresholds, buckets="data", fields={}
        ).to_json(),
        lambda: elan.write(Exported.of(annotations), tmp_path / "elan"),
        lambda: via.write(Exported.of(annotations), tmp_path / "via.json"),
        lambda: label_studio.write(Exported.of(annotations), tmp_path / "tasks.json", fps=rates),
        lambda: save_subtitles(detections.for_video("a"), tmp_path / "a.srt"),
    ):
        shutil.rmtree(tmp_path / "elan", ignore_errors=True)
        with np.errstate(all="ignore"):
            done_or_refused(act)


def test_times_beyond_any_video_are_not_written(tmp_path: Path) -> None:
    late = VideoAnnotation("v", "training", None, None, np.array([[1.0, 1e300]]), ("run",))
    assert "times of up to 1e+09 s, found 1 to 1e+300 s" in refusal(lambda: Exported.of(Annotations({"v": late})))
    found = Detections(("v",), np.array([0]), np.array([[-1e300, 1e300]]), ("run",), np.array([0]), np.ones(1))
    assert "times of up to 1e+09 s" in refusal(lambda: save_subtitles(found, tmp_path / "a.srt"))


# -- names -------------------------------------------------------------------------------------------------------

# fmt: off
NAMES = (
    "../../x", "/tmp/rcl-x", "a/../../x", "a\0b", "\ud800", "..", ".", " ", "x" * 300, "..\\x", "http://[x", "data:,",
    "a\nb",
)
# fmt: on


def annotated(*names: str) -> Annotations:
    segments = np.array([[1.0, 2.0]])
    return Annotations({name: VideoAnnotation(name, "validation", 9.0, 5.0, segments, ("run",)) for name in names})


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_lead_nowhere_else(tmp_path: Path, name: str, rcl_: Rcl) -> None:
    inside = tmp_path / "deep" / "inside"
    (inside / "features").mkdir(parents=True)
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "deep" / "labels.json").write_text(
        json.dumps({"database": {name: {"subset": "val", "annotations": []}}})
    )
    before = files_below(tmp_path)
    labels = tmp_path / "deep" / "labels.json"
    store = FeatureStore(inside / "features")
    assert name not in store
    for act in (store.read, store.shape, lambda name: store.check([name])):
        with pytest.raises(InputError):
            act(name)
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]  # as it is outside of tests
    for kind, output in (("elan", "elan"), ("via", "a.json"), ("label-studio", "b.json"), ("csv", "c.csv")):
        result = rcl_("export", labels, "--format", kind, "--output", inside / output, "--fps", "25")
        assert result.status in (0, 2), result.err
    after = files_below(tmp_path)
    assert {path for path in after if path not in before and not path.startswith("deep/inside/")} == set()
    assert all(after[path] == content for path, content in before.items())
    assert not Path("/tmp/rcl-x").exists()


@pytest.mark.parametrize("archive", ["all.npz", "all.h5"])
def test_detect_writes_subtitles_into_its_folder_only(tmp_path: Path, archive: str, rcl_: Rcl) -> None:
    save_untrained(tmp_path / "a.ckpt")
    names = ["good", "../x", "/tmp/rcl-x", ".."] if archive == "all.npz" else ["good", "a/x"]
    inside = {"good"} if archive == "all.npz" else {"good", "a/x"}
    if archive == "all.npz":
        with zipfile.ZipFile(tmp_path / archive, "w") as file:
            for name in names:
                buffer = io.BytesIO()
                np.save(buffer, X)
                file.writestr(f"{name}.npy", buffer.getvalue())
    else:
        with h5py.File(tmp_path / archive, "w") as h5:
            for name in names:
                h5[name] = X
    (tmp_path / "deep").mkdir()
    options = ["--output", tmp_path / "deep" / "all.json", "--subtitles", tmp_path / "deep" / "subtitles"]
    result = rcl_("detect", tmp_path / "a.ckpt", tmp_path / archive, *options)
    assert result.status == (2 if archive == "all.npz" else 0)
    assert ("expected a name inside the folder" in result.err) == (archive == "all.npz")
    subtitles = {path.removeprefix("deep/subtitles/") for path in files_below(tmp_path) if "subtitles" in path}
    assert subtitles == {f"{name}{extension}" for name in inside for extension in (".srt", ".vtt")}
    assert {path.name for path in tmp_path.iterdir()} == {"a.ckpt", archive, "deep"}
    assert set(json.loads((tmp_path / "deep" / "all.json").read_text())["results"]) == set(names)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"], ids=ascii)
def test_what_no_file_can_be_called_is_refused(tmp_path: Path, name: str) -> None:
    assert "a valid file name" in refusal(lambda: write_text(tmp_path / f"{name}.json", "x"))
    assert "no such file" in refusal(lambda: load_annotations(tmp_path / f"{name}.json"))
    assert "no such file" in refusal(lambda: load_annotations(tmp_path / f"{'x' * 999}.json"))


def test_a_record_of_a_pack_may_say_anything(tmp_path: Path) -> None:
    writer = PackWriter(tmp_path, ExtractionSettings(backbone="motion", rate=15, window=4, stride=3))
    (tmp_path / "records").mkdir()
    good = {"bytes": 1, "modified_ns": 1, "duration_seconds": 1.0, "snippets": 1, "snippets_per_second": 5.0}
    for source in ("x" * 10**5, "\0", "\ud800", "/dev/null", "../../x"):
        record = {**good, "source": source, "problems": [], "versions": {}}
        (tmp_path / "records" / "v.json").write_text(json.dumps(record))
        (outcome,) = extract_many(writer, {"v": tmp_path / "v.mp4"})
        assert outcome.error
    for text in ("[" * 10**5, json.dumps({**good, "bytes": 10**400}), "{}", "\0"):
        (tmp_path / "records" / "v.json").write_text(text)
        (outcome,) = extract_many(writer, {"v": tmp_path / "v.mp4"})
        assert "no such file" in str(outcome.error)


# -- places that cannot be written -------------------------------------------------------------------------------


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the disk full for files whose names match."""
    replace = os.replace

    def fill(names: str) -> None:
        def refuse(source: Path, target: Path) -> None:
            if re.fullmatch(names, Path(target).name):
                raise OSError(errno.ENOSPC, "No space left on device")
            replace(source, target)

        monkeypatch.setattr("rcl.system.text_files.os.replace", refuse)

    return fill


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Annotations, and detections that are the same."""
    save_annotations(annotated("v", "w"), tmp_path / "truth.json")
    item = {"segment": [1, 2], "label": "run", "score": 0.5}
    write_json(tmp_path / "found.json", {"results": {"v": [item], "w": [item]}})
    return tmp_path


COMMANDS: dict[str, tuple[list[str], str, str]] = {  # arguments with {folder}, the place to write to, what is printed
    "evaluate": (["evaluate", "{folder}/found.json", "{folder}/truth.json", "--json"], "out/e.json", "mAP"),
    "diagnose": (["diagnose", "{folder}/found.json", "{folder}/truth.json", "--output"], "out/detad.json", "mAP_N"),
    "export csv": (["export", "{folder}/found.json", "--format", "csv", "--output"], "out/a.csv", ""),
    "export via": (["export", "{folder}/found.json", "--format", "via", "--output"], "out/a.json", ""),
    "export label-studio": (
        ["export", "{folder}/found.json", "--format", "label-studio", "--fps", "25", "--output"],
        "out/a.json",
        "",
    ),
    "export elan": (["export", "{folder}/found.json", "--format", "elan", "--output"], "out/w.eaf", ""),
    "import": (["import", "{folder}/truth.json", "--output"], "out/a.json", ""),
}


@pytest.mark.parametrize("reason", ["full", "file in place of the folder", "read-only"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_place_that_cannot_be_written_is_one_sentence(
    results: Path, full: Callable[[str], None], rcl_: Rcl, name: str, reason: str
) -> None:
    arguments, place, printed = COMMANDS[name]
    target = results / place
    if reason == "full":
        full(re.escape(target.name))
    elif reason == "read-only":
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        target.parent.mkdir()
        target.parent.chmod(0o500)
    else:
        target.parent.write_text("")
    before = files_below(results)
    output = target.parent if name in ("diagnose", "export elan") else target
    result = rcl_(*(part.format(folder=results) for part in arguments), output)
    assert result.status == 2
    in_the_way = f"{target.parent}: expected a folder, found a file; choose another name"
    assert (in_the_way if reason.startswith("file") else "expected a file that can be written") in result.err
    assert "Traceback" not in result.err
    assert printed in result.out or reason != "full"
    after = files_below(results)
    assert before.items() <= after.items()
    assert not [path for path in after if path.endswith(".part")]
    assert not target.exists()
    assert (target.parent / "v.eaf").exists() == (name == "export elan" and reason == "full")  # done before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_table_that_has_no_room_is_one_sentence(results: Path) -> None:
    command = [sys.executable, "-m", "rcl.cli", "evaluate", str(results / "found.json"), str(results / "truth.json")]
    with Path("/dev/full").open("w") as file:
        run = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr == "rcl: the output: expected a place to write to, found No space left on device; make room.\n"


def test_an_older_file_stays_where_a_new_one_has_no_room(results: Path, full: Callable[[str], None], rcl_: Rcl) -> None:
    (results / "e.json").write_text("old")
    full("e.json")
    assert rcl_("evaluate", results / "found.json", results / "truth.json", "--json", results / "e.json").status == 2
    assert (results / "e.json").read_text() == "old"


def test_detections_that_have_no_room_are_put_elsewhere(
    tmp_path: Path, full: Callable[[str], None], rcl_: Rcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_untrained(tmp_path / "a.ckpt")
    np.save(tmp_path / "v.npy", X)
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spare"))
    room, failed = os.replace, []

    def refuse_once(source: Path, target: Path) -> None:
        if Path(target) == tmp_path / "found.json":
            failed.append(target)
            raise OSError(errno.ENOSPC, "No space left on device")
        room(source, target)

    monkeypatch.setattr("rcl.system.text_files.os.replace", refuse_once)
    result = rcl_("detect", tmp_path / "a.ckpt", tmp_path / "v.npy", "--output", tmp_path / "found.json")
    assert result.status == 2
    (rescued,) = (tmp_path / "spare").rglob("found.json")
    assert f"No space left on device; make room and move the results there; they are in {rescued}." in result.err
    assert load_detections(rescued).videos == ("v",)


def test_subtitles_that_have_no_room_take_no_detections_with_them(
    tmp_path: Path, full: Callable[[str], None], rcl_: Rcl
) -> None:
    save_untrained(tmp_path / "a.ckpt")
    for name in ("v", "w"):
        np.save(tmp_path / f"{name}.npy", X)
    full(r"v\.srt")
    options = ["--output", tmp_path / "found.json", "--subtitles", tmp_path / "subtitles"]
    result = rcl_("detect", tmp_path / "a.ckpt", tmp_path / "v.npy", tmp_path / "w.npy", *options)
    assert result.status == 2
    assert "the subtitles of 1 of 2 videos could not be written" in result.err
    assert load_detections(tmp_path / "found.json").videos == ("v", "w")
    assert (tmp_path / "subtitles" / "w.vtt").exists()


def test_a_converted_checkpoint_that_has_no_room_is_one_sentence(tmp_path: Path) -> None:
    from plain_bmn import PlainBMN

    torch.save(PlainBMN(in_channels=12, snippets=8).state_dict(), tmp_path / "bmn.pth")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        message = refusal(lambda: convert(tmp_path / "bmn.pth", tmp_path / "a.ckpt", network="bmn", snippets=8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "expected a file that can be written, found File too large" in message
    assert [*tmp_path.iterdir()] == [tmp_path / "bmn.pth"]


def test_the_checkpoint_of_these_tests_is_good(tmp_path: Path) -> None:
    assert Localizer.load(save_untrained(tmp_path / "a.ckpt")).labels == FACTS.labels
