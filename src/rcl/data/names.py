"""Names of videos and labels: which name in one file means which in another."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote

from rcl.system.errors import InputError, counted, listed

# fmt: off
VIDEO_EXTENSIONS = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".m2v", ".ts", ".mts",
    ".m2ts", ".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".ogv", ".vob", ".mxf", ".divx",
    ".rm", ".rmvb", ".h264", ".264", ".h265", ".265", ".hevc",
    ".h266", ".266", ".mjpeg", ".mjpg", ".obu", ".y4m", ".gif",
)
# fmt: on
"""Extensions of video files; a name that ends in one of them is the name of a file."""
AUDIO_EXTENSIONS = (".wav", ".mp3", ".m4a", ".flac", ".ogg", ".aac")
"""Extensions of files of sound, by which tools label videos."""
SIGNAL_EXTENSIONS = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".h5", ".hdf5", ".json")
"""Extensions of recordings of sensors and of pose tracks, which other files have as well."""
_MEDIA_EXTENSIONS = (*VIDEO_EXTENSIONS, *AUDIO_EXTENSIONS, *SIGNAL_EXTENSIONS)


def plain_name(name: str) -> str:
    r"""A name as one machine would write it: composed Unicode, ``/`` between folders, no blanks around it.

    A Mac writes an accented letter as two characters (NFD), most other systems as one (NFC).

    >>> plain_name(".\\cam1\\cafe\u0301.mp4 ")
    'cam1/café.mp4'
    """
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").strip().split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def without_extension(name: str) -> str:
    """A name without the extension of a recording, if it has one.

    >>> without_extension("cam1/001.MP4"), without_extension("take 1.5")
    ('cam1/001', 'take 1.5')
    """
    stem, dot, extension = name.rpartition(".")
    is_file = bool(stem) and not stem.endswith("/") and f"{dot}{extension}".lower() in _MEDIA_EXTENSIONS
    return stem if is_file else name


@dataclass(frozen=True)
class NameMatch:
    """Names of one file, and the names that they mean in another.

    Args:
        pairs: given name to known name.
        missing: given names that mean no known one, with those of ``ambiguous``.
        ambiguous: given name to the known names that it could mean.
        unused: known names that no given name means.
    """

    pairs: Mapping[str, str]
    missing: tuple[str, ...] = ()
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @cached_property
    def doubled(self) -> Mapping[str, tuple[str, ...]]:
        """Known name to the several given names that mean it."""
        owners = defaultdict[str, list[str]](list)
        for given, known in self.pairs.items():
            owners[known].append(given)
        return {known: tuple(names) for known, names in owners.items() if len(names) > 1}

    @cached_property
    def similar(self) -> Mapping[str, str]:
        """Missing name to an unused one that differs in case, blanks and punctuation alone: a proposal."""
        keys = {_loose(name): name for name in reversed(self.unused)}
        found = {name: keys.get(_loose(name)) for name in self.missing if name not in self.ambiguous}
        return {name: other for name, other in found.items() if other is not None}

    def describe_missing(self, limit: int = 5) -> str:
        """The missing names, each with what it might mean: ``'Clip' (did you mean 'clip'?), 'b'``."""
        return listed([self._described(name) for name in self.missing], limit)

    def _described(self, name: str) -> str:
        if name in self.ambiguous:
            return f"{name!r} (it could be {listed([repr(other) for other in self.ambiguous[name]], 2)})"
        return f"{name!r} (did you mean {self.similar[name]!r}?)" if name in self.similar else repr(name)


def match_names(given: Iterable[str], known: Iterable[str]) -> NameMatch:
    r"""Find the known name that each given name means.

    The first rule that finds a name decides: the same name; the same but for Unicode normalization and the direction
    of slashes; without the extension of the file; without leading folders, which either of the two may lack; without
    the prefix ``v_``, which only some files of ActivityNet have. A name that could mean several known ones means none.
    Letter case and blanks never count as equal: :attr:`NameMatch.similar` proposes those.

    >>> match_names(["clip.mp4", "cam1\\001"], ["clip", "videos/cam1/001.avi", "videos/cam2/001.avi"]).pairs
    {'clip.mp4': 'clip', 'cam1\\001': 'videos/cam1/001.avi'}
    >>> match_names(["001"], ["cam1/001", "cam2/001"]).ambiguous
    {'001': ('cam1/001', 'cam2/001')}
    """
    given, known = list(dict.fromkeys(given)), list(dict.fromkeys(known))
    same = set(known)
    pairs = {name: name for name in given if name in same}
    ambiguous = dict[str, tuple[str, ...]]()
    left = [name for name in given if name not in same]
    if left:
        index = NameIndex(known)
        for name in left:
            found = index.find(name)
            if len(found) == 1:
                pairs[name] = found[0]
            elif found:
                ambiguous[name] = tuple(found)
        pairs = {name: pairs[name] for name in given if name in pairs}
    used = set(pairs.values())
    return NameMatch(
        pairs,
        tuple(name for name in given if name not in pairs),
        ambiguous,
        tuple(name for name in known if name not in used),
    )


class NameIndex:
    """Known names by everything that may be written in their place; see :func:`match_names`."""

    def __init__(self, known: Iterable[str]) -> None:
        self.plain, self.stems = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        self.tails, self.bare = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        for name in known:
            plain = plain_name(name)
            stem = without_extension(plain)
            self.plain[plain].append(name)
            self.stems[stem].append(name)
            for tail in _tails(stem)[1:]:
                self.tails[tail].append(name)
            self.bare[_bare(stem)].append(name)

    def find(self, name: str) -> list[str]:
        """The known names that a name could mean by the first rule that finds one; the extension decides between
        ``clip.mp4`` and ``clip.avi``."""
        plain = plain_name(name)
        stem = without_extension(plain)
        tails = _tails(stem)
        candidates = (
            self.plain.get(plain),
            self.stems.get(stem),
            self.tails.get(stem),  # the known name has more folders
            next((self.stems[tail] for tail in tails[1:] if tail in self.stems), None),  # the given name has more
            self.bare.get(_bare(stem)),
        )
        found = next((found for found in candidates if found), [])
        if len(found) < 2:
            return found
        file = plain.rpartition("/")[2]
        return [name for name in found if plain_name(name).rpartition("/")[2] == file] or found


def _tails(stem: str) -> list[str]:
    """``a/b/c``, ``b/c`` and ``c``."""
    parts = stem.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]


def _bare(stem: str) -> str:
    folder, slash, name = stem.rpartition("/")
    return f"{folder}{slash}{name.removeprefix('v_')}"


def _loose(name: str) -> str:
    """What is left of a name without folders, letter case, blanks, punctuation, and the zeros before a number, which
    spreadsheets drop; ``%20`` is a blank."""
    stem = without_extension(plain_name(unquote(name))).rpartition("/")[2]
    letters = re.sub(r"(?<!\d)0+(?=\d)", "", unicodedata.normalize("NFKC", stem).casefold())
    return "".join(letter for letter in letters if letter.isalnum()) or letters


# -- names of one file -------------------------------------------------------------------------------------------


def named_twice(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two names that mean one video by the strict rules, without a guess.

    They are equal but for Unicode normalization, slashes, blanks around them, and an extension that one of them lacks.
    Two extensions are two files.

    >>> named_twice(["b.mp4", "a", "a.mp4"]), named_twice(["a.mp4", "a.avi", "cam1/a"])
    (('a', 'a.mp4'), None)
    """
    owners = dict[str, str]()
    for name in names:
        other = owners.setdefault(plain_name(name), name)
        if other != name:
            return other, name
    for plain, name in owners.items():
        stem = without_extension(plain)
        # With a.mp4.mkv next to it, a.mp4 is a file, too.
        if stem != plain and stem in owners and without_extension(stem) == stem:
            return owners[stem], name
    return None


def check_named_once(names: Iterable[str], where: object) -> None:
    """Check that every video of a file has one name there; see :func:`named_twice`.

    Raises:
        InputError: two names mean one video.
    """
    if pair := named_twice(names):
        expected, found = f"one name for the video {pair[0]!r}", " and ".join(map(repr, pair))
        fix = "write its name the same everywhere; if these are two files, give both their extensions"
        raise InputError(where, expected=expected, found=found, fix=fix)


def similar_videos(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that may be meant to be one video: they differ in case, in blanks, ``_`` and ``-``, in the prefix
    ``v_``, or in folders that one of them lacks.

    >>> similar_videos(["clip", "CLIP ", "cam1/clip", "cam2/001", "cam1/001", "v_Clip"])
    [('clip', 'CLIP '), ('clip', 'v_Clip'), ('clip', 'cam1/clip')]
    """
    owners, pairs, keys = dict[str, str](), list[tuple[str, str]](), dict[str, str]()
    for name in names:
        keys[name] = _bare(re.sub(r"[\s_-]+", "_", without_extension(plain_name(unquote(name))).casefold()))
        other = owners.setdefault(keys[name], name)
        if other != name:
            pairs.append((other, name))
    for name, key in keys.items():
        tail = next((tail for tail in _tails(key)[1:] if tail in owners), None)
        if tail is not None:
            pairs.append((owners[tail], name))
    return [pair for pair in pairs if len({_extension(name) for name in pair} - {""}) < 2]


def _extension(name: str) -> str:
    plain = plain_name(name)
    return plain[len(without_extension(plain)) :].casefold()


# -- labels ------------------------------------------------------------------------------------------------------


def similar_labels(
    labels: Iterable[str], *, slips: bool = True, counts: Mapping[str, int] | None = None
) -> list[tuple[str, str]]:
    """Pairs of labels that may be meant to be one: they differ in case, blanks, punctuation or, as slips, one letter.

    Two that have many instances by ``counts`` are no slips: ``Curling`` and ``Hurling``.

    >>> similar_labels(["walk", "wlak", "Walk ", "run", "jump1", "jump2"])
    [('Walk ', 'walk'), ('Walk ', 'wlak'), ('walk', 'wlak')]
    """
    names = sorted(set(labels))
    loose = [_loose_label(name) for name in names]
    usual = {name for name, count in (counts or {}).items() if count >= 20}
    return [
        (first, second)
        for i, first in enumerate(names)
        for j, second in enumerate(names[i + 1 :], i + 1)
        if loose[i] == loose[j] or (slips and not {first, second} <= usual and _is_slip(loose[i], loose[j]))
    ]


def _loose_label(label: str) -> str:
    letters = unicodedata.normalize("NFKC", label).casefold()
    plain = "".join(letter for letter in letters if letter.isalnum())
    return letters.strip() if not plain or plain.isdigit() else plain  # -1 is not 1


def _is_slip(first: str, second: str) -> bool:
    """Whether two words differ by one letter: another, a missing one, or two in the wrong order. Digits count as
    meant, and in words of three letters every letter does."""
    first, second = sorted((first, second), key=len)
    if len(first) < 4 or len(second) - len(first) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
    rest, other = first[start:], second[start:]
    if not (rest + other).isalpha() and any(letter.isdigit() for letter in (rest[:1] + other[:1])):
        return False
    if len(first) < len(second):
        return rest == other[1:]
    return rest[1:] == other[1:] or (rest[:2] == other[:2][::-1] and rest[2:] == other[2:])


def describe_similar(pairs: Iterable[tuple[str, str]], counts: Mapping[str, int]) -> str:
    """Similar labels with their numbers of instances: ``'walk' (12) and 'wlak' (1)``."""
    return listed([f"{a!r} ({counts.get(a, 0)}) and {b!r} ({counts.get(b, 0)})" for a, b in pairs])


def share_with(found: int, total: int, what: str) -> str:
    """How many of the videos have something: ``12 of 20 videos have detections``, ``1 of 3 videos has a file``."""
    return f"{found:,} of {counted(total, 'video')} {'has' if found == 1 else 'have'} {what}"
