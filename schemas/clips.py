"""What a classifier of skeleton clips must know of its data."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.skeleton import Skeleton


@dataclass(frozen=True)
class ClipSchema:
    """Handed by the DataModule to the model, so that no config repeats a number of joints or classes."""

    skeleton: Skeleton
    classes: tuple[str, ...]
    """Class names in label order."""
    channels: int
    """C, the numbers a node that reach the net: coordinates, derived features and extra channels together."""

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def to_dict(self) -> dict:
        """Plain values only: fit for JSON and for a `weights_only` checkpoint."""
        return {"skeleton": self.skeleton.to_dict(), "classes": list(self.classes), "channels": self.channels}

    @classmethod
    def from_dict(cls, plain: Mapping) -> "ClipSchema":
        return cls(Skeleton.from_dict(plain["skeleton"]), tuple(plain["classes"]), int(plain["channels"]))
