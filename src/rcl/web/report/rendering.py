"""The page as HTML: the template with its data, styles and scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from importlib.resources import files
from typing import Any

import numpy as np

from rcl.web.report.charts import Chart
from rcl.web.report.matches import Matches
from rcl.web.report.page_data import to_block
from rcl.web.report.summary import Summary

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)


def bundle(modules: Mapping[str, str]) -> str:
    """Join JavaScript modules into one script, because a page opened from disk cannot import others.

    Each module comes after those that it imports. All share one scope, so a name may be declared in one of them only.

    Args:
        modules: source by file name; they import each other by ``import {NAME, ...} from "./FILE.js";``.

    Raises:
        graphlib.CycleError: modules import each other in a circle.
    """
    order = TopologicalSorter({name: _IMPORT.findall(source) for name, source in modules.items()}).static_order()
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
    from jinja2 import Environment  # this import and the next are slow
    from plotly.offline import get_plotlyjs

    folders = (files("rcl.web") / "static", files("rcl.web.report") / "static")
    texts = {file.name: file.read_text(encoding="utf-8") for folder in folders for file in folder.iterdir()}
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.1f}"
    return environment.from_string(texts["report.html.j2"]).render(
        title=title,
        summary=summary,
        evaluation=summary.evaluation,
        classes=_classes(summary, matches),
        charts=charts,
        notes=notes,
        css=[texts[name] for name in ("report.css", "print.css", "names.css", "timeline.css")],
        script=bundle({name: text for name, text in sorted(texts.items()) if name.endswith(".js")}),
        plotly=get_plotlyjs(),
        blocks={key: to_block(data) for key, data in blocks.items()},
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
