"""What an event predictor must know of its data: the fields of an event, and the streams of past events it may read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from schemas.errors import ConfigError

PAD, UNK = 0, 1
OTHER = "(other)"
"""The name of the value that stands for all beyond an id field's cap."""
MISSING = "(missing)"
"""The name of the value of an empty cell."""
GROUPS_LIMIT = 256
"""Values of a field whose every group a stream reads."""
TIME_KINDS = ("month", "day", "weekday", "hour", "minute", "gap")
KINDS = ("id", "category", *TIME_KINDS)
ROLES = ("dynamic", "static")


@dataclass(frozen=True)
class EventField:
    """One categorical field: value 0 is PAD, 1 is UNK, and `values[i]` is the name of value i + 2."""

    name: str
    values: tuple[str, ...]
    kind: str
    """`id`, `category`, or what it is derived from time as: month, day, weekday, hour, minute, gap (a bin)."""
    role: str
    """`dynamic`: predicted; `static`: context only."""
    known_later: bool = False
    """Whether other sequences' events show UNK here until a moment of their own."""

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ConfigError(
                f"{self.kind!r} is no kind of field", where=self.name, remedy=f"Kinds: {', '.join(KINDS)}."
            )
        if self.role not in ROLES:
            raise ConfigError(f"{self.role!r} is no role", where=self.name, remedy="A field is dynamic or static.")

    @property
    def size(self) -> int:
        """Values with PAD and UNK: the rows of an embedding table."""
        return len(self.values) + 2

    @property
    def cardinality(self) -> int:
        """V: values with UNK, without PAD, which is never predicted."""
        return len(self.values) + 1

    def name_of(self, value: int) -> str:
        """What a person calls value number `value`."""
        return ("(pad)", "(unknown)")[value] if value < 2 else self.values[value - 2]

    def value_of(self, name: str) -> int:
        """The number of the value of that name, UNK's included; raises ConfigError for one that is not there."""
        if name == self.name_of(UNK):
            return UNK
        if name not in self.values:
            some = ", ".join(self.values[:10]) + (", ..." if len(self.values) > 10 else "")
            raise ConfigError(f"the field has no value {name!r}", where=self.name, remedy=f"Values: {some}.")
        return self.values.index(name) + 2


@dataclass(frozen=True)
class Stream:
    """Past events grouped by the value of one field; a group is the history of one value."""

    name: str
    key: str | None
    """The field; None: the sequence itself (its own earlier events)."""
    groups: str = "context"
    """`context`: one group, the value that the field had at the cut-off event; `all`: every value of a small field."""

    def __post_init__(self):
        where = f"datamodule.streams.{self.name}.groups"
        if self.groups not in ("context", "all"):
            raise ConfigError(f"{self.groups!r} is neither context nor all", where=where)
        if self.key is None and self.groups == "all":
            raise ConfigError("a stream of the own sequence has one group", where=where, remedy="Leave groups out.")


@dataclass(frozen=True)
class EventSchema:
    """Handed by the DataModule to the model, so that no config repeats a cardinality, a length or a stream.

    Legend: F fields, D dynamic fields, S streams, R rows (every group of every stream).
    """

    fields: tuple[EventField, ...]
    streams: tuple[Stream, ...]
    src_seq_len: int
    """L, the latest events that a group keeps."""
    tgt_seq_len: int
    """T, the events that the decoder reads."""
    context_at: str
    """`window`: sources end at the window's first input event (C = 1); `event`: at every input event (C = T)."""
    gap_field: str | None = None
    """The field that bins the time since the previous event, if there is one."""
    typical_gaps: tuple[float, ...] = ()
    """[size of gap_field] or [1]: mean log(1 + seconds) of the gap at each of its values in training, for events that
    are generated and have no time of their own."""

    @cached_property
    def dynamic(self) -> tuple[int, ...]:
        """[D] numbers of the fields that are predicted, in field order."""
        return tuple(number for number, field in enumerate(self.fields) if field.role == "dynamic")

    @cached_property
    def dynamic_names(self) -> tuple[str, ...]:
        return tuple(self.fields[number].name for number in self.dynamic)

    @cached_property
    def row_streams(self) -> tuple[int, ...]:
        """[R] the stream of every source row; rows of one stream lie together, in the order of its values."""
        rows: list[int] = []
        for number, stream in enumerate(self.streams):
            groups = 1 if stream.groups == "context" else self.field(stream.key).cardinality
            if groups > GROUPS_LIMIT:
                raise ConfigError(
                    f"{groups:,} groups are too many to read them all",
                    where=f"datamodule.streams.{stream.name}.groups",
                    remedy=f"Use groups: context, or a field of {GROUPS_LIMIT} values at most.",
                )
            rows += [number] * groups
        return tuple(rows)

    def number(self, name: str) -> int:
        """The number of the field of that name; raises ConfigError for one that is not there."""
        for number, field in enumerate(self.fields):
            if field.name == name:
                return number
        known = ", ".join(field.name for field in self.fields)
        raise ConfigError(f"there is no field {name!r}", where="datamodule.fields", remedy=f"Fields: {known}.")

    def field(self, name: str) -> EventField:
        return self.fields[self.number(name)]

    def to_dict(self) -> dict:
        """Plain values only: fit for JSON and for a `weights_only` checkpoint."""
        plain = asdict(self)
        return plain | {
            "fields": [{**field, "values": list(field["values"])} for field in plain["fields"]],
            "streams": list(plain["streams"]),
            "typical_gaps": list(self.typical_gaps),
        }

    @classmethod
    def from_dict(cls, plain: Mapping) -> "EventSchema":
        return cls(
            **{
                **plain,
                "fields": tuple(EventField(**{**f, "values": tuple(f["values"])}) for f in plain["fields"]),
                "streams": tuple(Stream(**stream) for stream in plain["streams"]),
                "typical_gaps": tuple(plain["typical_gaps"]),
            }
        )
