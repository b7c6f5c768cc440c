"""Labelling in a browser without a detector: by keyboard alone, with the pointer, on three sizes of screens."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rcl.data.formats.load import load_annotations
from rcl.web.serve.session import Session
from rendered import render
from served import serving
from waiting import wait_until

pytest.importorskip("playwright", reason="playwright, which drives the browser, is not installed")
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
expect.set_options(timeout=60_000)  # a busy machine takes its time
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
NAMES = [f"v{number}" for number in range(1, 6)]
SIZES = [(1400, 900), (1280, 720), (390, 844)]

SMALL = """[...document.querySelectorAll("button, input, select")]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 40)
    .map((one) => one.id || one.className)"""  # targets that a finger may miss

Opens = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name in NAMES:
        render(folder / f"{name}.mp4", frames=100, audio_seconds=4.0 if name == "v1" else 0.0)
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


@pytest.fixture
def opens(browser: Browser, videos: Path, labels: Path) -> Iterator[Opens]:
    """Opens the page in a window of its own; at the end, it must not have complained."""
    complaints: list[str] = []
    contexts: list[Any] = []
    with serving(Session(None, videos, labels)) as address:

        def open_page(**options: Any) -> Page:
            contexts.append(browser.new_context(**({"viewport": {"width": 1280, "height": 720}} | options)))
            page = contexts[-1].new_page()
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.set_default_timeout(60_000)
            page.goto(address)
            expect(page.locator("#name")).to_have_text("v1")  # it opens on the first video
            return page

        yield open_page
        for context in contexts:
            context.close()
    assert [one for one in complaints if "409" not in one] == []  # two pages; Chromium logs any such answer


def add_classes(page: Page, *names: str) -> None:
    page.keyboard.press("Shift+C")
    for name in names:
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        expect(page.locator("#classes")).to_contain_text(name)
    page.keyboard.press("Escape")


def keys(page: Page, *names: str) -> None:
    for name in names:
        page.keyboard.press(name)


def test_from_a_folder_to_labels_of_five_videos_by_keyboard_alone(opens: Opens, labels: Path) -> None:
    page = opens()
    expect(page.locator("#review-state")).to_contain_text("First add a class")
    expect(page.locator("#detect")).to_be_hidden()
    add_classes(page, "wave", "jump")
    expect(page.locator("#review-state")).to_contain_text("press the key of a class")
    for name in NAMES:
        expect(page.locator("#name")).to_have_text(name)
        keys(page, "1", ">", "1", "2", ".", ".", ".", "2")
        expect(page.locator("#status")).to_contain_text("jump, 0:01.00 to 0:01.12, was added")
        keys(page, "m")
        page.keyboard.type(f"of {name}")
        keys(page, "Enter", "Control+Enter")
        expect(page.locator("#status")).to_contain_text(f"Saved 2 segments of {name}. The video is in the labels.")
        keys(page, "Shift+N")
    expect(page.locator("#status")).to_have_text("This is the last video.")
    saved = load_annotations(labels).videos
    assert [*saved] == NAMES
    for video in saved.values():
        assert video.labels == ("wave", "jump")
        assert video.segments_seconds.tolist() == [[0, 1], [1, 1.12]]
    assert "of v3" in labels.read_text(encoding="utf-8")
    keys(page, "Control+z", "Control+z")  # the comment, and the jump
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#kept")).to_have_text("All changes kept")
    assert load_annotations(labels).videos["v5"].labels == ("wave", "jump")  # until it is saved
    page.reload()
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.get_by_role("navigation")).to_contain_text("changed, to save")
    keys(page, "Control+s")
    expect(page.locator("#status")).to_contain_text("Saved 1 segment of v5")
    assert load_annotations(labels).videos["v5"].labels == ("wave",)


def test_with_the_pointer_segments_are_drawn_and_snap_and_a_held_key_lasts_as_long(opens: Opens) -> None:
    page = opens()
    add_classes(page, "wave", "jump")
    box = page.locator("#timeline svg").bounding_box() or {}
    left, width = box["x"] + 146, box["width"] - 152  # the axis

    def drag(start: float, end: float) -> None:
        y = page.evaluate("document.querySelector('#timeline svg').getBoundingClientRect().bottom") - 3
        page.mouse.move(left + width * start / 4, y)
        page.mouse.down()
        page.mouse.move(left + width * (start + end) / 8, y)
        page.mouse.move(left + width * end / 4, y)
        page.mouse.up()

    drag(1.0, 2.0)
    expect(page.locator("#rows tr")).to_contain_text("(no label)")
    keys(page, "2")
    expect(page.locator("#rows tr")).to_contain_text("jump")
    end = float(page.locator("#end").input_value())
    keys(page, "Escape")
    drag(end + 0.02, 3.0)  # a few pixels beside the end before
    expect(page.locator("#rows tr")).to_have_count(2)
    assert float(page.locator("#start").input_value()) == end
    keys(page, "1", "c")  # a wave, and a copy of it at the playhead
    expect(page.locator("#rows tr.accepted")).to_have_count(3)
    keys(page, "Escape", *["<"] * 5, " ")
    expect(page.locator("#time")).not_to_have_text("0:00.00")
    page.keyboard.down("1")
    page.wait_for_timeout(500)
    page.keyboard.up("1")
    expect(page.locator("#rows tr.accepted")).to_have_count(4)
    expect(page.locator("#running")).to_be_empty()  # it was no short press
    page.locator("#short-press").select_option("point")
    page.locator("#short-press").blur()
    keys(page, " ", "1")
    expect(page.locator("#rows tr.accepted")).to_have_count(5)
    keys(page, *["Control+z"] * 6)
    expect(page.locator("#rows tr")).to_have_count(1)


def test_what_was_played_and_confirmed_is_what_was_looked_at(opens: Opens, labels: Path) -> None:
    page = opens()
    add_classes(page, "wave")
    keys(page, "1", ">", "1", "v")
    expect(page.locator("#status")).to_contain_text("Nothing new was played")
    keys(page, "d", " ")
    expect(page.locator("#seen")).to_be_enabled()
    wait_until(lambda: page.evaluate("document.querySelector('#player').currentTime") > 1.4)
    keys(page, " ", "v")
    expect(page.locator("#seen-state")).to_contain_text("Looked at 0:0")
    page.get_by_role("button", name="Done with the parts looked at").click()
    expect(page.locator("#status")).to_contain_text("The parts that you looked at are in the labels")
    expect(page.locator("#review-state")).to_contain_text("for the parts that were looked at")
    header, row = labels.read_text(encoding="utf-8").splitlines()
    assert header == "video,start,end,label,reviewed"
    assert row.startswith("v1,0.0,1.0,wave,0.0-1")
    keys(page, "Control+Enter")  # now all of it
    expect(page.locator("#review-state")).to_have_text("In the labels with 1 segment.")
    assert labels.read_text(encoding="utf-8").splitlines()[1] == "v1,0.0,1.0,wave,"


def test_a_class_is_renamed_while_a_change_waits_to_be_kept(opens: Opens, labels: Path) -> None:
    page = opens()
    add_classes(page, "wave", "jump")
    keys(page, "1", ">", "1", "Control+Enter")
    expect(page.locator("#status")).to_contain_text("Saved 1 segment")

    def answer_late(route: Any) -> None:
        time.sleep(0.6)  # longer than a change waits
        route.continue_()

    page.route("**/api/videos/*", answer_late)
    page.get_by_role("button", name="Edit wave").click()
    page.locator("#class-name").fill("greet")
    page.locator("#class-save").click()
    expect(page.locator("#rows tr")).to_contain_text("greet")
    keys(page, "1", ">", "1", "Control+z", "Control+z")
    expect(page.locator("#status")).to_have_text("Undone: wave is now greet.")
    expect(page.get_by_role("dialog", name="Changed elsewhere")).to_have_count(0)
    expect(page.locator("#kept")).to_have_text("All changes kept")
    assert load_annotations(labels).videos["v1"].labels == ("wave",)


def test_a_class_is_renamed_in_the_page_with_all_its_segments(opens: Opens, labels: Path) -> None:
    page = opens()
    add_classes(page, "wave", "jump")
    keys(page, "1", ">", "1", "Control+Enter")
    expect(page.locator("#status")).to_contain_text("Saved 1 segment")
    page.get_by_role("button", name="Edit wave").click()
    page.locator("#class-name").fill("greet")
    page.locator("#class-key").select_option("7")
    page.locator("#class-save").click()
    expect(page.locator("#classes")).to_contain_text("greet")
    expect(page.locator("#rows tr")).to_contain_text("greet")
    assert load_annotations(labels).videos["v1"].labels == ("greet",)
    keys(page, "Escape", "7", ">", "7")
    expect(page.locator("#rows tr")).to_have_count(2)
    expect(page.locator("#rows")).not_to_contain_text("wave")
    keys(page, "Control+z", "Control+z")  # the second segment, and the new name and key
    expect(page.locator("#status")).to_have_text("Undone: wave is now greet.")
    expect(page.get_by_role("button", name="wave, key 1")).to_be_visible()
    expect(page.locator("#rows tr")).to_contain_text("wave")
    assert load_annotations(labels).videos["v1"].labels == ("wave",)
    keys(page, "Control+Shift+z")
    expect(page.get_by_role("button", name="greet, key 7")).to_be_visible()
    page.get_by_role("button", name="Edit greet").click()
    page.locator("#class-name").fill("jump")
    page.get_by_role("button", name="Join them").click()
    expect(page.locator("#rows tr")).to_contain_text("jump")
    keys(page, "Control+z")
    expect(page.locator("#rows tr")).to_contain_text("greet")
    assert load_annotations(labels).videos["v1"].labels == ("greet",)
    expect(page.locator("#status")).to_have_text("Undone: greet is now jump.")
    page.get_by_role("button", name="Edit jump").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#classes")).not_to_contain_text("jump")
    page.locator("#undo").click()
    expect(page.get_by_role("button", name="jump, key 2")).to_be_visible()
    expect(page.locator("#kept")).to_have_text("All changes kept")


def test_no_size_of_screen_has_a_barrier_or_is_too_wide(opens: Opens) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    for width, height in SIZES:
        page = opens(viewport={"width": width, "height": height}, has_touch=width < 500)
        if width == SIZES[0][0]:
            add_classes(page, "wave")
            keys(page, "1", ">", "1")
        expect(page.locator("#rows tr")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.close()


def test_on_a_touch_screen_all_targets_are_large_enough_for_a_finger(opens: Opens) -> None:
    page = opens(viewport={"width": 1024, "height": 768}, has_touch=True, is_mobile=True)
    page.locator("#new-class").fill("wave")
    page.locator("#add-class button").tap()
    label = page.get_by_role("button", name="wave, key 1")
    label.tap()
    page.get_by_role("button", name="One second on").tap()
    label.tap()
    expect(page.locator("#rows tr")).to_contain_text("wave")
    small = page.evaluate(SMALL)
    assert small == []


def say_name(page: Page, name: str) -> None:
    page.locator("#who").click()
    page.locator("#who-name").fill(name)
    page.locator("#who-name").press("Enter")
    expect(page.locator("#who")).to_have_text(f"You: {name}")


def test_two_people_label_one_video_and_share_the_others(opens: Opens, labels: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    anna, ben = opens(), opens()
    say_name(anna, "Anna")
    say_name(ben, "Ben")
    add_classes(anna, "wave", "jump")
    keys(anna, "1", ">", "1")
    expect(anna.locator("#kept")).to_have_text("All changes kept")
    ben.evaluate("window.dispatchEvent(new Event('focus'))")  # he comes back to his page
    expect(ben.locator("#rows tr")).to_contain_text("wave")
    expect(ben.locator("#status")).to_contain_text("Somebody else has changed this video")
    keys(ben, "2", ">", "2", "ArrowUp")
    expect(ben.locator("#state")).to_have_text("Accepted by Anna")
    expect(ben.locator("#kept")).to_have_text("All changes kept")
    keys(anna, "Escape", ">", "1", ">", "1")  # she has not seen his
    expect(anna.locator("#conflict-dialog")).to_be_visible()
    anna.get_by_role("button", name="Load those segments").click()
    expect(anna.locator("#rows tr")).to_have_count(2)
    expect(anna.locator("#rows")).to_contain_text("jump")
    keys(anna, "Control+Enter")
    expect(anna.locator("#status")).to_contain_text("Saved 2 segments of v1")
    rows = sorted(line.split(",")[-2:] for line in labels.read_text(encoding="utf-8").splitlines())
    assert rows == [["jump", "Ben"], ["label", "annotator"], ["wave", "Anna"]]
    anna.locator("#filter").fill("v3")
    anna.get_by_role("button", name="Assign").click()
    assert axe.Axe().run(anna).violations_count == 0
    anna.locator("#assign-what").select_option("listed")
    anna.locator("#assign-to").fill("Ben")
    anna.locator("#assign-to").press("Enter")
    expect(anna.locator("#status")).to_have_text("Assigned 1 video to Ben.")
    ben.evaluate("window.dispatchEvent(new Event('focus'))")
    ben.locator("#whose").select_option("my videos")
    ben.locator("#whose").blur()
    expect(ben.locator("#videos li")).to_have_count(1)
    keys(ben, "Shift+N")
    expect(ben.locator("#name")).to_have_text("v3")
    keys(ben, "Shift+N")
    expect(ben.locator("#status")).to_have_text("This is the last video.")
    ben.reload()
    expect(ben.locator("#who")).to_have_text("You: Ben")  # the browser knows the name
