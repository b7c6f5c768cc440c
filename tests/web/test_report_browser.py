"""The report in a real browser, opened from the disk."""

import json
import shutil

import numpy as np
import pytest
from test_report import NASTY, features_of, made_case

from rcl.detector.localizer import Localizer
from rcl.web.report.page import write_report
from rendered import render
from untrained import save_untrained

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which is in the extra dev")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH")

NAMES = ["first", "second", *NASTY]
VISIBLE = "#timeline > svg .segment"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def case():
    return made_case(names=NAMES, truths=6, found=20)


@pytest.fixture(scope="module")
def report(tmp_path_factory, case):
    """A page beside a video, with maps of two videos."""
    annotations, detections = case
    folder = tmp_path_factory.mktemp("report")
    render(folder / "first.mp4", frames=400, rate=4)
    localizer = Localizer.load(save_untrained(folder / "last.ckpt"), device="cpu")
    readers = {name: lambda: features_of(500) for name in NAMES[:2]}
    path = folder / "report.html"
    write_report(path, detections=detections, annotations=annotations, localizer=localizer, features=readers)
    return path


@pytest.fixture
def opened(browser, report):
    """Opens the report, and sees to it that the browser had nothing to complain about."""
    contexts, complaints = [], []

    def open_page(hash_="", path=report, **options):
        options = {"viewport": {"width": 1300, "height": 900}, **options}
        contexts.append(browser.new_context(offline=True, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri() + hash_)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def data_of(page, number):
    return json.loads(page.locator(f"#video-{number}").text_content())


def test_it_opens_with_charts_and_a_list(opened):
    page = opened()
    page.wait_for_selector(".chart.drawn .main-svg")
    assert page.locator("#list a").count() == len(NAMES)
    assert page.locator("#opened").is_hidden()
    counts = page.locator("#list .count").all_text_contents()
    assert counts == sorted(counts, key=lambda text: -int(text.split()[0]))
    page.locator("#search").fill("SECO")
    assert page.locator("#list .title").all_text_contents() == ["second"]


def test_the_timeline_shows_what_is_above_the_score(opened, case):
    page = opened("#video=first")
    data, index = data_of(page, 0), json.loads(page.locator("#report").text_content())
    for score in (index["threshold"], 0.1, 0.0, 0.9):
        page.locator("#threshold").fill(str(score))
        shown = [place for place, value in enumerate(data["scores"]) if value >= score]
        right = {data["taken"][index["tiou"]][place] for place in shown} - {-1}
        assert page.locator(f"{VISIBLE}.truth").count() == 6
        assert page.locator(f"{VISIBLE}.detection").count() == len(shown)
        assert page.locator(f"{VISIBLE}.missed").count() == 6 - len(right)
        assert page.locator(f"{VISIBLE}.true_positive").count() == len(right)
    page.locator("#slider").focus()
    page.keyboard.press("Home")
    assert page.locator(f"{VISIBLE}.detection").count() == len(data["scores"])
    page.locator("#tiou").select_option(label="0.7")
    matched = sum(taken >= 0 for taken in data["taken"][4])
    assert page.locator(f"{VISIBLE}.true_positive").count() == matched
    page.wait_for_function("document.querySelector('#list a[aria-current] .count').textContent.includes('error')")
    wrong = len(data["scores"]) - matched + 6 - matched
    page.wait_for_function(f"document.querySelector('#list a[aria-current] .count').textContent === '{wrong} errors'")


def test_zooming_and_moving(opened):
    page = opened("#video=first")
    view = lambda: page.evaluate("timeline.view")  # noqa: E731
    assert view() == [0, 100]
    page.locator("#zoom-in").click()
    assert view() == pytest.approx([18.75, 81.25])
    box = page.locator("#timeline > svg").bounding_box()
    page.mouse.move(box["x"] + 700, box["y"] + 12)
    page.mouse.wheel(0, -300)
    nearer = view()
    assert nearer[1] - nearer[0] < 60
    page.mouse.down()
    page.mouse.move(box["x"] + 600, box["y"] + 12, steps=3)
    page.mouse.up()
    assert view()[0] > nearer[0]
    page.keyboard.press("0")
    assert view() == [0, 100]


def test_clicking_seeks_the_player_and_selects(opened):
    page = opened("#video=first")
    page.wait_for_function("player && player.readyState >= 1")
    assert page.evaluate("player.duration") == pytest.approx(100, abs=1)
    box = page.locator("#timeline > svg").bounding_box()
    page.mouse.click(box["x"] + 146 + (box["width"] - 152) * 0.5, box["y"] + 10)
    page.wait_for_function("Math.abs(player.currentTime - 50) < 0.5")
    segment = page.evaluate("timeline.segments().filter((one) => one.end - one.start > 3).at(-1)")
    page.evaluate("(id) => select(id, true)", segment["id"])
    page.wait_for_function(f"Math.abs(player.currentTime - {segment['start']}) < 0.5")
    assert page.locator(f"{VISIBLE}.selected").count() == 1
    assert f"{segment['start']:.3f} s" in page.locator("#selection").text_content()
    page.evaluate("player.muted = true")
    page.keyboard.press(" ")
    page.wait_for_function("!player.paused")
    page.keyboard.press(" ")
    page.wait_for_function("player.paused")


def test_hovering_and_focus_tell_times_and_scores(opened):
    page = opened("#video=first")
    segment = page.locator(f"{VISIBLE}.true_positive").first
    segment.hover()
    tip = page.locator(".timeline-tip")
    assert "score" in tip.text_content()
    assert "tIoU" in tip.text_content()
    page.locator("#fit").focus()
    page.keyboard.press("Tab")
    before = page.evaluate("document.activeElement.segment.id")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.segment.id") != before
    assert tip.is_visible()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.segment.id === state.selected")


def test_keys_go_from_video_to_video_and_from_error_to_error(opened):
    page = opened()
    page.keyboard.press("n")
    first = page.locator("#name").text_content()
    page.keyboard.press("ArrowRight")
    second = page.locator("#name").text_content()
    assert second != first
    page.keyboard.press("p")
    assert page.locator("#name").text_content() == first
    errors = page.evaluate("timeline.segments().filter(isError).map((one) => one.id)")
    for expected in errors[:3]:
        page.keyboard.press("e")
        assert page.evaluate("state.selected") == expected
    page.keyboard.press("Shift+E")
    assert page.evaluate("state.selected") == errors[1]
    for _ in range(len(errors) - 1):
        page.keyboard.press("e")
    assert page.locator("#name").text_content() == second
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#keys").is_hidden()


def test_the_map_is_drawn_and_linked_with_the_timeline(opened):
    page = opened("#video=second")
    page.wait_for_function("map && map.highest > 0")
    detection = page.evaluate("timeline.segments().find((one) => one.type === 'detection')")
    page.evaluate("(id) => select(id)", detection["id"])
    page.get_by_label("Zoom to the selected segment").click()
    left, right, *_ = page.evaluate("map.view")
    assert left < detection["start"] < right
    page.evaluate("select(null)")
    canvas = page.locator("#map-part canvas")
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + 46 + (box["width"] - 54) / 2, box["y"] + 8 + (box["height"] - 42) / 2)
    assert page.evaluate("state.selected") == detection["id"]
    page.goto(page.url.replace("second", NAMES[-1].replace("%", "%25").replace("#", "%23")))
    assert page.locator("#name").text_content() == NAMES[-1]
    assert "No confidence map" in page.locator("#map-part").text_content()


def test_names_do_no_harm(opened):
    page = opened()
    for _ in NAMES:
        page.keyboard.press("n")
        page.wait_for_timeout(20)
    assert page.evaluate("window.harmed") is None
    titles = page.locator("#list .title").all_text_contents()
    assert sorted(titles) == sorted(NAMES)
    for name in NASTY:
        page.locator("#list a").nth(titles.index(name)).click()
        page.wait_for_function("(name) => document.querySelector('#name').textContent === name", arg=name)


def test_dark_as_the_system_says_and_as_the_reader_says(opened):
    page = opened(color_scheme="dark")
    paper = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    dark = paper()
    page.locator("#theme").click()
    assert paper() == "rgb(255, 255, 255)"
    page.reload()
    assert paper() == "rgb(255, 255, 255)"
    page.locator("#theme").click()
    assert paper() == dark


def test_a_narrow_window_needs_no_scrolling_to_the_side(opened):
    page = opened("#video=first", viewport={"width": 400, "height": 800}, has_touch=True)
    page.wait_for_selector("#timeline > svg .segment")
    page.wait_for_function("map && map.highest > 0")
    page.locator("#errors").scroll_into_view_if_needed()
    page.wait_for_selector("#errors .chart.drawn")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_the_ends_of_a_segment_can_be_dragged_where_it_is_editable(opened):
    page = opened("#video=first")
    page.evaluate("""() => {
        document.body.innerHTML = '<div id="editor" style="width: 800px"></div>';
        window.changes = [];
        const onChange = (one, done) => changes.push([one.id, one.start, one.end, done]);
        window.editor = new Timeline(byId("editor"), {editable: true, onChange});
        editor.setData({duration: 10, labels: ["clap"], truths: [{start: 2, end: 4, label: 0}], detections: []});
        editor.select("t0");
    }""")
    box = page.locator("#editor .handle.end").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 5 + 65, box["y"] + 5, steps=4)
    page.mouse.up()
    changes = page.evaluate("changes")
    assert changes[-1][0] == "t0"
    assert changes[-1][1] == 2
    assert changes[-1][2] == pytest.approx(4 + 65 / 648 * 10, abs=0.05)
    assert [done for *_, done in changes].count(True) == 1


def test_a_page_without_annotations(opened, case, tmp_path):
    path = tmp_path / "report.html"
    write_report(path, detections=case[1])
    page = opened("#video=second", path=path)
    page.wait_for_selector(".chart.drawn")
    scores = np.array(data_of(page, 1)["scores"])
    assert page.locator(f"{VISIBLE}.detection").count() == (scores >= page.evaluate("state.threshold")).sum()
    assert page.locator("#tiou").count() == 0
    page.keyboard.press("e")
    assert page.evaluate("state.selected") is None
