"""The report in a real browser, opened from the disk."""

import base64
import json
import shutil
import time

import cv2
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


def wait_for(page, expression, seconds=60):
    """Wait until an expression is true. Playwright's own waiting evaluates in the page, whose policy forbids it."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def map_place(page):
    """Where a segment (start, length) is on the screen."""

    def at(start, length):
        return page.evaluate(
            """([start, length]) => {
                const chart = document.querySelector("#map-part .map");
                const {xaxis, yaxis, _size} = chart._fullLayout;
                const box = chart.getBoundingClientRect();
                return [box.left + _size.l + xaxis.d2p(start), box.top + _size.t + yaxis.d2p(Math.log2(length))];
            }""",
            [start, length],
        )

    return at


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
    wait_for(page, "document.querySelector('#list a[aria-current] .count').textContent.includes('error')")
    wrong = len(data["scores"]) - matched + 6 - matched
    wait_for(page, f"document.querySelector('#list a[aria-current] .count').textContent === '{wrong} errors'")


def test_zooming_and_moving(opened):
    page = opened("#video=first")
    view = lambda: page.evaluate("timeline.view")  # noqa: E731
    assert view() == [0, 100]
    page.locator("#zoom-in").click()
    assert view() == pytest.approx([18.75, 81.25])
    box = page.locator("#timeline > svg").bounding_box()
    page.mouse.move(box["x"] + 500, box["y"] + 12)
    page.mouse.wheel(0, -300)
    nearer = view()
    assert nearer[1] - nearer[0] < 60
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 12, steps=3)
    page.mouse.up()
    assert view()[0] > nearer[0]
    page.keyboard.press("0")
    assert view() == [0, 100]


def test_clicking_seeks_the_player_and_selects(opened):
    page = opened("#video=first")
    wait_for(page, "player && player.readyState >= 1")
    assert page.evaluate("player.duration") == pytest.approx(100, abs=1)
    box = page.locator("#timeline > svg").bounding_box()
    page.mouse.click(box["x"] + 146 + (box["width"] - 152) * 0.5, box["y"] + 10)
    wait_for(page, "Math.abs(player.currentTime - 50) < 0.5")
    segment = page.evaluate("timeline.segments().filter((one) => one.end - one.start > 3).at(-1)")
    page.evaluate("(id) => select(id, true)", segment["id"])
    wait_for(page, f"Math.abs(player.currentTime - {segment['start']}) < 0.5")
    assert page.locator(f"{VISIBLE}.selected").count() == 1
    assert f"{segment['start']:.3f} s" in page.locator("#selection").text_content()
    page.evaluate("player.muted = true")
    page.keyboard.press(" ")
    wait_for(page, "!player.paused")
    page.keyboard.press(" ")
    wait_for(page, "player.paused")


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
    wait_for(page, "map && map.isDrawn")
    tiles = json.loads(page.locator("#map-1").text_content())["tiles"]
    assert page.locator("#map-part .shapelayer path").count() == len(tiles) - 1
    assert page.locator("#map-part .heatmaplayer image").count() == len(tiles)
    detection = page.evaluate("timeline.segments().find((one) => one.type === 'detection')")
    page.evaluate("(id) => select(id)", detection["id"])
    page.get_by_label("Zoom to the selected segment").click()
    left, right, shortest, longest = page.evaluate("map.view")
    assert left < detection["start"] < right
    assert shortest < detection["end"] - detection["start"] < longest
    page.evaluate("select(null)")
    at = map_place(page)
    page.mouse.move(*at(detection["start"], detection["end"] - detection["start"]))
    wait_for(page, "document.querySelector('.map-readout').textContent.includes('score')")
    page.mouse.down()
    page.mouse.up()
    wait_for(page, f"state.selected === '{detection['id']}'")
    page.goto(page.url.replace("second", NAMES[-1].replace("%", "%25").replace("#", "%23")))
    assert page.locator("#name").text_content() == NAMES[-1]
    assert "No confidence map" in page.locator("#map-part").text_content()


def test_the_map_tells_the_confidence_of_a_cell_and_seeks_to_it(opened):
    page = opened("#video=first")
    wait_for(page, "map && map.isDrawn")
    page.locator("#threshold").fill("1")  # no detections, and no detail of the map below the pointer
    page.locator("#map-part").scroll_into_view_if_needed()
    at = map_place(page)
    page.mouse.move(*at(40.2, 20.1))
    readout = page.locator(".map-readout")
    wait_for(page, "document.querySelector('.map-readout').textContent.includes('confidence')")
    confidence = float(readout.text_content().split()[-1])
    tile = json.loads(page.locator("#map-0").text_content())["tiles"][0]
    image = cv2.imdecode(np.frombuffer(base64.b64decode(tile["png"]), np.uint8), cv2.IMREAD_UNCHANGED)
    (height, width), (first, last, shortest, longest) = image.shape, tile["edges"]
    row = int(np.log(longest / 20.1) / np.log(longest / shortest) * height)
    column = int((40.2 - first) / (last - first) * width)
    assert confidence == pytest.approx(image[row, column] / 255, abs=0.006)
    page.mouse.down()
    page.mouse.up()
    wait_for(page, "Math.abs(player.currentTime - 40.2) < 0.4")
    page.mouse.move(*at(95, 50))  # such a segment would end after the video
    wait_for(page, "document.querySelector('.map-readout').textContent === ''")


def test_the_map_zooms_by_wheel_and_scrolls_the_page_where_it_is_whole(opened):
    page = opened("#video=first")
    wait_for(page, "map && map.isDrawn")
    page.locator("#map-part").scroll_into_view_if_needed()
    whole = page.evaluate("map.view")
    page.mouse.move(*map_place(page)(40, 5))
    before = page.evaluate("scrollY")
    for _ in range(3):
        page.mouse.wheel(0, -300)
    wait_for(page, "map.view[1] - map.view[0] < 90")
    for _ in range(10):  # back, and no further
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(50)
        if page.evaluate("map.view") == whole:
            break
    wait_for(page, f"map.view[1] - map.view[0] >= {whole[1] - whole[0]}")
    assert page.evaluate("scrollY") >= before
    page.evaluate("scrollTo(0, 0)")
    page.locator("#map-part").scroll_into_view_if_needed()
    page.mouse.move(*map_place(page)(40, 5))
    page.evaluate("scrollBy(0, -20)")
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 15)
    wait_for(page, f"scrollY > {before}")
    page.get_by_label("Zoom into the map").click()
    wait_for(page, "map.view[1] - map.view[0] < 90")
    left = page.evaluate("map.view[0]")
    x, y = map_place(page)(40, 5)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y, steps=4)
    page.mouse.up()
    wait_for(page, f"map.view[0] > {left}")
    page.mouse.dblclick(x, y)
    wait_for(page, f"map.view[1] - map.view[0] >= {whole[1] - whole[0]}")


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
        sync_api.expect(page.locator("#name")).to_have_text(name)


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
    wait_for(page, "map && map.isDrawn")
    page.locator("#errors").scroll_into_view_if_needed()
    page.wait_for_selector("#errors .chart.drawn")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_every_region_that_scrolls_is_reached_by_the_keyboard(opened):
    page = opened("#video=first", viewport={"width": 390, "height": 844}, has_touch=True)
    page.wait_for_selector("#timeline > svg .segment")
    unreachable = page.evaluate("""() => [...document.body.querySelectorAll("*")].filter((one) => {
        const {overflowX, overflowY} = getComputedStyle(one);
        const scrolls = (one.scrollWidth > one.clientWidth + 1 && /auto|scroll/.test(overflowX))
            || (one.scrollHeight > one.clientHeight + 1 && /auto|scroll/.test(overflowY));
        return scrolls && one.tabIndex < 0 && !one.querySelector("a, button, [tabindex='0']");
    }).map((one) => one.outerHTML.slice(0, 80))""")
    assert unreachable == []
    assert page.locator("h1").count() == 1


def test_the_player_stands_beside_the_timeline_and_can_be_resized(opened):
    page = opened("#video=first", viewport={"width": 1280, "height": 720})
    wait_for(page, "player && player.readyState >= 1")
    timeline, player = (page.locator(place).bounding_box() for place in ("#timeline > svg", "#player video"))
    assert timeline["x"] + timeline["width"] <= player["x"]
    assert player["y"] == pytest.approx(timeline["y"], abs=3)
    assert 0 <= player["y"] <= player["y"] + player["height"] <= 720
    page.locator("#splitter").focus()
    page.keyboard.press("ArrowLeft")
    wider = page.locator("#player video").bounding_box()["width"]
    assert wider > player["width"]
    bar = page.locator("#splitter").bounding_box()
    page.mouse.move(bar["x"] + 5, bar["y"] + 40)
    page.mouse.down()
    page.mouse.move(bar["x"] - 95, bar["y"] + 40, steps=4)
    page.mouse.up()
    assert page.locator("#player video").bounding_box()["width"] == pytest.approx(wider + 100, abs=12)
    assert page.evaluate("state.video") == 0  # the arrow moved the bar, not the page


def test_a_selected_segment_keeps_the_mark_of_its_state(opened):
    page = opened("#video=first")
    page.locator("#threshold").fill("0.9")
    looks = """() => {
        const one = document.querySelector("#timeline > svg .segment.missed");
        const {stroke, strokeDasharray, fill} = getComputedStyle(one.querySelector(".body"));
        return [stroke, strokeDasharray, fill, one.querySelector(".glyph").textContent];
    }"""
    before = page.evaluate(looks)
    page.locator(f"{VISIBLE}.missed").first.click()
    page.mouse.move(0, 0)
    assert page.evaluate(looks) == before
    selected = page.locator(f"{VISIBLE}.selected")
    assert "missed" in selected.get_attribute("class")
    assert selected.locator(".ring").evaluate("(ring) => getComputedStyle(ring).stroke") != "none"


def test_paper_gets_every_chart_in_light_colours(opened):
    page = opened("#video=first", color_scheme="dark")
    wait_for(page, "map && map.isDrawn")
    looks = """() => [
        getComputedStyle(document.body).backgroundColor,
        [...document.querySelectorAll(".chart, .map")].map((one) => one.querySelector(".main-svg")?.clientWidth ?? 0),
    ]"""
    dark, _ = page.evaluate(looks)
    page.evaluate(f"addEventListener('beforeprint', () => (window.printed = ({looks})()))")
    page.pdf()
    paper, widths = page.evaluate("printed")  # all that is drawn later is not on the paper
    assert paper == "rgb(255, 255, 255)"
    assert len(widths) == 8
    assert set(widths) == {330, 674}
    wait_for(
        page, "[...document.querySelectorAll('.chart .main-svg:first-child')].every((one) => one.clientWidth > 400)"
    )
    assert page.evaluate(looks)[0] == dark
    page.emulate_media(media="print", color_scheme="dark")
    wait_for(page, "document.documentElement.classList.contains('printing')")
    assert page.locator("h1").is_visible()
    assert page.locator("#list").is_hidden()


def test_long_names_are_cut_in_the_middle(opened, case, tmp_path):
    names = [f"recordings of the kitchen in the morning/camera above the table/{number}" for number in (1, 2)]
    path = tmp_path / "report.html"
    write_report(path, detections=case[1].renamed(dict(zip(NAMES, names, strict=False))))
    page = opened(path=path)
    assert set(names) <= set(page.locator("#list .title").all_text_contents())
    ends = page.locator("#list .title > :last-child").evaluate_all(
        "(all) => all.map((one) => [one.textContent, one.scrollWidth <= one.clientWidth + 1])"
    )
    assert all(fits for _, fits in ends)
    assert {text[-2:] for text, _ in ends} >= {"/1", "/2"}
    lanes = "layOut([{label: 0, name: 'opens the left drawer', type: 'truth', start: 0, end: 1}], 800).lanes"
    assert page.evaluate(f"{lanes}[0].text") == "opens the…ft drawer"


def test_the_ends_of_a_segment_can_be_dragged_where_it_is_editable(opened):
    page = opened("#video=first")
    wait_for(page, "map && map.isDrawn")  # on a busy machine, it would be drawn into the page that is gone
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
