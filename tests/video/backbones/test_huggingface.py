from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.huggingface import EXPECTED, HuggingFaceBackbone
from rcl.video.backbones.weights import own_digest

transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.3}
SIZE, WINDOW = 16, 4
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.5)
PROCESSOR = {"image_mean": MEAN, "image_std": STD, "rescale_factor": 1 / 255, "offset": False}


def build(kind: str) -> Any:
    """A small model with random weights."""
    torch.manual_seed(0)
    shape = {"image_size": SIZE, "num_frames": WINDOW, "intermediate_size": 32, **SMALL}
    predictor = {"pred_hidden_size": 8, "pred_num_attention_heads": 1, "pred_num_hidden_layers": 1}
    t = transformers
    if kind == "videomae":
        return t.VideoMAEModel(t.VideoMAEConfig(patch_size=8, **shape)).eval()
    if kind == "timesformer":
        return t.TimesformerModel(t.TimesformerConfig(patch_size=8, **shape)).eval()
    if kind == "vivit":
        return t.VivitModel(t.VivitConfig(tubelet_size=[2, 8, 8], **shape)).eval()
    return t.VJEPA2Model(
        t.VJEPA2Config(patch_size=8, crop_size=SIZE, frames_per_clip=WINDOW, **predictor, **SMALL)
    ).eval()


KINDS = ("videomae", "timesformer", "vivit", "vjepa2")
WITH_CLS = ("timesformer", "vivit")
Saved = Callable[..., Path]


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {kind: build(kind) for kind in KINDS}


@pytest.fixture
def saved(models: dict[str, Any], tmp_path: Path) -> Saved:
    def save(kind: str, **says: Any) -> Path:
        models[kind].save_pretrained(tmp_path / kind)
        (tmp_path / kind / "preprocessor_config.json").write_text(json.dumps({**PROCESSOR, **says}))
        return tmp_path / kind

    return save


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return


def snippets(batch: int, length: int = WINDOW, size: int = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (batch, 3, length, size, size), generator=generator, dtype=torch.uint8)


def tokens_of(model: Any, frames: Tensor, mean: tuple = MEAN, std: tuple = STD) -> Tensor:
    """By hand: one frame after the other, then the model."""
    videos = torch.stack(
        [
            torch.stack(
                [(frame / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1) for frame in video]
            )
            for video in frames.transpose(1, 2)
        ]
    )
    with torch.inference_mode():
        return model(videos).last_hidden_state


def error_of(source: Path | str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        HuggingFaceBackbone(str(source), **options)
    return str(caught.value)


# -- features ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_model(kind: str, models: dict[str, Any], saved: Saved) -> None:
    folder, frames = str(saved(kind)), snippets(3)
    backbone = HuggingFaceBackbone(folder)
    features, tokens = backbone(frames), tokens_of(models[kind], frames)
    expected = tokens[:, 1:].mean(1) if kind in WITH_CLS else tokens.mean(1)
    assert (features.dtype, features.shape) == (torch.float32, (3, 16))
    assert features.std(0).min() > 1e-4
    assert torch.allclose(features, expected, atol=1e-5)
    assert torch.allclose(backbone(frames[1:2]), features[1:2], atol=1e-5)
    assert (backbone.rate, backbone.window, backbone.stride) == (15, WINDOW, 1)
    assert backbone.fixed_window == (None if kind == "vjepa2" else WINDOW)
    assert backbone.frame_size == FrameSize(short=SIZE, crop=SIZE)
    if kind in WITH_CLS:
        assert torch.allclose(HuggingFaceBackbone(folder, pooling="cls")(frames), tokens[:, 0], atol=1e-5)
    else:
        assert f"--pooling: expected a model with a CLS token, found {kind}" in error_of(folder, pooling="cls")


def test_usual_windows_of_full_size_models(tmp_path: Path) -> None:
    model = transformers.VideoMAEModel(transformers.VideoMAEConfig(patch_size=16, **{**SMALL, "num_hidden_layers": 1}))
    model.save_pretrained(tmp_path)
    backbone = HuggingFaceBackbone(str(tmp_path))
    assert (backbone.window, backbone.stride, backbone.frame_size.crop) == (16, 4, 224)


@pytest.mark.parametrize("length", [2, 6, 10])
def test_vjepa2_takes_other_lengths(length: int, models: dict[str, Any], saved: Saved) -> None:
    frames = snippets(2, length)
    features = HuggingFaceBackbone(str(saved("vjepa2")))(frames)
    assert torch.allclose(features, tokens_of(models["vjepa2"], frames).mean(1), atol=1e-5)


def test_vjepa2_takes_other_sizes(models: dict[str, Any], saved: Saved) -> None:
    """Positions count rows and columns of the new grid: a model made for that size with the same weights agrees."""
    folder, frames = str(saved("vjepa2")), snippets(2, size=24)
    backbone = HuggingFaceBackbone(folder, size=24)
    config = transformers.VJEPA2Config.from_pretrained(folder)
    config.crop_size = 24
    larger = transformers.VJEPA2Model(config).eval()
    larger.load_state_dict(models["vjepa2"].state_dict())
    assert backbone.frame_size == FrameSize(short=24, crop=24)
    assert torch.allclose(backbone(frames), tokens_of(larger, frames).mean(1), atol=1e-5)
    assert not torch.allclose(backbone(frames), tokens_of(models["vjepa2"], frames).mean(1), atol=1e-5)
    assert "--size: expected a multiple of 8, found 20" in error_of(folder, size=20)


@pytest.mark.parametrize("kind", ["videomae", "timesformer", "vivit"])
def test_other_models_are_for_one_size_and_length(kind: str, saved: Saved) -> None:
    folder = str(saved(kind))
    assert HuggingFaceBackbone(folder, size=SIZE).frame_size.crop == SIZE
    assert "--size: expected 16, the size of the model, found 24" in error_of(folder, size=24)
    with pytest.raises(InputError, match=r"--window: expected 4 frames for .*, found 6"):
        HuggingFaceBackbone(folder)(snippets(1, 6))


def test_frames_that_vjepa2_would_leave_out_are_refused(saved: Saved) -> None:
    with pytest.raises(InputError, match=r"--window: expected a multiple of 2 frames for .*, found 5"):
        HuggingFaceBackbone(str(saved("vjepa2")))(snippets(1, 5))


def test_weights_in_half_precision_are_run_in_full(tmp_path: Path) -> None:
    build("videomae").half().save_pretrained(tmp_path)
    assert HuggingFaceBackbone(str(tmp_path))(snippets(1)).dtype == torch.float32


# -- normalization -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "scaled"),
    [
        ({"do_normalize": False}, lambda x: x / 255),
        ({"do_normalize": False, "do_rescale": False}, lambda x: x.float()),
        ({"image_mean": 0.5, "image_std": 0.5, "rescale_factor": 1 / 127.5}, lambda x: (x / 127.5 - 0.5) / 0.5),
        ({"do_normalize": False, "rescale_factor": 1 / 127.5, "offset": True}, lambda x: x / 127.5 - 1),
        ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_rescale": False}, lambda x: (x - 0.5) / 0.5),
    ],
)
def test_normalization_is_the_models_own(
    says: dict, scaled: Callable[[Tensor], Tensor], models: dict[str, Any], saved: Saved
) -> None:
    frames = snippets(2)
    features = HuggingFaceBackbone(str(saved("videomae", **says)))(frames)
    with torch.inference_mode():
        expected = models["videomae"](scaled(frames).transpose(1, 2)).last_hidden_state.mean(1)
    assert torch.allclose(features, expected, atol=1e-4)


def test_vivit_brings_values_to_plus_minus_one_before_mean_and_std(models: dict[str, Any], saved: Saved) -> None:
    """Its video processor does so without a word in the file, its image processor writes ``offset``."""
    frames = snippets(2)
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    folder = saved("vivit")
    for says, shift in (({}, 1), ({"offset": True}, 1), ({"offset": False, "rescale_factor": 1 / 127.5}, 0)):
        (folder / "preprocessor_config.json").write_text(json.dumps({**half, **says}))
        backbone = HuggingFaceBackbone(str(folder))
        videos = ((frames / 127.5 - shift) - 0.5) / 0.5
        with torch.inference_mode():
            expected = models["vivit"](videos.transpose(1, 2)).last_hidden_state[:, 1:].mean(1)
        assert torch.allclose(backbone(frames), expected, atol=1e-4)


def test_video_processor_comes_first(models: dict[str, Any], saved: Saved) -> None:
    folder, frames = saved("videomae", image_mean=[0, 0, 0]), snippets(1)
    (folder / "video_preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    expected = tokens_of(models["videomae"], frames).mean(1)
    assert torch.allclose(HuggingFaceBackbone(str(folder))(frames), expected, atol=1e-5)


def test_without_a_processor_imagenet_is_assumed_with_a_warning(
    models: dict[str, Any], saved: Saved, caplog: pytest.LogCaptureFixture
) -> None:
    folder, frames = saved("videomae"), snippets(1)
    (folder / "preprocessor_config.json").unlink()
    with caplog.at_level(logging.WARNING, "rcl"):
        features = HuggingFaceBackbone(str(folder))(frames)
    assert "using those of ImageNet" in caplog.text
    expected = tokens_of(models["videomae"], frames, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)).mean(1)
    assert torch.allclose(features, expected, atol=1e-5)


def test_a_damaged_processor_is_refused(saved: Saved) -> None:
    for says in (
        {"image_mean": ["a", "b", "c"]},
        {"image_std": [0, 1, 1]},
        {"image_mean": [1, 2]},
        {"rescale_factor": "x"},
    ):
        folder = saved("videomae", **says)
        assert "preprocessor_config.json: expected image_mean, image_std and rescale_factor" in error_of(folder)
    (folder / "preprocessor_config.json").write_text("{")
    assert "preprocessor_config.json: expected complete JSON" in error_of(folder)


# -- weights -----------------------------------------------------------------------------------------------------


def edit_weights(folder: Path, edit: Callable[[dict[str, Tensor]], None]) -> None:
    path = folder / "model.safetensors"
    weights = safetensors.load_file(path)
    edit(weights)
    safetensors.save_file(weights, path, metadata={"format": "pt"})


def test_other_weights_have_another_digest_by_which_features_are_refused(saved: Saved) -> None:
    folder = saved("videomae")
    backbone = HuggingFaceBackbone(str(folder))
    digest = own_digest("hf:model", backbone)
    assert digest
    assert digest == own_digest("hf:model", HuggingFaceBackbone(str(folder)))
    edit_weights(folder, lambda weights: weights["encoder.layer.1.output.dense.bias"].add_(1))
    assert digest != own_digest("hf:model", HuggingFaceBackbone(str(folder)))


def test_missing_weights_are_refused(saved: Saved) -> None:
    folder = saved("videomae")
    edit_weights(folder, lambda weights: weights.pop("encoder.layer.1.output.dense.bias"))
    message = error_of(folder)
    assert "expected weights for the whole model, found no weights for encoder.layer.1.output.dense.bias" in message


@pytest.mark.parametrize(("kind", "part"), [("vivit", "pooler."), ("vjepa2", "predictor.")])
def test_parts_that_are_not_run_may_be_missing(kind: str, part: str, models: dict[str, Any], saved: Saved) -> None:
    folder, frames = saved(kind), snippets(1)
    features = HuggingFaceBackbone(str(folder))(frames)

    def remove(weights: dict[str, Tensor]) -> None:
        names = [name for name in weights if name.startswith(part)]
        assert names
        for name in names:
            del weights[name]

    edit_weights(folder, remove)
    assert torch.equal(HuggingFaceBackbone(str(folder))(frames), features)


def test_heads_of_a_classifier_are_left_out_quietly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    classifier = transformers.VivitForVideoClassification(build("vivit").config).eval()
    classifier.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    capfd.readouterr()
    features = HuggingFaceBackbone(str(tmp_path))(snippets(1))
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""
    assert torch.allclose(features, tokens_of(classifier.vivit, snippets(1))[:, 1:].mean(1), atol=1e-5)


def test_weights_of_another_shape_are_refused(saved: Saved) -> None:
    folder = saved("timesformer")

    def shorten(weights: dict[str, Tensor]) -> None:
        weights["layernorm.weight"] = torch.zeros(8)

    edit_weights(folder, shorten)
    assert "expected the weights of a model" in error_of(folder)


def test_damaged_and_missing_weights_are_refused(saved: Saved) -> None:
    folder = saved("videomae")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert "expected the weights of a model" in error_of(folder)
    path.unlink()
    assert "expected the weights of a model" in error_of(folder)


class Evil:
    def __reduce__(self) -> tuple:
        return Path("evil").touch, ()


def test_code_is_never_run(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved("videomae")
    monkeypatch.chdir(folder)
    (folder / "model.safetensors").unlink()
    torch.save({"embeddings": Evil()}, folder / "pytorch_model.bin")
    assert "expected the weights of a model" in error_of(folder)
    (folder / "own.py").write_text("from pathlib import Path\nPath('evil').touch()\n")
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    assert "expected a video model" in error_of(folder)
    assert not (folder / "evil").exists()


# -- sources -----------------------------------------------------------------------------------------------------


def test_other_models_are_refused_before_their_weights_are_read(tmp_path: Path) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    transformers.BertConfig(vocab_size=9, **small).save_pretrained(tmp_path / "text")
    transformers.ViTConfig(image_size=16, **small).save_pretrained(tmp_path / "image")
    transformers.TimesformerConfig(attention_type="space_only", **small).save_pretrained(tmp_path / "still")
    expected = f"expected {EXPECTED}, found"
    assert f"{expected} bert; choose another" in error_of(tmp_path / "text")
    assert f"{expected} vit; choose another" in error_of(tmp_path / "image")
    assert f"{expected} timesformer without attention over time" in error_of(tmp_path / "still")
    transformers.VideoMAEConfig(image_size=[16, 32]).save_pretrained(tmp_path / "wide")
    assert "expected a model of square frames, found 16 × 32" in error_of(tmp_path / "wide")


def test_folders_without_a_model(tmp_path: Path) -> None:
    assert "found no such model in this folder" in error_of(tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert "found no such model in this folder" in error_of(tmp_path)


def test_names_that_cannot_be_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for source in ("rcl-tests/nothing", str(tmp_path / "missing"), "./missing/folder"):
        message = error_of(source)
        assert message.startswith(f"hf:{source}: expected a video model")
        assert "found neither a folder nor a model on the hub" in message
    assert capfd.readouterr() == ("", "")


def test_the_libraries_settings_stay(saved: Saved) -> None:
    logging_of = transformers.utils.logging
    level, bars = logging_of.get_verbosity(), logging_of.is_progress_bar_enabled()
    HuggingFaceBackbone(str(saved("videomae")))
    assert (logging_of.get_verbosity(), logging_of.is_progress_bar_enabled()) == (level, bars)
