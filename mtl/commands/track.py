"""`mtl track`: follow one target through a video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mtl.commands.command import Commands

if TYPE_CHECKING:
    import torch

    from mtl.tracking.video.stop import StopRequest

EXAMPLES = """\
examples:
  mtl track harbour.mp4 --model runs/NAME --box 120,80,60,40
  mtl track frames/ --model runs/NAME --box 120,80,60,40 --conditions --out tracked/
  mtl track rtsp://HOST/STREAM --model runs/NAME --max-frames 1500 --json > harbour.jsonl

writes into --out, where NAME is that of the video:
  NAME.mp4             frames with box, score and conditions
  NAME_001.txt         boxes x,y,w,h in pixels, one line a frame (GOT-10k toolkit)
  NAME_time.txt        seconds in the tracker; 0 for a broken frame
  NAME_score.txt       score of each box; nan for the first, which was given, and broken frames
  NAME_conditions.csv  with --conditions: probabilities, one line a frame
  NAME_events.csv      with --conditions: where a condition set in and where it had passed
  NAME.json            counts, speeds, broken frames

A frame that cannot be read keeps the box before it, and tracking goes on. Ctrl-C ends a run with
everything written (exit status 130).
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "track",
        help="follow a target through a video, and write boxes and a captioned video",
        description="Follow one target through a video.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "video",
        metavar="VIDEO|FOLDER|URL|CAMERA",
        help="video file, folder of pictures, rtsp:// or other URL, or number of a camera",
    )
    parser.add_argument(
        "--model", required=True, metavar="RUN|FILE", help="run folder or model file"
    )
    parser.add_argument(
        "--box",
        metavar="X,Y,W,H",
        help="the target in the first frame, in pixels; without it, draw it in a window",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("tracked"),
        metavar="DIR",
        help="folder for the files (default: ./%(default)s)",
    )
    parser.add_argument(
        "--conditions", action="store_true", help="ask the model's condition head about each frame"
    )
    parser.add_argument("--no-video", action="store_true", help="write no captioned video")
    parser.add_argument("--max-frames", type=int, metavar="N", help="stop after so many")
    parser.add_argument(
        "--json", action="store_true", help="a JSON object a frame on stdout, then a summary"
    )
    parser.add_argument("--device", help="cpu or cuda (default: cuda if there is one)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run it."""
    from mtl.tracking.video.stop import StopRequest

    with StopRequest() as stop:
        _track(options, stop)
    if stop.status is not None:
        raise SystemExit(stop.status)


def _track(options: argparse.Namespace, stop: StopRequest) -> None:
    import sys
    from contextlib import closing
    from itertools import chain, islice

    from rich.console import Console

    from mtl.config.schema import DataConfig
    from mtl.errors import ConfigError
    from mtl.report.captions import draw_captioned
    from mtl.tracking import Tracker
    from mtl.tracking.challenges import ChallengeWatch
    from mtl.tracking.video.box import parse_box, pick_box
    from mtl.tracking.video.captioned import CaptionedVideo
    from mtl.tracking.video.follow import follow
    from mtl.tracking.video.open import open_source
    from mtl.tracking.video.record import Sink, record
    from mtl.tracking.video.reporting import ForMachines, ForPeople, summary_lines
    from mtl.tracking.video.result_files import OutputPaths, ResultFiles
    from mtl.tracking.video.source import opening
    from mtl.tracking.video.stream import without_password
    from mtl.tracking.video.summary import Summary

    if options.max_frames is not None and options.max_frames < 2:
        raise ConfigError(f"--max-frames must be at least 2, got {options.max_frames}.")
    box_xywh = None if options.box is None else parse_box(options.box)
    device = _device(options.device)
    with closing(open_source(options.video, DataConfig().max_pixels, stop.wanted)) as source:
        paths = OutputPaths(options.out, source.name)
        paths.require_new()
        tracker = Tracker.open(options.model, device, options.conditions)
        head = tracker.step.condition_head
        names = None if head is None else head.names
        shown = without_password(options.video)
        image, frames = opening(source.frames(), shown)
        if box_xywh is None:
            box_xywh = pick_box(image)
        watch = None if names is None else ChallengeWatch()
        steps = follow(tracker, islice(frames, options.max_frames), box_xywh, watch)
        first = next(steps)  # where the box fits, before there are files
        paths.make_folder()
        sinks: list[Sink] = [ResultFiles(paths, names)]
        summary = Summary(source=shown, model=options.model)
        if not options.no_video:
            video = CaptionedVideo(paths.video, source.rate, draw_captioned, names is not None)
            summary.encoder = video.writer.encoder
            sinks.append(video)
        counts = [n for n in (source.num_frames, options.max_frames) if n is not None]
        console = Console(stderr=options.json, highlight=False, soft_wrap=True)
        sinks.append(ForPeople(console, min(counts, default=None)))
        machine = ForMachines(sys.stdout) if options.json else None
        if machine is not None:
            sinks.append(machine)
        try:
            record(chain([first], steps), sinks, summary, source, stop.wanted)
        finally:
            paths.write_summary(summary.as_dict())
            for line in [*summary_lines(summary), *paths.lines()]:
                console.print(line, markup=False)
            if machine is not None:
                machine.finish(summary)


def _device(name: str | None) -> torch.device:
    import torch

    from mtl.errors import ConfigError

    has_gpu = torch.cuda.is_available()
    name = name or ("cuda" if has_gpu else "cpu")
    if name not in ("cpu", "cuda") or (name == "cuda" and not has_gpu):
        raise ConfigError(f"--device must be cpu, or cuda where torch sees a GPU, got '{name}'.")
    return torch.device(name)
