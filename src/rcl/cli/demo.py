"""``rcl demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rcl.cli.console import note, quiet_lightning
from rcl.cli.options import Overwrite

VIDEOS, HELD_OUT = 32, 8


def demo(
    output: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same result.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Render videos, then train and evaluate a detector; a minute and a half on two cores."""
    from rcl.cli.fit_output import FitPrinter, exit_if_unused, print_fit
    from rcl.cli.outputs import check_demo, mark_demo
    from rcl.cli.progress import progress_bar
    from rcl.data.formats.subtitles import MIN_SCORE, save_subtitles
    from rcl.system.device import usable_cores
    from rcl.training import fit as training
    from rcl.training.choices import hold_out
    from rcl.video.synthetic import rendering

    quiet_lightning()
    check_demo(output, overwrite=overwrite)
    mark_demo(output)
    folder, labels = output / "videos", output / "labels.csv"
    note(f"Rendering {VIDEOS} videos of a drawn figure, {HELD_OUT} of them held out ...")
    with progress_bar("Rendering", VIDEOS) as advance:
        rendered = rendering.render_videos(folder, count=VIDEOS, seed=seed, progress=advance)
    held_out = list(rendered.videos)[-HELD_OUT:]
    rendering.write_labels(hold_out(rendered, held_out), labels)
    mark_demo(output)
    result = training.fit(
        folder, labels, output / "run", seed=seed, overwrite=True, workers=usable_cores(), observer=FitPrinter()
    )
    print_fit(result)
    print(f"labels      {labels}")
    assert result.detections is not None  # the labels hold videos out
    for name in held_out:  # next to the videos, where players look for subtitles
        others = set(result.detections.videos) - {name}
        save_subtitles(result.detections.without(others), folder / f"{name}.srt", min_score=MIN_SCORE)
    print(f"watch       {folder / held_out[0]}.mp4 (players show the detections from the .srt file next to it)")
    exit_if_unused(result)
