"""The page as HTML: the template with its data, styles and scripts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from graphlib import TopologicalSorter
from importlib.resources import files
from typing import Any

import numpy as np

from rcl.web.report.charts import Chart
from rcl.web.report.matches import Matches
from rcl.web.report.page_data import to_block
from rcl.web.report.summary import Summary

_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)


def bundle(modules: Mapping[str, str], entries: Collection[str] | None = None) -> str:
    """Join JavaScript modules into one script, because a page opened from disk cannot import others.

    Each module comes after those that it imports. All share one scope, so a name may be declared in one of them only.

    Args:
        modules: source by file name; they import each other by ``import {NAME, ...} from "./FILE.js";``, or
                ``import "./FILE.js";`` for what runs in it.
        entries: the modules that the script needs, with those that they import; by default all.

    Raises:
        graphlib.CycleError: modules import each other in a circle.
    """
    imported: dict[str, list[str]] = {}
    waiting = sorted(modules if entries is None else entries)
    while waiting:
        name = waiting.pop(0)
        if name not in imported:
            imported[name] = _IMPORT.findall(modules[name])
            waiting += imported[name]
    order = TopologicalSorter(dict(sorted(imported.items()))).static_order()
    return '"use strict";\n' + "".join(_EXPORT.sub("", _IMPORT.sub("", modules[name])) for name in order)


def render_page(
    title: str,
    *,
    summary: Summary,
    matches: Matches,
    charts: tuple[Sequence[Chart], Sequence[Chart]],
    blocks: Mapping[str, Any],
    notes: Sequence[str],
) -> str:
    """The whole page.

    Args:
        title: of the page.
        summary: its numbers.
        matches: counted in the table of classes.
        charts: those of the summary, then those of the errors.
        blocks: JSON by the id of its script element.
        notes: sentences below the summary.
    """
    return render(
        "report.html.j2",
        ["report.js", "splitter.js"],
        blocks,
        title=title,
        summary=summary,
        evaluation=summary.evaluation,
        classes=_classes(summary, matches),
        charts=charts,
        notes=notes,
    )


def render(template: str, scripts: Collection[str], blocks: Mapping[str, Any], **values: Any) -> str:
    """A page from one of the templates in ``static``.

    Args:
        template: its file name.
        scripts: the modules that the page runs, by file name.
        blocks: JSON by the id of its script element.
        **values: of the template.
    """
    from jinja2 import DictLoader, Environment  # this import and the next are slow
    from plotly.offline import get_plotlyjs

    folders = (files("rcl.web") / "static", files("rcl.web.report") / "static")
    texts = {file.name: file.read_text(encoding="utf-8") for folder in folders for file in folder.iterdir()}
    environment = Environment(loader=DictLoader(texts), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.1f}"
    environment.filters["points"] = lambda value: "–" if value is None else f"{100 * value:+.1f}".replace("-", "−")
    return environment.get_template(template).render(
        css=[texts[name] for name in ("report.css", "print.css", "names.css", "timeline.css")],
        script=bundle({name: text for name, text in texts.items() if name.endswith(".js")}, scripts),
        plotly=get_plotlyjs(),
        blocks={key: to_block(data) for key, data in blocks.items()},
        **values,
    )


def _classes(summary: Summary, matches: Matches) -> list[dict[str, Any]]:
    """The rows of the table of classes."""
    evaluation = summary.evaluation
    if evaluation is None:
        return []
    truths, found = (
        np.bincount(np.concatenate(parts), minlength=len(matches.labels))
        for parts in zip(*((v.truth_labels, v.labels) for v in matches.videos), strict=True)
    )
    return [
        {
            "label": label or "(any action)",
            "truths": int(truths[index]),
            "detections": int(found[index]),
            "ap": evaluation.ap[:, index].tolist(),
            "average": float(evaluation.ap[:, index].mean()),
        }
        for index, label in enumerate(evaluation.labels)
    ]
