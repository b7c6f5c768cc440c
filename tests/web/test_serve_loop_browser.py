"""The whole loop in a browser, with real trainings: a folder of videos, labels, a detector, corrections, a second
detector, and files for BORIS and ELAN."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rcl.data.formats.load import load_annotations
from rcl.video.synthetic.figure import Performance
from rcl.video.synthetic.rendering import FRAMES_PER_SECOND, render_video
from rcl.web.serve.run_folder import RunFolder
from rcl.web.serve.session import Session
from served import serving

pytest.importorskip("playwright", reason="playwright, which drives the browser, is not installed")
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
expect.set_options(timeout=60_000)  # a busy machine takes its time
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
LABELLED, OTHERS = [f"v{number}" for number in range(1, 6)], ["v6", "v7"]
SIZES = [(1400, 900), (1280, 720), (390, 844)]
TRAINING_MS = 280_000
BUDGET_SECONDS = 8.0  # as rcl serve --budget 8s
SECONDS = 6


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Short videos of the demo's figure: it waves from 1 to 3 s, and jumps from 4 to 5 s."""
    script = [Performance("wave", 1.0, 3.0), Performance("jump", 4.0, 5.0)]
    folder = tmp_path / "videos"
    folder.mkdir()
    for number, name in enumerate([*LABELLED, *OTHERS]):
        render_video(folder / f"{name}.mp4", script, SECONDS * FRAMES_PER_SECOND, np.random.default_rng(number))
    return folder


@pytest.fixture
def page(videos: Path) -> Iterator[Page]:
    complaints: list[str] = []
    session = Session(None, videos)
    session.learning.budget_seconds = BUDGET_SECONDS
    session.learning.begin()
    with serving(session) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = browser.new_page(viewport={"width": 1280, "height": 720})
        made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        made.on("pageerror", lambda error: complaints.append(str(error)))
        made.set_default_timeout(60_000)
        made.goto(address)
        expect(made.locator("#name")).to_have_text("v1")  # the page is there
        yield made
    assert complaints == []


def press(page: Page, *names: str) -> None:
    for name in names:
        page.keyboard.press(name)


def label_by_keyboard(page: Page) -> None:
    press(page, "Shift+C")
    for name in ("wave", "jump"):
        page.keyboard.type(name)
        press(page, "Enter")
        expect(page.locator("#classes")).to_contain_text(name)
    press(page, "Escape")
    for name in LABELLED:
        expect(page.locator("#name")).to_have_text(name)
        press(page, ">", "1", ">", ">", "1", ">", "2", ">", "2", "Control+Enter")
        expect(page.locator("#status")).to_contain_text(f"Saved 2 segments of {name}")
        press(page, "Shift+N")


def train(page: Page, run: str) -> None:
    expect(page.locator("#train")).to_be_enabled()
    press(page, "Shift+T")
    expect(page.locator("#training")).to_be_visible()
    expect(page.locator("#outcome-box")).to_be_visible(timeout=TRAINING_MS)
    expect(page.locator("#outcome")).to_contain_text("held-out video it finds")
    latest = RunFolder(Path(page.locator("#file").text_content() or "")).latest()
    assert latest is not None
    assert latest.name == run


def show_all(page: Page) -> None:
    """Show the proposals of any score: a few labels do not make a sure detector."""
    slider = page.locator("#threshold")
    expect(slider).to_be_visible()
    slider.focus()
    press(page, "Home")
    slider.blur()
    expect(page.locator("#rows tr.open").nth(3)).to_be_visible()


def correct_three(page: Page) -> None:
    """Accept one, reject one, and change the ends of a third."""
    expect(page.locator("#name")).to_have_text("v6")
    show_all(page)
    press(page, "ArrowDown", "Enter")
    expect(page.locator("#rows tr.accepted")).to_have_count(1)
    press(page, "Delete", "Shift+ArrowRight")
    expect(page.locator("#rows tr.accepted")).to_have_count(2)
    press(page, "Control+Enter")
    expect(page.locator("#review-state")).to_contain_text("In the labels with 2 segments.")


def accept_in_all_videos_and_take_it_back(page: Page) -> None:
    page.locator("#bulk").click()
    page.locator("#bulk-score").fill("0")
    expect(page.locator("#bulk-count")).to_contain_text("in 1 video")  # the others are in the labels
    expect(page.locator("#bulk-count")).to_contain_text("wrong")
    page.locator("#bulk-accept").click()
    expect(page.locator("#bulk-count")).to_contain_text("Accepted in 1 video")
    expect(page.get_by_role("navigation")).to_contain_text("partly reviewed")
    page.locator("#bulk-undo").click()
    expect(page.get_by_role("navigation")).not_to_contain_text("partly reviewed")
    page.locator("#bulk-close").click()


def export(page: Page, format_: str, folder: Path) -> Path:
    if not page.locator("#export button").first.is_visible():
        page.locator("#export summary").click()
    with page.expect_download() as found:
        page.get_by_role("button", name=format_, exact=True).click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def check_all_sizes(page: Page) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        if width < 500:
            page.locator("#show-videos").click()
        expect(page.locator("#train")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_from_a_folder_of_videos_to_a_better_detector_and_files_of_other_tools(
    page: Page, videos: Path, tmp_path: Path
) -> None:
    label_by_keyboard(page)
    train(page, "1")
    correct_three(page)
    accept_in_all_videos_and_take_it_back(page)
    press(page, "Shift+L")  # what is left to look at
    expect(page.locator("#name")).to_have_text("v7")
    expect(page.locator("#stretch-reason")).to_contain_text("Look at 0:0")
    check_all_sizes(page)
    page.set_viewport_size({"width": 1280, "height": 720})
    train(page, "2")
    expect(page.locator("#outcome")).to_contain_text("the detector before")
    labels = load_annotations(videos / "rcl-annotations.csv", clip=False).videos
    boris = load_annotations(export(page, "BORIS", tmp_path), clip=False).videos
    assert {name: len(video.labels) for name, video in boris.items()} == dict.fromkeys([*LABELLED, "v6"], 2)
    assert boris["v1"].segments_seconds.tolist() == labels["v1"].segments_seconds.tolist() == [[1, 3], [4, 5]]
    with zipfile.ZipFile(export(page, "ELAN", tmp_path)) as archive:
        assert archive.namelist() == [f"{name}.eaf" for name in [*LABELLED, "v6"]]
