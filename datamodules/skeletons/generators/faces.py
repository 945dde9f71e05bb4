"""`faces`: the 100 words of `mouths` by 24 speakers, 2 takes each: 4,800 clips of layout face62 and 28 extra channels.

Beside the landmarks every frame has 18 intensities in the manner of facial action units (from 0 to 5, half of them
about brows, cheeks and lids, which say nothing of the word) and 10 measures of the mouth in breadths of the face.
Legend: N clips, F frames of all clips, V = 62 landmarks, C = 3 coordinates, D = 7 mouth numbers, E = 28 extra channels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.skeletons.generators import mouths
from datamodules.skeletons.generators.camera import View, on_grid, seen
from datamodules.skeletons.generators.people import PEOPLE, TAKES, PersonClips, add_person, labels_and_takes, numbers_of
from datamodules.skeletons.generators.timing import Frames, drift, stretches, timing
from datamodules.skeletons.store_writer import new_store

VERSION = 1
PURPOSE = 2
"""Keeps the random streams apart from those of other generated sets."""


@dataclass(frozen=True)
class Design:
    """Every number that makes `faces` easier or harder, frozen: a change is a new VERSION."""

    frames: tuple[int, int] = (24, 48)
    proportions: float = 0.10
    """Sizes of a face lie within this part of the average."""
    pace: tuple[float, float] = (0.8, 1.2)
    """A speaker's frames a viseme, as a factor; a clip varies by 0.85 to 1.15 around it."""
    stroke: tuple[float, float] = (0.42, 0.72)
    skew: float = 0.2
    ease: tuple[float, float] = (0.0, 0.3)
    """See `timing`."""
    uneven: float = 0.4
    """How unlike each other the durations of a word's visemes are (standard deviation of the logarithm)."""
    overlap: float = 0.36
    """Coarticulation: how far a viseme reaches into its neighbours, in visemes (standard deviation)."""
    strength: tuple[float, float] = (0.8, 1.2)
    """How far a speaker opens, spreads and rounds the mouth, as a factor."""
    habit: float = 0.05
    jitter: float = 0.04
    """What a speaker, and the drift of a clip, adds to the mouth numbers (standard deviation)."""
    noise: tuple[float, float] = (0.003, 0.007)
    """Detector noise, standard deviation, a clip's own; half as much again in depth; a face is about 1 wide."""
    lost_frames: float = 0.2
    most_lost_frames: int = 2
    """Chance that some frames in a row have no landmarks at all, and how many."""


DESIGN = Design()
VIEW = View(habit=(8, 6, 3), jitter=(22, 9, 7), sway=2.0, scale=(6.0, 7.5), centre=(0.0, 0.0, 0.1))
ACTION_UNITS = {
    "AU01": {}, "AU02": {}, "AU04": {}, "AU05": {}, "AU06": {"width": 0.4}, "AU07": {}, "AU09": {"upper": 0.4},
    "AU10": {"upper": 1.0}, "AU12": {"width": 1.0}, "AU14": {}, "AU15": {}, "AU17": {"tuck": 0.6, "press": 0.4},
    "AU20": {"width": 0.6, "lower": 0.4}, "AU23": {"protrusion": 1.0}, "AU25": {"lower": 0.6, "jaw": 0.5},
    "AU26": {"jaw": 1.0}, "AU28": {"press": 0.8, "tuck": 0.4}, "AU45": {},
}  # fmt: skip
"""What each intensity is made of; one of nothing only drifts."""
MEASURES = (
    "mouth_width", "mouth_height", "opening", "outer_area", "inner_area", "jaw_drop", "right_corner_to_chin",
    "left_corner_to_chin", "upper_lip", "lower_lip",
)  # fmt: skip
EXTRA = (*ACTION_UNITS, *MEASURES)
"""Names of the extra channels, in order."""
_WEIGHTS = np.array([[parts.get(number, 0.0) for number in mouths.MOUTH] for parts in ACTION_UNITS.values()])


def speaker_clips(speaker: int, seed: int = 0, takes: int = TAKES) -> PersonClips:
    """Every word by one speaker, `takes` times."""
    rng = numbers_of(seed, PURPOSE, speaker)
    face = mouths.FaceProportions.draw(rng, DESIGN.proportions)
    label, take = labels_and_takes(len(mouths.WORDS), takes)
    visemes = np.array([len(word) for word in mouths.WORDS])[label]
    pace = rng.uniform(*DESIGN.pace) * rng.uniform(0.85, 1.15, len(label)) * (16 + 4.5 * visemes)
    frames = Frames(np.clip(np.rint(pace), *DESIGN.frames).astype(np.int64))
    mouth = _spoken(rng, frames, label, visemes)
    points = mouths.landmarks(mouth, face)
    image = seen(rng, frames, points, VIEW)
    noise = rng.uniform(*DESIGN.noise, len(label))[frames.clip, None, None] * np.array((1, 1, 1.5))
    image += noise * rng.standard_normal(image.shape, dtype=np.float32)
    lost = stretches(rng, frames, DESIGN.lost_frames, (0, 0.05), DESIGN.most_lost_frames)
    extra = np.concatenate((_action_units(rng, frames, mouth), _measures(image)), axis=1)
    extra = np.where(lost[:, None], 0, extra)
    visible = np.repeat(~lost[:, None], points.shape[1], axis=1)
    return PersonClips(frames, label, take, points, on_grid(image), visible, on_grid(extra))


def _spoken(rng: np.random.Generator, frames: Frames, label: np.ndarray, visemes: np.ndarray) -> np.ndarray:
    """[F, D] mouth numbers: the word's visemes one after the other, each reaching into its neighbours."""
    when = timing(rng, frames, DESIGN.stroke, DESIGN.skew, DESIGN.ease)
    most, c = max(mouths.WORDS_OF_LENGTH), frames.clip
    word = np.array([list(w) + [0] * (most - len(w)) for w in mouths.WORDS])[label]
    lasts = np.exp(DESIGN.uneven * rng.standard_normal(word.shape)) * (np.arange(most) < visemes[:, None])
    ends = np.cumsum(lasts, axis=1) / lasts.sum(axis=1, keepdims=True)
    middle, long = ends - lasts / lasts.sum(axis=1, keepdims=True) / 2, 1 / visemes[:, None]
    distance = (when.phase[:, None] - middle[c]) / (DESIGN.overlap * long)[c]
    weight = np.exp(-0.5 * np.square(distance)) * (lasts > 0)[c]
    weight /= weight.sum(axis=1, keepdims=True)
    shape = sum(weight[:, i, None] * mouths.SHAPES[word[:, i]][c] for i in range(most))
    shape = shape * rng.uniform(*DESIGN.strength, shape.shape[1]) + DESIGN.habit * rng.standard_normal(shape.shape[1])
    mouth = mouths.RELAXED + when.presence[:, None] * (shape - mouths.RELAXED)
    return mouth + DESIGN.jitter * drift(rng, frames, mouth.shape[1], (6, 40))


def _action_units(rng: np.random.Generator, frames: Frames, mouth: np.ndarray) -> np.ndarray:
    """[F, 18] intensities from 0 to 5."""
    wandering = 0.5 * drift(rng, frames, len(_WEIGHTS), (15, 60)) + 0.1 * rng.standard_normal((len(mouth), 18))
    own = np.where(_WEIGHTS.any(axis=1), 0.3, 1.0)
    strong = sum(3.5 * np.maximum(mouth[:, d, None], 0) * _WEIGHTS[:, d] for d in range(mouth.shape[1]))
    return np.clip(strong + own * wandering, 0, 5)


def _measures(points: np.ndarray) -> np.ndarray:
    """[F, 10] lengths in face breadths, areas in their squares, from landmarks as seen."""
    joint = {name: number for number, name in enumerate(mouths.LAYOUT.joints)}

    def between(one: str, other: str) -> np.ndarray:
        return np.linalg.norm(points[:, joint[one]] - points[:, joint[other]], axis=-1)

    def area(part: str) -> np.ndarray:
        """The shoelace formula in the image; the layout goes down the right side and up the left."""
        x, y = np.moveaxis(points[:, list(mouths.LAYOUT.parts[part]), :2], -1, 0)
        return np.abs((x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)) / 2

    breadth = between("right_jaw_00", "left_jaw_00")
    lengths = (
        between("right_outer_lip_4", "left_outer_lip_4"),
        between("right_outer_lip_0", "right_outer_lip_9"),
        between("right_inner_lip_0", "right_inner_lip_7"),
        area("outer_lip") / breadth,
        area("inner_lip") / breadth,
        between("right_jaw_12", "right_outer_lip_0"),
        between("right_outer_lip_4", "right_jaw_12"),
        between("left_outer_lip_4", "left_jaw_12"),
        between("right_outer_lip_0", "right_inner_lip_0"),
        between("right_outer_lip_9", "right_inner_lip_7"),
    )
    return np.stack(lengths, axis=1) / breadth[:, None]


def write_faces(target: Path, seed: int = 0, speakers: int = PEOPLE, takes: int = TAKES) -> None:
    """Generates `faces` and writes it as the clip store `target`; the same seed gives the same bytes.

    Args:
        seed: another seed is another set of speakers; the words stay the same.
        speakers: fewer than 24 make a smaller set of the same kind, the first of the same people.
        takes: how often each speaker says each word.
    """
    source = {"generator": "faces", "version": VERSION, "seed": seed, "speakers": speakers, "takes": takes}
    source["extra_channels"] = list(EXTRA)
    with new_store(
        target, mouths.LAYOUT, mouths.NAMES, source=source, importer=f"faces {VERSION}", extra=len(EXTRA)
    ) as store:
        for speaker in range(speakers):
            add_person(store, speaker_clips(speaker, seed, takes), "speaker", speaker)
