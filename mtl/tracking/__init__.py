"""Following a vessel through a video, one picture at a time.

    from mtl.tracking import ChallengeWatch, Tracker

    tracker = Tracker.open("runs/NAME", conditions=True)  # a run folder or a model file
    watch = ChallengeWatch()

    tracker.init(first_frame, [x, y, w, h])  # (H, W, 3) uint8 RGB, box in pixels
    for number, frame in enumerate(frames, start=1):
        result = tracker.update(frame)
        print(result.box_xywh, result.score)
        for event in watch.update(number, result.conditions):
            print(event.frame, event.name, "sets in" if event.entered else "has passed")

`TrackerBatch` follows several sequences in one pass of the network, each under a name:

    batch = TrackerBatch.open("runs/NAME")
    batch.init("bow", bow_frame, bow_box)
    batch.init("stern", stern_frame, stern_box)
    results = batch.update({"bow": next_bow_frame, "stern": next_stern_frame})

A model that is no finished run is given with its config and device:
`Tracker(model, config.model, device)`.
"""

from mtl.tracking.batch import TrackerBatch
from mtl.tracking.challenges import ChallengeEvent, ChallengeWatch
from mtl.tracking.step import TrackResult
from mtl.tracking.tracker import Tracker

__all__ = ["ChallengeEvent", "ChallengeWatch", "TrackResult", "Tracker", "TrackerBatch"]
