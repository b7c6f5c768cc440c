"""The page that compares detectors, and the same in a real browser, opened from the disk."""

import json
import shutil

import numpy as np
import pytest
from test_report import NASTY, THRESHOLDS, blocks_of, made_case

from rcl.evaluation import leaderboard
from rcl.system.errors import InputError
from rcl.web.report.comparison import write_comparison
from rcl.web.report.matches import match_videos
from typed import Rcl

NAMES = ["first", "second", *NASTY]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def made_detectors():
    """Ground truth of several videos, and two detectors with other scores and other labels beyond those known."""
    annotations, first = made_case(names=NAMES, truths=6, found=20)
    _, second = made_case(names=NAMES, truths=6, found=20)
    shifted = second[np.random.default_rng(1).random(len(second)) < 0.6]
    labels = ("walk", "jump", "clap")  # in another order than in the first
    order = np.array([2, 1, 0])[shifted.label_index]
    other = type(second)(
        second.videos, shifted.video_index, shifted.segments_seconds, labels, order, 10 * shifted.scores
    )
    return annotations, {"A": first, "B <b>&": other}


@pytest.fixture(scope="module")
def made():
    return made_detectors()


@pytest.fixture(scope="module")
def page_path(made, tmp_path_factory):
    annotations, detectors = made
    path = tmp_path_factory.mktemp("page") / "comparison.html"
    board = leaderboard(detectors, annotations, tiou_thresholds=THRESHOLDS, draws=100, short_seconds=2)
    write_comparison(path, board, detectors=detectors, annotations=annotations)
    return path


def test_the_page_has_every_detector_of_every_video(made, page_path):
    annotations, detectors = made
    blocks = blocks_of(page_path.read_text(encoding="utf-8"))
    index = blocks["report"]
    assert [one["name"] for one in index["detectors"]] == [*detectors]
    for place, found in enumerate(detectors.values()):
        matches = match_videos(found, annotations, THRESHOLDS)
        cut = index["detectors"][place]["cuts"][index["share"]]
        assert cut == matches.threshold  # as many detections as ground truths
        for number, video in enumerate(matches.videos):
            own = blocks[f"video-{number}"]["detectors"][place]
            assert [index["labels"][label] for label in own["labels"]] == [matches.labels[i] for i in video.labels]
            assert own["taken"] == video.taken.tolist()
            assert index["videos"][number]["errors"][place] == video.errors(cut, index["tiou"])


def test_the_page_shows_what_the_comparison_says(made, page_path):
    text = page_path.read_text(encoding="utf-8").partition('<script type="application/json"')[0]
    assert "B &lt;b&gt;&amp;" in text
    assert "<b>&" not in text
    assert '<meta name="generator" content="rcl compare">' in text
    annotations, detectors = made
    board = leaderboard(detectors, annotations, tiou_thresholds=THRESHOLDS, draws=100)
    value = board.differences["B <b>&"].average_map.value
    assert f"{100 * value:+.1f}".replace("-", "−") in text


def test_other_detectors_than_those_of_the_comparison_are_refused(made, tmp_path):
    annotations, detectors = made
    board = leaderboard(detectors, annotations, tiou_thresholds=[0.5], draws=10)
    with pytest.raises(InputError, match="those of the comparison"):
        write_comparison(tmp_path / "a.html", board, detectors={"A": detectors["A"]}, annotations=annotations)


def test_the_command_writes_the_page(rcl_: Rcl, made, tmp_path):
    from rcl.data.formats.load import save_annotations
    from rcl.data.formats.results import save_detections

    annotations, detectors = made
    save_annotations(annotations, tmp_path / "truth.json")
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file, found in zip(files, detectors.values(), strict=True):
        save_detections(found, file)
    command = ("compare", *files, tmp_path / "truth.json", "--report", tmp_path / "page.html", "--draws", 100)
    done = rcl_(*command)
    assert (done.status, "page.html: 2 detectors in 7 videos" in done.out) == (0, True), done.err
    assert rcl_(*command).status == 0  # over its own page
    (tmp_path / "page.html").write_text("<html>mine</html>")
    refused = rcl_(*command)
    assert (refused.status, "found another web page" in refused.err) == (2, True)
    alone = rcl_("compare", *files, tmp_path / "truth.json", "--title", "x")
    assert (alone.status, "--title: expected --report" in alone.err) == (2, True)


# -- in a browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which is in the extra dev")
    if CHROMIUM is None:
        pytest.skip("needs chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, page_path):
    """Opens the page, and sees to it that the browser had nothing to complain about."""
    contexts, complaints = [], []

    def open_page(hash_="", **options):
        contexts.append(browser.new_context(offline=True, **{"viewport": {"width": 1300, "height": 900}, **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda one: complaints.append(one.text) if one.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(page_path.as_uri() + hash_)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def test_each_detector_has_a_timeline_and_all_move_together(opened):
    page = opened("#video=first")
    data = json.loads(page.locator("#video-0").text_content())
    index = json.loads(page.locator("#report").text_content())
    assert page.locator("#timelines h4 > span:first-child").all_text_contents() == ["A", "B <b>&"]
    for share in range(len(index["shares"])):
        page.locator("#share").select_option(index=share)
        for place, detector in enumerate(data["detectors"]):
            shown = sum(score >= index["detectors"][place]["cuts"][share] for score in detector["scores"])
            timeline = page.locator("#timelines .timeline").nth(place)
            assert timeline.locator("> svg .segment.detection").count() == shown
            assert timeline.locator("> svg .segment.truth").count() == 6
    page.locator("#zoom-in").click()
    views = page.evaluate("rows.map(({timeline}) => timeline.view)")
    assert views[0] == views[1] == pytest.approx([18.75, 81.25])
    box = page.locator("#timelines .timeline > svg").nth(1).bounding_box()
    page.mouse.move(box["x"] + 500, box["y"] + 12)
    page.mouse.wheel(0, -300)
    views = page.evaluate("rows.map(({timeline}) => timeline.view)")
    assert views[0] == views[1]
    assert views[0][1] - views[0][0] < 60
    page.keyboard.press("0")
    assert page.evaluate("rows.map(({timeline}) => timeline.view)") == [[0, 100], [0, 100]]


def test_the_list_counts_the_errors_of_all_detectors(opened):
    page = opened()
    before = page.locator("#list .count").all_text_contents()
    changes = [abs(int(a) - int(b)) for a, b in (text.removesuffix(" errors").split(" → ") for text in before)]
    assert changes == sorted(changes, reverse=True)
    page.keyboard.press("n")
    facts = page.locator("#timelines .facts").all_text_contents()
    assert [text.split(", ")[1].split()[0] for text in facts] == before[0].removesuffix(" errors").split(" → ")
    page.locator("#tiou").select_option(label="0.7")
    assert page.locator("#list .count").all_text_contents() != before
    name = page.locator("#name").text_content()
    page.keyboard.press("n")
    assert page.locator("#name").text_content() != name
    assert page.evaluate("window.harmed") is None


def test_a_ground_truth_is_selected_in_all_timelines_and_a_detection_in_its_own(opened):
    page = opened("#video=second")
    page.evaluate("select(rows[0].timeline.segments().find((one) => one.type === 'truth'), 0)")
    assert page.locator("#timelines .selected.truth").count() == 2
    page.evaluate("select(rows[1].timeline.segments().find((one) => one.type === 'detection'), 1)")
    assert page.locator("#timelines .selected").count() == 1
    text = page.locator("#selection").text_content()
    assert text.startswith("B <b>&")
    assert "score" in text


def test_charts_are_drawn_and_the_table_is_sorted(opened):
    page = opened()
    page.locator("[data-chart=changes]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-chart=changes].drawn .main-svg")
    labels = page.locator("[data-chart=changes] .ytick text").all_text_contents()
    assert labels[::-1] == page.locator("#classes tbody th").all_text_contents()
    page.locator("#classes thead button").nth(1).click()  # the difference
    values = [
        float(text.replace("−", "-")) for text in page.locator("#classes tbody td:nth-child(2)").all_text_contents()
    ]
    assert values == sorted(values, reverse=True)


def test_a_narrow_window_needs_no_scrolling_to_the_side(opened):
    page = opened("#video=first", viewport={"width": 390, "height": 844}, has_touch=True)
    page.wait_for_selector("#timelines .segment")
    page.locator("[data-chart=changes]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-chart=changes].drawn")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
