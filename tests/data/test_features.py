from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from places import SHARED
from rcl.data.feature_store import FeatureStore
from rcl.data.features import open_features, read_features
from rcl.data.formats.load import load_annotations
from rcl.data.resizing import resize
from rcl.system.errors import InputError

PACKS = ("50salads-mid-fold1", "50salads-mid-fold2", "gtea-fold1")
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real features are not at {SHARED}")

X = np.arange(12, dtype=np.float32).reshape(4, 3)  # (T, C)
Write = Callable[[Path, np.ndarray], object]


def write_hdf5(path: Path, *arrays: np.ndarray, names: tuple[str, ...] = ("v7", "w")) -> None:
    with h5py.File(path, "w") as file:
        for name, array in zip(names, arrays, strict=False):
            file[name] = array


def write_header(path: Path, shape: tuple[int, ...]) -> None:
    with path.open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(bytes(64))


WRITERS: dict[str, Write] = {
    ".npy": np.save,
    ".npz": lambda path, x: np.savez_compressed(path, x),
    ".csv": lambda path, x: np.savetxt(path, x, delimiter=",", fmt="%.17g"),
    ".h5": write_hdf5,
    ".hdf5": write_hdf5,
    ".pt": lambda path, x: torch.save(torch.as_tensor(x), path),
}
every_format = pytest.mark.parametrize("extension", WRITERS)


class Evil:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("evil",)


def error_of(path: Path, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        read_features(path, video="v7", **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith(f"{path}, video 'v7': ")
    assert "\n" not in message
    return message


# -- reading -----------------------------------------------------------------------------------------------------


@every_format
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
def test_every_format_is_read(tmp_path: Path, extension: str, dtype: type) -> None:
    path = tmp_path / f"v{extension}"
    WRITERS[extension](path, X.astype(dtype))
    found = read_features(path, channels=3)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert np.array_equal(found, X)
    assert np.array_equal(read_features(path, layout="CT"), X.T)


@every_format
@settings(max_examples=8, deadline=None)
@given(
    x=hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4), elements=st.floats(-9, 9, width=32))
)
def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, extension: str, x: np.ndarray) -> None:
    path = tmp_path_factory.getbasetemp() / f"round{extension}"
    WRITERS[extension](path, x)
    assert np.array_equal(read_features(path), x)


def test_one_extra_axis_of_known_form_is_dropped(tmp_path: Path) -> None:
    for shape in ((1, 4, 3), (4, 3, 1, 1)):
        np.save(tmp_path / "v.npy", X.reshape(shape))
        assert np.array_equal(read_features(tmp_path / "v.npy"), X)
        assert FeatureStore(tmp_path).shape("v") == (4, 3)
    np.save(tmp_path / "v.npy", X[None])
    assert np.array_equal(read_features(tmp_path / "v.npy", layout="CT"), X.T)


def test_arrays_are_chosen_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", v=X, other=X + 1)
    write_hdf5(tmp_path / "v.h5", X, X + 1, names=("group/v", "w"))
    torch.save({"v": torch.as_tensor(X), "w": torch.zeros(1, 1), "fps": 3}, tmp_path / "v.pt")
    torch.save({"features": torch.as_tensor(X).bfloat16().requires_grad_(), "fps": 3}, tmp_path / "w.pt")
    assert np.array_equal(read_features(tmp_path / "v.npz", video="v"), X)
    assert np.array_equal(read_features(tmp_path / "v.h5", video="group/v"), X)
    assert np.array_equal(read_features(tmp_path / "v.pt", video="v"), X)
    assert np.array_equal(read_features(tmp_path / "w.pt", video="any"), X)
    for name in ("v.npz", "v.h5", "v.pt"):
        message = error_of(tmp_path / name)
        assert "one named 'v7', found 2: " in message
        assert "one array per video" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4", [[1, 2], [3, 4]]),
        ("f0, f1\n1,2\n\n", [[1, 2]]),
        ('\ufeff"f0","f1"\n1,2\n', [[1, 2]]),
        ("0,1,2\n5,6,7\n", [[0, 1, 2], [5, 6, 7]]),
        (",".join(map(str, range(20))) + "\n" + "5," * 19 + "5\n", [[5] * 20]),  # pandas' names of unnamed columns
        ("5\n", [[5]]),
    ],
)
def test_csv_with_and_without_header(tmp_path: Path, text: str, expected: list[list[float]]) -> None:
    (tmp_path / "v.csv").write_text(text)
    assert read_features(tmp_path / "v.csv").tolist() == expected


# -- reading a part ----------------------------------------------------------------------------------------------


@every_format
@pytest.mark.parametrize("layout", ["TC", "CT"])
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_a_part_is_that_of_the_whole(tmp_path: Path, extension: str, layout: str, dtype: type) -> None:
    x: np.ndarray = np.random.default_rng(0).normal(size=(9, 3)).astype(dtype)
    shapes = [x.shape] if extension == ".csv" else [x.shape, (1, *x.shape), (*x.shape, 1, 1)]
    for shape in shapes:
        path = tmp_path / f"v{extension}"
        WRITERS[extension](path, x.reshape(shape))
        stored = pickle.loads(pickle.dumps(open_features(path, layout=layout)))  # as for a data-loading worker
        whole = read_features(path, layout=layout)
        snippets = len(whole)
        assert stored.shape == whole.shape == (x.shape if layout == "TC" else x.shape[::-1])
        assert np.array_equal(stored.read(), whole)
        for first in range(snippets + 1):
            for last in range(first, snippets + 1):
                part = stored.read(first, last)
                assert np.array_equal(part, whole[first:last])
                assert (part.dtype, part.flags.c_contiguous, part.flags.writeable) == (np.float32, True, True)
                part[:] = -1  # the caller's own
        assert np.array_equal(stored.read(1, 99), whole[1:])
        for wrong in ((-1, 2), (2, 1), (99, None)):
            with pytest.raises(ValueError, match="first must be"):
                stored.read(*wrong)


def test_numbers_that_are_stored_by_column_are_read_in_parts(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.asfortranarray(X))
    assert np.array_equal(open_features(tmp_path / "v.npy").read(1, 3), X[1:3])


def test_a_part_of_more_than_fits_into_memory(tmp_path: Path) -> None:
    snippets = 2**31  # a terabyte, of which nothing is stored
    with (tmp_path / "v.npy").open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (snippets, 128)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.seek(snippets * 128 * 4 - 4, 1)
        try:
            stream.write(np.float32(3).tobytes())
        except OSError:
            pytest.skip("no file may be as large here")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("w", (2**22, 4), dtype="f4", chunks=(2**16, 4))[-1, -1] = 3
        file["w"][: 2**18] = 0  # enough for the claim to be believed
    for name in ("v.npy", "w.h5"):
        stored = open_features(tmp_path / name)
        assert stored.read(len(stored) - 2).sum() == 3


@every_format
def test_not_finite_in_a_part(tmp_path: Path, extension: str) -> None:
    x = X.copy()
    x[2, 1] = np.nan
    path = tmp_path / f"v{extension}"
    WRITERS[extension](path, x)
    stored = open_features(path)
    assert np.array_equal(stored.read(0, 2), X[:2])
    with pytest.raises(InputError, match="1 NaN or infinite values, the first in snippet 2"):
        stored.read(1, 3)


@pytest.mark.parametrize("extension", [".npy", ".npz", ".h5"])
def test_a_file_that_was_changed_since_it_was_opened(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"v{extension}"
    WRITERS[extension](path, X)
    stored = open_features(path, video="v7")
    WRITERS[extension](path, X[:2])
    with pytest.raises(InputError, match=r"v7': expected float32 \(4, 3\) as before, found float32 \(2, 3\); start"):
        stored.read(0, 1)
    path.write_bytes(path.read_bytes()[:-21])
    with pytest.raises(InputError, match="again"):
        stored.read(0, 1)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        stored.read(0, 1)


# -- defects of one file -----------------------------------------------------------------------------------------


@every_format
def test_damaged_files(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"v{extension}"
    WRITERS[extension](path, np.ones((40, 30), dtype=np.float32))
    path.write_bytes(path.read_bytes()[:-21])
    message = error_of(path)
    assert "again" in message
    for damage in (b"\x00\xffnonsense", b""):
        path.write_bytes(damage)
        assert error_of(path)


@every_format
def test_every_byte_may_be_damaged(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"v{extension}"
    WRITERS[extension](path, X)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(25):
        broken = bytearray(whole)
        for position in random.integers(0, len(whole), 3):
            broken[position] = random.integers(256)
        path.write_bytes(broken)
        with contextlib.suppress(InputError):  # and nothing else
            read_features(path)


@every_format
def test_not_finite(tmp_path: Path, extension: str) -> None:
    x = X.copy()
    x[2, 1], x[3, 0], x[3, 2] = np.nan, np.inf, -np.inf
    path = tmp_path / f"v{extension}"
    WRITERS[extension](path, x)
    message = error_of(path)
    assert "3 NaN or infinite values, the first in snippet 2" in message
    assert "extract the features of this video again" in message


def test_too_large_for_float32_is_not_finite(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([[1.0], [1e300]]))
    assert "the first in snippet 1" in error_of(tmp_path / "v.npy")


def test_width(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    np.save(path, X)
    message = error_of(path, channels=5)
    assert "expected 5 channels, found 3, (T, C) = (4, 3)" in message
    assert "layout" not in message
    assert "set data.layout=CT" in error_of(path, channels=4)
    assert "set data.layout=TC" in error_of(path, channels=3, layout="CT")


@pytest.mark.parametrize(
    ("array", "parts"),
    [
        (np.zeros((0, 3)), ["0 snippets", "extract"]),
        (np.zeros((3, 0)), ["(3, 0)"]),
        (np.zeros(3), ["two dimensions", "the shape (3,)"]),
        (np.zeros((4, 3, 7, 7)), ["two dimensions", "(4, 3, 7, 7)", "pool over space"]),
        (np.array([["a"]]), ["real numbers", "<U1", "float32"]),
        (np.zeros((2, 2), dtype=complex), ["real numbers", "complex128"]),
        (np.zeros((2, 2), dtype=bool), ["real numbers", "bool"]),
    ],
)
def test_other_arrays(tmp_path: Path, array: np.ndarray, parts: list[str]) -> None:
    np.save(tmp_path / "v.npy", array)
    message = error_of(tmp_path / "v.npy")
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["0 snippets"]),
        ("a,b\n", ["0 snippets"]),
        ("1,2\n3\n", ["comma-separated numbers", "from 2 to 1"]),
        ("1,2\n3,x\n", ["'x'", "row 1", "correct that row"]),
    ],
)
def test_csv_defects(tmp_path: Path, text: str, parts: list[str]) -> None:
    (tmp_path / "v.csv").write_text(text)
    message = error_of(tmp_path / "v.csv")
    assert [part for part in parts if part not in message] == []


def test_code_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    objects = np.array([[Evil()]], dtype=object)
    np.save(tmp_path / "v.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "v.npz", objects)
    torch.save(Evil(), tmp_path / "v.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Evil()))
    for name in ("v.npy", "v.npz", "v.pt", "raw.pt"):
        message = error_of(tmp_path / name)
        assert "a pickle, which could run code" in message
        assert "save " in message
    assert not (tmp_path / "evil").exists()


def test_promises_are_not_believed(tmp_path: Path) -> None:
    write_header(tmp_path / "v.npy", (10**12, 128))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("v", shape=(10**9, 128), dtype="f4", chunks=(100, 128), compression="gzip")[:100] = 1
    torch.save(torch.zeros(1, 1).expand(10**12, 128), tmp_path / "v.pt")
    for name in ("v.npy", "v.h5", "v.pt"):
        message = error_of(tmp_path / name)
        assert "bytes that the head of the file promises" in message
        assert "again" in message


def test_other_things_in_tensor_files(tmp_path: Path) -> None:
    for content in ([torch.ones(2, 2)], torch.eye(2).to_sparse(), {"fps": 3}):
        torch.save(content, tmp_path / "v.pt")
        assert "save " in error_of(tmp_path / "v.pt")


def test_missing_files_other_extensions_and_layouts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"v\.npy: expected a file, found no such file; check the path"):
        read_features(tmp_path / "v.npy")
    with pytest.raises(InputError, match=r"v\.mat: .*\.npy or .*\.pt, found the extension '\.mat'"):
        read_features(tmp_path / "v.mat")
    with pytest.raises(InputError, match=r"data\.layout: expected TC or CT, found 'NTC'"):
        read_features(tmp_path / "v.npy", layout="NTC")


# -- stores ------------------------------------------------------------------------------------------------------


def test_folder_with_a_mix_of_formats(tmp_path: Path) -> None:
    for extension, write in WRITERS.items():
        write(tmp_path / f"v{extension[1:]}{extension}", X)
    np.save(tmp_path / "clip.2.npy", X)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "._vnpy.npy").write_text("what macOS leaves behind")
    store = FeatureStore(tmp_path, channels=3)
    assert store.names() == ["clip.2", "vcsv", "vh5", "vhdf5", "vnpy", "vnpz", "vpt"]
    assert len(store) == 7
    assert "vh5" in store
    assert "notes" not in store
    assert store.check(store.names()) == 3
    for name in store.names():
        assert store.shape(name) == (4, 3)
        assert np.array_equal(store.read(name), X)
    assert FeatureStore(tmp_path, layout="CT").shape("vnpy") == (3, 4)


@pytest.mark.parametrize("name", ["all.h5", "all.hdf5", "all.npz"])
def test_one_file_for_all(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "all.npz":
        np.savez(path, **{"v7": X, "day1/w": X[:2]})
    else:
        write_hdf5(path, X, X[:2], names=("v7", "day1/w"))
    store = pickle.loads(pickle.dumps(FeatureStore(path)))  # as for a data-loading worker
    assert store.names() == ["day1/w", "v7"]
    assert store.check(["day1/w", "v7"]) == 3
    assert store.shape("day1/w") == (2, 3)
    assert np.array_equal(store.read("v7"), X)
    with pytest.raises(InputError, match="none of 'x'"):
        store.read("x")


def test_folders_below_and_other_names_of_a_video(tmp_path: Path) -> None:
    for name in ("cam1/001.npy", "cam2/001.npy", "cam 3/day 1/take 1.5.npy", "clip.npy", ".cache/x.npy", "a/._b.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / name, X[: len(name) % 4 + 1])
    store = pickle.loads(pickle.dumps(FeatureStore(tmp_path)))
    assert store.names() == ["cam 3/day 1/take 1.5", "cam1/001", "cam2/001", "clip"]
    for name, known in (
        ("clip.mp4", "clip"),
        (r"cam1\001.avi", "cam1/001"),
        ("videos/cam2/001", "cam2/001"),
        ("take 1.5", "cam 3/day 1/take 1.5"),
    ):
        assert name in store
        assert store.file(name) == tmp_path / f"{known}.npy"
        assert np.array_equal(store.read(name), store.read(known))
    assert store.check(["clip.mp4", "cam1/001"]) == 3
    assert "001" not in store
    with pytest.raises(InputError, match=r"none of 'Clip' \(did you mean 'clip'\?\), '001' \(it could be 'cam1/001', "):
        store.check(["Clip", "001", "cam1/001"])
    with pytest.raises(InputError, match=r"one name for the video 'clip', found 'clip' and 'clip\.mp4'"):
        store.check(["clip", "cam1/001", "clip.mp4"])


def test_other_names_in_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "all.npz", **{"v7": X, "day1/w": X[:2]})
    store = FeatureStore(tmp_path / "all.npz")
    assert store.check([r"day1\w.mp4", "v7.mov"]) == 3
    assert np.array_equal(store.read(r"day1\w.mp4"), X[:2])


@needs_shared
@pytest.mark.parametrize("pack", PACKS)
def test_real_packs(pack: str) -> None:
    annotations = load_annotations(SHARED / "data" / pack / "annotations.json")
    store = FeatureStore(SHARED / "data" / pack / "features", channels=128)
    assert store.check(annotations.videos) == 128
    for name, video in annotations.videos.items():
        assert video.duration_seconds is not None
        assert video.snippets_per_second is not None
        assert abs(store.shape(name)[0] / video.snippets_per_second - video.duration_seconds) < 1
    features = store.read(store.names()[0])
    assert (features.dtype, features.shape) == (np.float32, store.shape(store.names()[0]))


def test_all_missing_videos_are_reported_at_once(tmp_path: Path) -> None:
    np.save(tmp_path / "here.npy", X)
    store = FeatureStore(tmp_path)
    with pytest.raises(InputError) as caught:
        store.check(["here", *(f"v{i}" for i in range(8))])
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: expected features of 9 videos, found none of 'v0', 'v1'")
    assert "'v4' and 3 more" in message
    assert "here: here" in message
    (tmp_path / "v1.mat").write_text("")
    with pytest.raises(InputError, match=r"convert v1\.mat to \.npy"):
        FeatureStore(tmp_path).read("v1")


def test_widths_must_agree(tmp_path: Path) -> None:
    for name, width in (("a", 3), ("b", 4), ("c", 4)):
        np.save(tmp_path / f"{name}.npy", np.ones((len(name) + width, width)))
    store = FeatureStore(tmp_path)
    assert store.check(["b", "c"]) == 4
    with pytest.raises(InputError, match=r"a\.npy, video 'a': .*the 4 of most, found .* \(4, 3\); extract all"):
        store.check("abc")
    with pytest.raises(InputError, match="'a': expected 4 channels"):
        FeatureStore(tmp_path, channels=4).check("abc")


def test_transposed_files_are_recognized(tmp_path: Path) -> None:
    for length in (5, 6, 7):
        np.save(tmp_path / f"v{length}.npy", np.ones((3, length)))
    with pytest.raises(InputError, match=r"set data\.layout=CT"):
        FeatureStore(tmp_path).check(["v5", "v6", "v7"])
    assert FeatureStore(tmp_path, layout="CT").check(["v5", "v6", "v7"]) == 3


def test_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="videos to check"):
        FeatureStore(tmp_path).check([])
    assert FeatureStore(tmp_path, channels=5).check([]) == 5


def test_errors_of_a_store_name_file_and_video(tmp_path: Path) -> None:
    np.save(tmp_path / "v7.npy", X[:0])
    (tmp_path / "w.npz").write_bytes(b"PK")
    for act in (FeatureStore(tmp_path).read, FeatureStore(tmp_path).shape, lambda v: FeatureStore(tmp_path).check([v])):
        with pytest.raises(InputError, match=r"v7\.npy, video 'v7': .*0 snippets"):
            act("v7")
        with pytest.raises(InputError, match=r"w\.npz, video 'w': .*make or copy the file again"):
            act("w")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "root").mkdir()
    np.save(tmp_path / "secret.npy", X)
    store = FeatureStore(tmp_path / "root")
    assert name not in store
    for act in (store.read, store.shape, lambda v: store.check([v])):
        with pytest.raises(InputError, match="leaves the folder; rename the video"):
            act(name)


def test_defects_of_the_root(tmp_path: Path) -> None:
    np.save(tmp_path / "v7.npy", X)
    np.savez(tmp_path / "v7.npz", X)
    with pytest.raises(InputError, match=r"video 'v7': expected one .*, found v7\.npy and v7\.npz; remove one"):
        FeatureStore(tmp_path)
    with pytest.raises(InputError, match="no such file; check the path"):
        FeatureStore(tmp_path / "none")
    with pytest.raises(InputError, match=r"ends in \.h5 or \.hdf5 or \.npz"):
        FeatureStore(tmp_path / "v7.npy")
    (tmp_path / "all.h5").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"all\.h5: expected a complete \.h5 file"):
        FeatureStore(tmp_path / "all.h5")


# -- resize ------------------------------------------------------------------------------------------------------


def test_resize_is_centre_aligned() -> None:
    ramp = torch.tensor([[0.0, 1.0, 2.0, 3.0]])  # (1 channel, 4 snippets)
    assert resize(ramp, 2).tolist() == [[0.5, 2.5]]
    assert resize(ramp, 8)[0].tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    assert torch.equal(resize(ramp, 4), ramp)
    assert torch.equal(resize(ramp[:, 2:3], 3), torch.tensor([[2.0, 2.0, 2.0]]))
