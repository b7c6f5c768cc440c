"""Parameter names of BMN and G-TAD in public implementations: ours → theirs.

``BMN``: JJBOY's code and MMAction2; ``OPENTAD_BMN``: OpenTAD; ``GTAD``: the code of its authors.
"""

from __future__ import annotations


def _parameters(*layers: tuple[str, str]) -> dict[str, str]:
    """The names of the weights and biases of layers, ours → theirs."""
    return {f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in layers for kind in ("weight", "bias")}


BMN = _parameters(
    ("encoder.base.0", "x_1d_b.0"),
    ("encoder.base.2", "x_1d_b.2"),
    ("encoder.start.0", "x_1d_s.0"),
    ("encoder.start.2", "x_1d_s.2"),
    ("encoder.end.0", "x_1d_e.0"),
    ("encoder.end.2", "x_1d_e.2"),
    ("encoder.proposal.0", "x_1d_p.0"),
    ("alignment", "x_3d_p.0"),
    ("head.cell", "x_2d_p.0"),
    ("head.convolutions.0", "x_2d_p.2"),
    ("head.convolutions.1", "x_2d_p.4"),
    ("head.scores", "x_2d_p.6"),
)
OPENTAD_BMN = _parameters(
    ("encoder.base.0", "projection.convs.0.conv"),
    ("encoder.base.2", "projection.convs.1.conv"),
    ("encoder.start.0", "rpn_head.tem.0.0.conv"),
    ("encoder.start.2", "rpn_head.tem.0.1.conv"),
    ("encoder.end.0", "rpn_head.tem.1.0.conv"),
    ("encoder.end.2", "rpn_head.tem.1.1.conv"),
    ("encoder.proposal.0", "roi_head.proposal_roi_extractor.reduce_dim.0"),
    ("alignment", "roi_head.proposal_roi_extractor.conv3d.0"),
    ("head.cell", "roi_head.proposal_roi_extractor.conv2d.0"),
    ("head.convolutions.0", "roi_head.proposal_head.head.0.0"),
    ("head.convolutions.1", "roi_head.proposal_head.head.1.0"),
    ("head.scores", "roi_head.proposal_head.head.2"),
)
_GCNEXT = (
    ("temporal.0", "tconvs.0"),
    ("temporal.2", "tconvs.2"),
    ("temporal.4", "tconvs.4"),
    ("edges", "sconvs.0"),
    ("semantic.1", "sconvs.2"),
    ("semantic.3", "sconvs.4"),
)
GTAD = _parameters(
    ("encoder.embed", "backbone1.0"),
    *(
        (f"encoder.{ours}.{layer}", f"{theirs}.{public}")
        for ours, theirs in (
            ("base", "backbone1.2"),
            ("start", "regu_s.0"),
            ("end", "regu_e.0"),
            ("final", "backbone2.0"),
        )
        for layer, public in _GCNEXT
    ),
    ("encoder.start_logit", "regu_s.1"),
    ("encoder.end_logit", "regu_e.1"),
    ("alignment", "localization.0"),
    ("head.cell", "localization.2"),
    ("head.convolutions.0", "localization.4"),
    ("head.convolutions.1", "localization.6"),
    ("head.scores", "localization.8"),
)
