"""The page in a browser, as somebody uses it: pick a video, detect, drag an end, save, come back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rcl.data.formats.load import load_annotations
from rcl.detector.localizer import Localizer
from rcl.system.text_files import write_text
from rcl.web.serve.session import Session
from rendered import render
from served import save_for_videos, serving

pytest.importorskip("playwright", reason="playwright, which drives the browser, is not installed")
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
expect.set_options(timeout=60_000)  # a busy machine takes its time
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def localizer(tmp_path_factory: pytest.TempPathFactory) -> Localizer:
    folder = tmp_path_factory.mktemp("checkpoint")
    return Localizer.load(save_for_videos(folder / "last.ckpt", folder), device="cpu")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    render(folder / "first.mp4", frames=200)
    render(folder / "second <b>.mp4", frames=60)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


OUT_OF_REACH = """[...document.querySelectorAll("body *")].filter((one) =>
    /auto|scroll/.test(getComputedStyle(one).overflow) && one.checkVisibility() && one.tabIndex < 0 &&
    (one.scrollHeight > one.clientHeight || one.scrollWidth > one.clientWidth) && !one.querySelector("button, input")
).map((one) => one.outerHTML.slice(0, 60))"""  # what scrolls, but not by keys


class Opened:
    """A page of a server, and where it saves."""

    def __init__(self, page: Page, address: str, labels: Path) -> None:
        self.page, self.address, self.labels = page, address, labels
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.set_default_timeout(60_000)
        page.goto(address)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text}, {message.location}")

    def pick(self, name: str) -> None:
        self.page.get_by_role("navigation").get_by_role("button", name=name).click()
        expect(self.page.locator("#name")).to_have_text(name)

    def detect(self) -> None:
        """Find actions and show all of them, since those of random weights have low scores."""
        self.page.get_by_role("button", name="Find actions").click()
        self.show_all()
        expect(self.page.locator("#rows tr").first).to_be_visible()

    def show_all(self) -> None:
        """Show detections of any score."""
        slider = self.page.locator("#threshold")
        expect(slider).to_be_visible()
        slider.focus()
        slider.press("Home")
        slider.blur()

    def add(self, label: str) -> None:
        """Add a segment at the playhead."""
        self.page.get_by_role("button", name="Add segment").click()
        self.page.locator("#label").fill(label)
        self.page.locator("#label").press("Enter")
        expect(self.page.locator("#rows")).to_contain_text(label)

    def saved(self, name: str = "first") -> Any:
        return load_annotations(self.labels).videos[name]

    def value(self, field: str) -> float:
        return float(self.page.locator(f"#{field}").input_value())


@pytest.fixture
def opened(browser: Browser, localizer: Localizer, videos: Path, tmp_path: Path) -> Iterator[Opened]:
    labels = tmp_path / "labels.csv"
    session = Session(localizer, videos, labels)
    with serving(session) as address:
        context = browser.new_context(viewport={"width": 1200, "height": 1000})
        made = Opened(context.new_page(), address, labels)
        yield made
        context.close()
    assert made.complaints == []


def test_pick_detect_drag_save_and_come_back(opened: Opened) -> None:
    page = opened.page
    opened.pick("first")
    opened.detect()
    page.locator("#rows tr").first.click()
    expect(page.locator("#state")).to_contain_text("Detection, score")
    expect(page.locator("#fit-value")).not_to_be_empty()
    fit = page.locator("#fit")  # in full precision: rounded, another segment may well have the same
    before, end = fit.evaluate("meter => meter.value"), opened.value("end")
    page.locator("#table-box").scroll_into_view_if_needed()
    handle = page.locator("#timeline .handle.end")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    towards = -1 if x > 700 else 1
    for step in range(1, 8):  # after six steps, the first two digits would be those of before
        page.mouse.move(x + towards * 30 * step, y)
    expect(fit).not_to_have_js_property("value", before)  # while the button is still down
    assert (opened.value("end") - end) * towards > 0.5
    page.mouse.up()
    expect(page.locator("#state")).to_have_text("Accepted")
    dragged = [opened.value("start"), opened.value("end")]
    label = page.locator("#label")
    label.fill("brand new <i>label</i>")
    label.press("Enter")
    expect(page.locator("#rows")).to_contain_text("brand new <i>label</i>")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Saved 1 segment of first. The video is not in the labels yet.")
    assert not opened.labels.exists()  # other detections are undecided
    expect(page.get_by_role("navigation")).to_contain_text("partly reviewed")
    page.reload()
    expect(page.locator("#name")).to_have_text("first")
    expect(page.locator("#review-state")).to_contain_text("Partly reviewed: not in the labels yet")
    page.get_by_role("button", name="Done with this video").click()
    expect(page.locator("#status")).to_contain_text("Saved 1 segment of first. The video is in the labels.")
    assert opened.saved().segments_seconds[0].tolist() == pytest.approx(dragged, abs=0.006)
    assert opened.saved().labels == ("brand new <i>label</i>",)
    page.reload()
    expect(page.locator("#name")).to_have_text("first")
    expect(page.locator("#rows tr.accepted")).to_contain_text("brand new <i>label</i>")
    expect(page.get_by_role("navigation")).to_contain_text("in the labels: 1")
    expect(page.locator("#labels option").last).to_have_attribute("value", "brand new <i>label</i>")


def test_everything_can_be_done_with_keys(opened: Opened) -> None:
    page, press = opened.page, opened.page.keyboard.press
    opened.pick("first")
    opened.detect()
    press("ArrowDown")
    start, end = opened.value("start"), opened.value("end")
    press("Shift+ArrowLeft")
    expect(page.locator("#state")).to_have_text("Accepted")
    assert opened.value("end") == pytest.approx(end - 0.1, abs=0.011)
    press("Alt+ArrowRight")  # a snippet is a fifth of a second
    assert opened.value("start") == pytest.approx(start + 0.2, abs=0.011)
    press("Control+z")
    assert opened.value("start") == pytest.approx(start, abs=0.011)
    press("Control+Shift+z")
    assert opened.value("start") == pytest.approx(start + 0.2, abs=0.011)
    press("Escape")
    expect(page.locator("#fields")).to_be_hidden()
    for _ in range(3):
        press("ArrowRight")  # the playhead, by a second
    press("n")
    expect(page.locator("#label")).to_be_focused()
    press("Escape")
    at = opened.value("start")
    assert 3 <= at <= 4
    expect(page.locator("#refined")).to_contain_text("Model")
    press("s")
    expect(page.locator("#start")).not_to_have_value(f"{at:g}")
    press("[")
    assert opened.value("start") == pytest.approx(at, abs=0.011)
    press("Delete")
    press("?")
    expect(page.locator("#help-dialog")).to_be_visible()
    press("Escape")
    open_before = page.locator("#rows tr.open").count()
    press("Enter")
    expect(page.locator("#rows tr.accepted")).to_have_count(2)
    assert page.locator("#rows tr.open").count() < open_before
    press("Delete")  # rejects the next one
    page.locator("#rows tr.accepted").first.click()
    page.locator("#label").fill("typed")
    press("Control+s")  # while it is being typed
    expect(page.locator("#status")).to_contain_text("Saved 2 segments")
    page.locator("#finish").press("Enter")
    expect(page.locator("#status")).to_contain_text("The video is in the labels")
    assert len(opened.saved().labels) == 2
    assert "typed" in opened.saved().labels


def test_a_segment_that_has_the_focus_in_the_timeline_is_nudged_and_others_are_walked_through(opened: Opened) -> None:
    page = opened.page
    opened.pick("first")
    opened.detect()
    first = page.locator("#timeline .segment[tabindex='0']")
    first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#fields")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator("#fields")).to_be_visible()
    start = opened.value("start")
    page.keyboard.press("ArrowRight")
    assert opened.value("start") == pytest.approx(start + 0.1, abs=0.011)


def test_what_the_server_has_not_written_is_warned_of_and_everything_else_is_kept(opened: Opened) -> None:
    page, kept = opened.page, opened.page.locator("#kept")
    opened.pick("first")
    page.route("**/draft", lambda route: route.abort())
    opened.add("jump")
    expect(kept).to_have_text("Not kept")
    expect(page.get_by_role("navigation")).to_contain_text("unsaved")
    page.once("dialog", lambda dialog: dialog.dismiss())
    with page.expect_event("dialog") as warning:
        page.evaluate("setTimeout(() => location.assign('/api/session'))")
    assert warning.value.type == "beforeunload"
    expect(page.locator("#rows tr.accepted")).to_have_count(1)
    page.unroute("**/draft")
    expect(kept).to_have_text("All changes kept")  # it tries again
    page.reload()  # without a word
    expect(page.locator("#rows tr.accepted")).to_contain_text("jump")
    assert not opened.labels.exists()
    opened.complaints[:] = [text for text in opened.complaints if "ERR_FAILED" not in text]


def test_another_window_is_not_overwritten_unasked(opened: Opened) -> None:
    page = opened.page
    opened.pick("first")
    write_text(opened.labels, "video,start,end,label\nfirst,1,2,theirs\n")  # at once: the page reads it at any time
    page.get_by_role("button", name="Add segment").click()
    expect(page.locator("#conflict-cancel")).to_be_focused()
    expect(page.locator("#conflict-cancel")).to_have_class("primary")
    page.get_by_role("button", name="Load those segments").click()
    expect(page.locator("#rows tr")).to_contain_text("theirs")
    assert opened.saved().labels == ("theirs",)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    expect(page.locator("#rows tr")).to_contain_text("(no label)")
    opened.complaints[:] = [text for text in opened.complaints if "409" not in text]  # Chromium logs any such answer


def test_a_video_is_without_actions_only_if_somebody_says_so(opened: Opened) -> None:
    page, status = opened.page, opened.page.locator("#status")
    opened.pick("first")
    expect(page.locator("#timeline")).to_contain_text("No segment yet.")  # not: none above a score
    expect(page.locator("#save")).to_be_disabled()
    page.keyboard.press("Control+s")
    expect(status).to_have_text("There is nothing new to save.")
    assert not opened.labels.exists()
    page.get_by_role("button", name="Nothing happens here").click()
    expect(status).to_have_text("Saved: nothing happens in first.")
    expect(page.get_by_role("navigation")).to_contain_text("in the labels: no action")
    expect(page.get_by_role("navigation")).to_contain_text("1 of 3 in the labels")
    assert opened.saved().labels == ()
    page.get_by_role("button", name="Take out of the labels").click()
    expect(status).to_have_text("first is out of the labels.")
    expect(page.locator("#review-state")).to_contain_text("Not reviewed: not in the labels")
    assert opened.labels.read_text(encoding="utf-8") == "video,start,end,label\n"


def test_a_new_segment_has_no_label_until_one_is_chosen(opened: Opened) -> None:
    page = opened.page
    opened.pick("first")
    page.get_by_role("button", name="Add segment").click()
    expect(page.locator("#label")).to_be_focused()
    expect(page.locator("#label")).to_have_value("")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    expect(page.locator("#status")).to_have_text("This segment has no label. Choose one first.")
    expect(page.locator("#label")).to_be_focused()
    assert not opened.labels.exists()
    page.keyboard.type("hop")
    page.keyboard.press("Control+s")
    expect(page.locator("#status")).to_contain_text("Saved 1 segment of first. The video is in the labels.")
    page.locator("#rows tr").click()
    page.keyboard.press("Delete")
    page.keyboard.press("Control+s")  # without any, it would be a video without actions
    expect(page.locator("#status")).to_contain_text("No segment is left.")
    assert opened.saved().labels == ("hop",)


def to_decide(page: Page) -> int:
    """How many detections are left; the table shows only so many rows."""
    return int((page.locator("#count").text_content() or "").split(" to decide")[0].split()[-1])


def test_rejections_are_remembered_and_can_be_taken_back(opened: Opened) -> None:
    page, count = opened.page, opened.page.locator("#count")
    opened.pick("first")
    opened.detect()
    before = to_decide(page)
    page.locator("#rows tr").first.click()
    page.keyboard.press("Delete")
    expect(page.locator("#rejected-box")).to_be_visible()
    left = to_decide(page)
    assert left < before
    page.keyboard.press("Control+s")
    expect(page.locator("#status")).to_contain_text("Saved 1 rejection of first")
    page.reload()
    opened.show_all()
    expect(count).to_contain_text(f"0 accepted, {left} to decide, 1 rejected")
    page.get_by_label("Show rejected").check()
    page.locator("#rows tr.rejected").click()
    page.get_by_role("button", name="Take back").click()
    expect(count).to_contain_text(f"0 accepted, {before} to decide, 0 rejected")


def test_new_detections_in_a_labelled_video_are_asked_about(opened: Opened) -> None:
    page, dialog = opened.page, opened.page.locator("#undecided-dialog")
    write_text(opened.labels, "video,start,end,label\nfirst.mp4,1.5,2.5,hop\n")
    page.reload()
    opened.pick("first")
    opened.detect()
    page.locator("#rows tr.accepted").click()
    for button, kept in (("Go on deciding", True), ("Take the video out", False)):
        page.locator("#label").fill(f"then {button}")
        page.locator("#label").press("Enter")
        page.keyboard.press("Control+s")
        expect(dialog).to_contain_text("first is in the labels, where what is undecided counts as no action")
        expect(page.locator("#undecided-cancel")).to_be_focused()
        dialog.get_by_role("button", name=button).click()
        expect(dialog).to_be_hidden()
        if kept:
            assert opened.saved("first.mp4").labels == ("hop",)
    expect(page.locator("#review-state")).to_contain_text("Partly reviewed")
    assert "first" not in opened.labels.read_text(encoding="utf-8")
    page.get_by_role("button", name="Done: reject the other").click()
    expect(page.locator("#review-state")).to_contain_text("In the labels with 1 segment.")
    assert opened.saved("first.mp4").labels == ("then Take the video out",)


def test_the_player_and_the_timeline_are_on_one_screen_and_the_player_can_be_resized(opened: Opened) -> None:
    page = opened.page
    page.set_viewport_size({"width": 1280, "height": 720})
    opened.pick("first")
    opened.add("hop")
    boxes = [page.locator(f"#{part}").bounding_box() for part in ("player", "timeline", "editor")]
    player, timeline, editor = (box or {} for box in boxes)
    assert timeline["y"] + timeline["height"] <= 720
    assert editor["y"] + editor["height"] <= 720
    assert player["y"] + player["height"] <= timeline["y"]
    splitter = page.get_by_role("separator", name="Height of the player")
    splitter.press("ArrowDown")
    page.keyboard.press("Control+s")
    expect(page.locator("#status")).to_contain_text("Saved 1 segment")
    higher = page.locator("#player").bounding_box() or {}
    assert higher["height"] > player["height"]
    page.reload()
    expect(page.locator("#name")).to_have_text("first")
    assert (page.locator("#player").bounding_box() or {})["height"] == pytest.approx(higher["height"], abs=1)


def test_of_many_detections_the_lanes_scroll_and_the_selected_one_is_in_sight(opened: Opened) -> None:
    page = opened.page
    page.set_viewport_size({"width": 1280, "height": 720})
    opened.pick("first")
    opened.detect()
    page.evaluate("scrollTo(0, 0)")
    box = page.locator("#timeline .timeline-box")
    assert box.evaluate("box => box.scrollHeight > box.clientHeight")
    outer = page.locator("#timeline").bounding_box() or {}
    assert outer["y"] + outer["height"] <= 720
    assert page.evaluate(OUT_OF_REACH) == []
    page.locator("#rows tr").first.click()
    for key in ("ArrowDown", "ArrowUp", "ArrowUp", *["ArrowDown"] * 7):  # also right after a click on a row
        page.keyboard.press(key)
        selected, lanes = page.locator("#timeline .segment.selected").bounding_box() or {}, box.bounding_box() or {}
        assert lanes["y"] <= selected["y"]
        assert selected["y"] + selected["height"] <= lanes["y"] + lanes["height"]
    expect(page.locator("#rows tr").nth(7)).to_have_attribute("aria-selected", "true")


def test_a_file_that_cannot_be_read_is_named_and_the_others_go_on(opened: Opened) -> None:
    page = opened.page
    opened.pick("broken")
    expect(page.locator("#unplayable")).to_contain_text("This browser cannot play broken.mp4")
    page.get_by_role("button", name="Find actions").click()
    expect(page.get_by_role("alert")).to_contain_text("check that it plays, or convert it")
    expect(page.get_by_role("navigation")).to_contain_text("unusable")
    opened.pick("second <b>")
    expect(page.locator("#problem")).to_be_hidden()
    opened.detect()


def test_on_a_phone_nothing_is_wider_than_the_screen(
    browser: Browser, localizer: Localizer, videos: Path, tmp_path: Path
) -> None:
    with serving(Session(localizer, videos, tmp_path / "labels.csv")) as address:
        context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True)
        opened = Opened(context.new_page(), address, tmp_path / "labels.csv")
        opened.pick("first")
        expect(opened.page.get_by_role("navigation")).to_be_hidden()
        opened.detect()
        opened.page.locator("#rows tr").first.tap()
        expect(opened.page.locator("#fit-value")).not_to_be_empty()
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
        expect(opened.page.get_by_role("heading", level=1)).to_have_text(videos.name)
        assert opened.page.evaluate(OUT_OF_REACH) == []
        context.close()
    assert opened.complaints == []
