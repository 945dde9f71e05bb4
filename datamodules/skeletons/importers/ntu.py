"""NTU RGB+D 60 and 120: Kinect v2 bodies of 106 subjects, 120 actions, 3 cameras, 32 set-ups, as .skeleton text.

Papers: Shahroudy et al., CVPR 2016, and Liu et al., TPAMI 2019. The form is that of Matlab/read_skeleton_file.m and the
names of the classes those of the README in https://github.com/shahroudy/NTURGB-D (some spelling mended).
Source: a folder or zip file of SsssCcccPpppRrrrAaaa.skeleton (set-up, camera, performer, replication, action). A file
is lines of text: the number of frames; for each frame the number of bodies; for each body 10 values of which the first
is its tracking id, the number of joints (25), and a line a joint: x y z (metres, y up), 8 values of other pictures and
orientation, tracking state. A joint of state 0 was not tracked and counts as not seen.
A body is followed by its tracking id, in the order in which the bodies appear; `persons=` says which of them stays.
Labels: 60 classes where no action is beyond A060, else 120. Groups: subject, camera, setup, replication.
Splits, all without a validation set: `split=xsub` (the default; the published training subjects), `xview` (cameras 2
and 3 train, 1 tests; of the 60 classes' set), `xset` (even set-ups train; of the 120 classes' set).
A file without a body in any frame gives a clip in which nothing is seen, which `prepare.py` drops and counts. So are
files named by the published lists `*samples_with_missing_skeletons*.txt`, where such a list lies in the source.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import UNLABELLED, Members, Options, Reading
from datamodules.skeletons.importers.labelled import unlabelled_clips, unlabelled_members
from datamodules.skeletons.importers.persons import Persons
from datamodules.skeletons.store_writer import Clip
from schemas.errors import ConfigError, DataError
from schemas.skeleton import Skeleton, load_layout

WHERE = "NTU RGB+D, https://rose1.ntu.edu.sg/dataset/actionRecognition/."
OPTIONS = ("split", "persons")
REMEDY = f"Restore this file from a sound copy, or remove it: {WHERE}"
JOINTS = 25
BODY_FRAMES_LIMIT = 100_000
"""Bodies times frames of a clip; a real one has some 1,000."""
TRAIN_SUBJECTS = {
    *(1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38),
    *(45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86),
    *(89, 91, 92, 93, 94, 95, 97, 98, 100, 103),
}
TRAINS = {
    "xsub": lambda name: name["P"] in TRAIN_SUBJECTS,
    "xview": lambda name: name["C"] in (2, 3),
    "xset": lambda name: name["S"] % 2 == 0,
}
_NAME = re.compile(r"(?:^|/)(S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3}))\.skeleton$")
_MISSING = re.compile(r"samples_with_missing_skeletons\w*\.txt$")

CLASSES = """drink water; eat meal/snack; brushing teeth; brushing hair; drop; pickup; throw; sitting down; standing up
(from sitting position); clapping; reading; writing; tear up paper; wear jacket; take off jacket; wear a shoe; take off
a shoe; wear on glasses; take off glasses; put on a hat/cap; take off a hat/cap; cheer up; hand waving; kicking
something; put something inside pocket / take out something from pocket; hopping (one foot jumping); jump up; make a
phone call/answer phone; playing with phone/tablet; typing on a keyboard; pointing to something with finger; taking a
selfie; check time (from watch); rub two hands together; nod head/bow; shake head; wipe face; salute; put the palms
together; cross hands in front (say stop); sneeze/cough; staggering; falling; touch head (headache); touch chest
(stomachache/heart pain); touch back (backache); touch neck (neckache); nausea or vomiting condition; use a fan (with
hand or paper)/feeling warm; punching/slapping other person; kicking other person; pushing other person; pat on back of
other person; point finger at the other person; hugging other person; giving something to other person; touch other
person's pocket; handshaking; walking towards each other; walking apart from each other; put on headphone; take off
headphone; shoot at the basket; bounce ball; tennis bat swing; juggling table tennis balls; hush (quiet); flick hair;
thumb up; thumb down; make ok sign; make victory sign; staple book; counting money; cutting nails; cutting paper (using
scissors); snapping fingers; open bottle; sniff (smell); squat down; toss a coin; fold paper; ball up paper; play magic
cube; apply cream on face; apply cream on hand back; put on bag; take off bag; put something into a bag; take something
out of a bag; open a box; move heavy objects; shake fist; throw up cap/hat; hands up (both hands); cross arms; arm
circles; arm swings; running on the spot; butt kicks (kick backward); cross toe touch; side kick; yawn; stretch oneself;
blow nose; hit other person with something; wield knife towards other person; knock over other person (hit with body);
grab other person's stuff; shoot at other person with a gun; step on foot; high-five; cheers and drink; carry something
with other person; take a photo of other person; follow other person; whisper in other person's ear; exchange things
with other person; support somebody with one's hand (someone is sick, help him to walk); finger-guessing game (playing
rock-paper-scissors)"""
NAMES = tuple(CLASSES.replace("\n", " ").split("; "))


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    split = options.split or "xsub"
    if split not in TRAINS:
        raise ConfigError(f"{split!r} is no split of NTU RGB+D", where="split", remedy=f"Use {', '.join(TRAINS)}.")
    members = Members(source, rf"{_NAME.pattern}|{_MISSING.pattern}", WHERE)
    lists = [name for name in members.names if _MISSING.search(name)]
    with members.reader() as reader:
        missing = {line.strip() for name in lists for line in reader.read(name).decode("latin-1").splitlines()}
    files = sorted((match[1], name) for name in members.names if (match := _NAME.search(name)))
    _refuse_copies(members, files)
    names = {clip_id: name for clip_id, name in files if clip_id not in missing}
    if not names:
        raise DataError("it holds no .skeleton file that could be a clip", where=source, remedy=REMEDY)
    skipped = {"listed as a missing skeleton": sum(clip_id in missing for clip_id, _ in files)}
    skipped["not named SsssCcccPpppRrrrAaaa.skeleton"] = members.others
    actions = max(_numbers(clip_id, name)["A"] for clip_id, name in files)
    persons = Persons(options.persons, load_layout("ntu25"))
    return Reading(
        layout=persons.skeleton,
        classes=NAMES[: 60 if actions <= 60 else 120],
        total=len(names),
        source={"description": f"NTU RGB+D, split {split}, persons {persons.policy}", "sha256": members.sha256()},
        clips=_clips(members, names, split, persons),
        importer="ntu 1",
        skipped={why: count for why, count in skipped.items() if count},
        left_out=persons.left_out,
    )


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """Every .skeleton file as a clip of no class, whatever it is called; `source` may be one such file.

    Lists of missing skeletons are not read. `split=` is refused: there is nothing that it could choose.
    """
    if options.split is not None:
        raise ConfigError("all clips are predicted, of whatever split", where="split", remedy="Leave split= out.")
    members = unlabelled_members(source, ".skeleton", WHERE)
    persons = Persons(options.persons, load_layout("ntu25"))
    return Reading(
        layout=persons.skeleton,
        classes=(UNLABELLED,),
        total=len(members.names),
        source={"description": f"NTU RGB+D, unlabelled, persons {persons.policy}", "sha256": members.sha256()},
        clips=unlabelled_clips(members, lambda content, where: persons.choose(*read_bodies(content, where))),
        importer="ntu 1",
        left_out=persons.left_out,
    )


def _refuse_copies(members: Members, files: list[tuple[str, str]]) -> None:
    """Raises DataError where two folders hold a file of one name: only one of them can be the clip of that name."""
    for (clip_id, one), (other_id, other) in pairwise(files):
        if clip_id == other_id:
            remedy = "Remove one of the two, or give one of the folders as the source."
            raise DataError(f"{one} and {other} have the same name", where=members.source, remedy=remedy)


def _numbers(clip_id: str, where: str) -> dict[str, int]:
    """Letter -> number of a file's name; raises DataError for an action or camera that the data set does not have."""
    numbers = {letter: int(digits) for letter, digits in zip("SCPRA", re.findall(r"\d{3}", clip_id), strict=True)}
    if not (1 <= numbers["A"] <= len(NAMES) and 1 <= numbers["C"] <= 3):
        what = f"the data set has actions 1 to {len(NAMES)} and cameras 1 to 3"
        raise DataError(what, where=where, remedy="Rename or remove this file.")
    return numbers


def _clips(members: Members, names: dict[str, str], split: str, persons: Persons) -> Iterator[Clip]:
    with members.reader() as reader:
        for clip_id, name in names.items():
            numbers = _numbers(clip_id, reader.where(name))
            joints, visible = read_bodies(reader.read(name), reader.where(name))
            frames, visible = persons.choose(joints, visible)
            yield Clip(
                frames=frames,
                visible=visible,
                label=numbers["A"] - 1,
                id=clip_id,
                split="train" if TRAINS[split](numbers) else "test",
                groups={
                    "subject": f"{numbers['P']:03d}",
                    "camera": f"{numbers['C']}",
                    "setup": f"{numbers['S']:03d}",
                    "replication": f"{numbers['R']}",
                },
            )


class _Lines:
    """A file's lines, taken in turn; errors name the last one taken."""

    def __init__(self, content: bytes, where: str):
        self._lines, self._where, self._at = content.splitlines(), where, 0

    def fail(self, what: str) -> DataError:
        return DataError(what, where=f"{self._where}, line {self._at}", remedy=REMEDY)

    def take(self, values: int) -> list[bytes]:
        """The values of the next line, of which there must be so many."""
        if self._at == len(self._lines):
            raise self.fail("the file ends here, and not all of its frames were read")
        line = self._lines[self._at].split()
        self._at += 1
        if len(line) != values:
            raise self.fail(f"it has {len(line)} values, there must be {values}")
        return line

    def count(self, of: str) -> int:
        """The whole number that is the next line."""
        (value,) = self.take(1)
        if not value.isdigit() or len(value) > 9:
            raise self.fail(f"it is not the number of {of}")
        return int(value)

    def finish(self) -> None:
        if any(line.strip() for line in self._lines[self._at :]):
            raise self.fail("more lines follow than its frames have")


def read_bodies(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """[M, T, 25, 3] metres and [M, T, 25] whether tracked, the bodies in the order in which they appear.

    A file without a body or frame gives one of each, unseen.
    """
    lines = _Lines(content, where)
    frames = lines.count("frames")
    place: dict[bytes, int] = {}
    found: dict[tuple[int, int], np.ndarray] = {}
    for frame in range(frames):
        for _ in range(lines.count("bodies")):
            body = place.setdefault(lines.take(10)[0], len(place))
            if (body, frame) in found:
                raise lines.fail("a body stands twice in this frame")
            if len(place) * frames > BODY_FRAMES_LIMIT:
                raise lines.fail(f"{len(place)} bodies in {frames:,} frames are none that Kinect can have seen")
            found[body, frame] = _joints(lines)
    lines.finish()
    joints = np.zeros((max(len(place), 1), max(frames, 1), JOINTS, 3), dtype=np.float32)
    visible = np.zeros(joints.shape[:3], dtype=bool)
    for at, values in found.items():
        joints[at], visible[at] = values[:, :3], values[:, 3] != 0
    return joints, visible


def _joints(lines: _Lines) -> np.ndarray:
    """[25, 4] x, y, z and tracking state of one body."""
    if lines.count("joints") != JOINTS:
        raise lines.fail(f"it is not {JOINTS}, the number of joints")
    rows = []
    for _ in range(JOINTS):
        x, y, z, *_, state = lines.take(12)
        try:
            rows.append([float(x), float(y), float(z), float(state)])
        except ValueError as error:
            raise lines.fail(f"it is not all numbers ({error})") from error
    with np.errstate(over="ignore"):
        values = np.array(rows, dtype=np.float32)
    if not np.isfinite(values[values[:, 3] != 0]).all():
        raise lines.fail("a joint of the body that ends here is tracked, and no finite number")
    return values
