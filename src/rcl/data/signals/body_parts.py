"""Names of body parts by their number, for the skeletons of common networks. Names are the same in all of them."""

from __future__ import annotations

_SIDES = ("left", "right")
_COCO = (
    "nose",
    *(f"{side}_{part}" for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
      for side in _SIDES),
)  # fmt: skip
_ARMS = tuple(f"{side}_{part}" for side in ("right", "left") for part in ("shoulder", "elbow", "wrist"))
_LEGS = tuple(f"{side}_{part}" for side in ("right", "left") for part in ("hip", "knee", "ankle"))
_FACE = ("right_eye", "left_eye", "right_ear", "left_ear")
_FEET = tuple(f"{side}_{part}" for side in _SIDES for part in ("big_toe", "small_toe", "heel"))
_FINGERS = ("index", "middle", "ring", "pinky")

HAND = (
    "wrist",
    *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    *(f"{finger}_{joint}" for finger in _FINGERS for joint in ("mcp", "pip", "dip", "tip")),
)
"""The 21 points of a hand, of MediaPipe and OpenPose."""

_SKELETONS = {
    17: _COCO,
    18: ("nose", "neck", *_ARMS, *_LEGS, *_FACE),  # OpenPose, model COCO
    21: HAND,
    25: ("nose", "neck", *_ARMS, "mid_hip", *_LEGS, *_FACE, *_FEET),  # OpenPose, model BODY_25
    26: (*_COCO, "head", "neck", "mid_hip", *(f"{side}_{part}" for part in ("big_toe", "small_toe", "heel")
                                              for side in _SIDES)),  # Halpe
    33: (  # MediaPipe
        "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
        "left_ear", "right_ear", "mouth_left", "mouth_right",
        *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle",
                                        "heel", "foot_index") for side in _SIDES),
    ),
}  # fmt: skip


def part_names(count: int) -> tuple[str, ...]:
    """The names of the body parts of the skeleton with so many; ``point1`` and so on of an unknown one.

    >>> part_names(17)[5], part_names(25)[8], part_names(33)[32], part_names(2)
    ('left_shoulder', 'mid_hip', 'right_foot_index', ('point1', 'point2'))
    """
    return _SKELETONS.get(count) or tuple(f"point{number}" for number in range(1, count + 1))
