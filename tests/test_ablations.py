"""The benchmark of ablations asks for runs that exist, each once, and writes what it found where it belongs."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from places import ROOT
from rcl.detector.load_config import load_config
from rcl.training.recipes import recipe_file


@pytest.fixture(scope="module")
def ablations() -> ModuleType:
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(ROOT / "benchmarks")
    yield importlib.import_module("ablations")
    patch.undo()


def test_every_row_is_a_configuration_and_rows_that_differ_have_folders_of_their_own(ablations: ModuleType) -> None:
    rows = [row for table in ablations.TABLES.values() for row in table]
    configs = {row.overrides: load_config(recipe_file(ablations.PACKS[0].recipe), [*row.described]) for row in rows}
    assert len({ablations.folder_name(overrides) for overrides in configs}) == len(configs)
    for table in ablations.TABLES.values():
        described = [(row.described, row.pack) for row in table]
        assert len(set(described)) == len(described)


def test_rows_of_one_step_differ_in_nothing_else_from_a_training(ablations: ModuleType) -> None:
    for row in (row for table in ablations.TABLES.values() for row in table if row.steps):
        trained, asked = (load_config(recipe_file("gtea"), [*keys]) for keys in (row.overrides, row.described))
        assert trained.model.head.steps > row.steps == asked.model.head.steps
        assert trained.model_copy(update={"model": asked.model}) == asked


def test_costs_count_what_torch_does_not(ablations: ModuleType, pack: Path) -> None:
    few, many = (
        ablations.costs(ablations.PACKS[0], pack, ("model.steps=1", "data.resize=50", f"inference.stride={stride}"))
        for stride in (0.5, 0.25)
    )
    assert few["parameters"] == many["parameters"] > 1e5
    assert few["anchors"] < many["anchors"]
    assert few["gflops"] < many["gflops"] < 10


@pytest.mark.usefixtures("ablations")
def test_a_block_of_a_document_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    measuring = importlib.import_module("measuring")
    document = tmp_path / "page.md"
    document.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\nc\n")
    for text in ("new", "newer"):
        measuring.replace_block(document, "<!-- one -->", "<!-- end -->", text)
    measuring.replace_block(document, "<!-- two -->", "<!-- end -->", "2")
    expected = "a\n<!-- one -->\nnewer\n<!-- end -->\nb\n<!-- two -->\n2\n<!-- end -->\nc\n"
    assert document.read_text() == expected
    with pytest.raises(SystemExit, match="expected a line <!-- three -->"):
        measuring.replace_block(document, "<!-- three -->", "<!-- end -->", "")


def test_the_page_has_a_place_for_every_table(ablations: ModuleType) -> None:
    page = (ROOT / "docs/ablations.md").read_text(encoding="utf-8")
    for pack in ablations.PACKS:
        for name in (*ablations.TABLES, "training segments"):
            assert f"<!-- {name}, {pack.name} -->" in page
