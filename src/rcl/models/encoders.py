"""What an encoder is, and the encoders by name.

An encoder is one class in one file. It registers its name where it is defined, and the keyword arguments of its
constructor, with their types and defaults, are its options in the configuration::

    class MyEncoder(Encoder, name="mine"):
        def __init__(self, in_channels: int, *, channels: PositiveInt = 64) -> None: ...

An encoder outside this package needs no name: ``model.encoder.name: my_package.my_module:MyEncoder``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from rcl.models.alignment import Alignment, Convention, SegmentAlignment
from rcl.models.encoding import Encoding
from rcl.system.errors import Defect, InputError
from rcl.system.plugins import import_class, is_class_name


class Encoder(nn.Module):
    """Turns snippet features into an encoding that a head looks segments up in.

    A subclass takes ``in_channels``, the width of the snippet features, then its options by keyword. ``channels`` is
    the width of the encoding. ``receptive_field`` is how many snippets one snippet of the encoding depends on; where it
    is ``None``, each depends on the whole video, and long videos cannot be searched in chunks.
    """

    registered: ClassVar[dict[str, type[Encoder]]] = {}

    channels: int
    receptive_field: int | None = None

    def __init_subclass__(cls, *, name: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if name is not None:
            Encoder.registered[name] = cls

    def forward(self, features: Tensor, mask: Tensor) -> Encoding:
        """Encode ``features (B, in_channels, T)`` where ``mask (B, T)`` is true, to ``(B, channels, T)``."""
        raise NotImplementedError

    def alignment(
        self, out_channels: int, *, points: int, subpoints: int, context: float, convention: Convention
    ) -> Alignment:
        """The look-up that suits the encoding; see :class:`rcl.models.alignment.SegmentAlignment`."""
        return SegmentAlignment(
            self.channels, out_channels, points=points, subpoints=subpoints, context=context, convention=convention
        )


def find_encoder(name: str) -> type[Encoder]:
    """The encoder of a registered name, or of ``package.module:Class``.

    Raises:
        Defect: there is no such encoder.
    """
    if is_class_name(name):
        found = import_class(name)
        if not issubclass(found, Encoder):
            expected = "a subclass of rcl.models.encoders.Encoder"
            raise Defect(expected=expected, found=f"the class {name}", fix="inherit from it")
        return found
    if name not in Encoder.registered:
        known = ", ".join(map(repr, sorted(Encoder.registered)))
        fix = "correct the name, or give your own encoder as package.module:Class"
        raise Defect(expected=f"one of {known}", found=repr(name), fix=fix)
    return Encoder.registered[name]


def check_groups(groups: int, *widths: int) -> None:
    """Check that ``groups`` of a convolution divide its widths.

    Raises:
        InputError: they do not.
    """
    if any(width % groups for width in widths):
        expected = f"a divisor of {' and '.join(map(str, widths))}, the channels before and after the convolution"
        raise InputError("model.encoder.groups", expected=expected, found=str(groups), fix="correct the value (1 fits)")
