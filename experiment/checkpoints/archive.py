"""The zip archive that torch writes: where its records lie, and whether every byte of them is still what it was.

torch writes a CRC-32 beside each record and never looks at it again, so a flipped bit of a weight loads in silence.
Here every byte of the file is accounted for: records stand one behind the other from the first byte on, each with its
header before and its checksum behind it, then the directory that repeats both, then the end that says where the
directory lies. Nothing may stand between, before or behind them. A CRC-32 sees every change of up to 32 bits in a row,
but what stands beside the records counts as well: one bit of an attribute in the directory makes a folder of a tensor,
which torch then reads as whatever lay in memory. So all of it must be as torch writes it; only the padding before a
record and the end's two version numbers may differ, which nobody reads.
Layout: PKWARE's APPNOTE.TXT, sections 4.3.7 to 4.3.16.
"""

import os
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from schemas.errors import CheckpointError

LOCAL = struct.Struct("<4sHHHIIIIHH")
"""Signature, version, flags, method, time, CRC, two sizes, lengths of name and extra: 30 bytes before a record."""
ENTRY = struct.Struct("<4sHHHHIIIIHHHHHII")
"""Signature, two versions, flags, method, time, CRC, two sizes, lengths of name, extra and comment, disk, two
attributes, place: 46 bytes of the directory."""
END = struct.Struct("<4sQHHIIQQQQ4sIQI4sHHHHIIH")
"""The end of a zip64 archive, its locator, and the end of a plain archive: the file's last 98 bytes."""
UTF8, SUM_BEHIND = 0x0800, 0x0008
"""Flags: names are UTF-8; the checksum stands behind the record, as it does where there is anything to sum up."""
STORED, ZIP64 = 0, 1
MANY, HUGE = 0xFFFF, 0xFFFFFFFF
"""What stands in a field of 16 or 32 bits whose value stands in a wider one."""
CHUNK = 1 << 20
NAME = re.compile(
    r"([^/\\:\x00-\x1f]+)/(data\.pkl|version|byteorder|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id|data/[0-9]+)"
)
DAMAGED = "Use another checkpoint, or copy this one again."


@dataclass(frozen=True)
class Record:
    """A part of the archive, by its name without the archive's own."""

    name: str
    start: int
    """Where its content begins in the file."""
    size: int
    crc: int


def read_directory(file: BinaryIO, path: Path) -> dict[str, Record]:
    """The records of an archive that torch wrote, by name; their contents are not read.

    Raises:
        CheckpointError: the file is not such an archive, whole and with nothing else in it: cut off, compressed, with
            names that lead elsewhere, with records twice, apart, overlapping or larger than the file.
    """
    size = os.fstat(file.fileno()).st_size
    _refuse_other_formats(file, path, size)
    count, length, place = _read_end(file, path, size)
    file.seek(place)
    directory = file.read(length)
    records: dict[str, Record] = {}
    offset, behind, roots = 0, 0, set()
    for _ in range(count):
        root, record, header, offset = _read_entry(directory, offset, path)
        if header != behind:
            raise _damaged(path, record.name, "does not lie where the one before it ends")
        if record.name in records:
            raise _damaged(path, record.name, "stands there twice")
        if record.size > place:
            raise _damaged(path, record.name, f"claims {record.size:,} bytes, more than the file has")
        roots.add(root)
        record, behind = _locate(file, root, record, header, place, path)
        records[record.name] = record
    if offset != length or behind != place or len(roots) != 1 or roots & {".", ".."}:
        raise _damaged(path, None, "the archive's directory does not fit its contents")
    if "data.pkl" not in records:
        raise _damaged(path, "data.pkl", "is missing")
    return records


def check_sums(file: BinaryIO, records: dict[str, Record], path: Path) -> None:
    """Reads every record and compares it with its CRC-32; raises CheckpointError naming the first that differs."""
    chunk = memoryview(bytearray(CHUNK))
    for record in records.values():
        file.seek(record.start)
        left, crc = record.size, 0
        while left and (got := file.readinto(chunk[: min(left, CHUNK)])):
            crc, left = zlib.crc32(chunk[:got], crc), left - got
        if left or crc != record.crc:
            raise _damaged(path, record.name, "is not what was written: its checksum differs")


def read_record(file: BinaryIO, record: Record) -> bytes:
    """The content of one record."""
    file.seek(record.start)
    return file.read(record.size)


def _refuse_other_formats(file: BinaryIO, path: Path, size: int) -> None:
    file.seek(0)
    start = file.read(4)
    if not start.strip(b"\0"):
        raise CheckpointError("the file is empty" if not size else "the file is damaged", where=path, remedy=DAMAGED)
    if start[:1] == b"\x80":
        raise CheckpointError(
            "a plain pickle, as torch wrote before 1.6: such a file has no checksums and was not loaded",
            where=path,
            remedy="Where you trust its origin, load it there and save it again with this version of torch.",
        )
    if start != b"PK\x03\x04":
        raise CheckpointError("this is no checkpoint of torch, or its beginning is damaged", where=path, remedy=DAMAGED)


def _read_end(file: BinaryIO, path: Path, size: int) -> tuple[int, int, int]:
    """Number of records, length and place of the directory."""
    if size < END.size:
        raise _damaged(path, None, "the file is cut off")
    file.seek(size - END.size)
    (
        *wide, here, total, length, place,
        locator, disk, end64, disks,
        plain, disk_a, disk_b, here16, total16, length32, place32, comment,
    ) = END.unpack(file.read(END.size))  # fmt: skip
    signatures = (wide[0], locator, plain) == (b"PK\x06\x06", b"PK\x06\x07", b"PK\x05\x06")
    if not signatures:
        raise _damaged(path, None, "the file is cut off, or something stands behind its end")
    expected = (44, 0, 0, total, 0, size - END.size, 1, 0, 0, min(total, MANY), min(total, MANY), 0)
    said = (wide[1], wide[4], wide[5], here, disk, end64, disks, disk_a, disk_b, here16, total16, comment)
    narrow = (length32, place32) == (min(length, HUGE), min(place, HUGE))
    if said != expected or not narrow or place + length != size - END.size or total * ENTRY.size > length:
        raise _damaged(path, None, "the archive's end does not fit the file")
    return total, length, place


def _read_entry(directory: bytes, offset: int, path: Path) -> tuple[str, Record, int, int]:
    """The archive's name, the record without its place, where its header is, and where the next entry begins."""
    start = offset + ENTRY.size
    if start > len(directory):
        raise _damaged(path, None, "the archive's directory is cut off")
    _, _, _, _, method, _, crc, *narrow, name_length, extra_length, _, _, _, _, place = ENTRY.unpack_from(
        directory, offset
    )
    end = start + name_length + extra_length
    full_name = directory[start : start + name_length].decode("utf-8", "replace")
    found = NAME.fullmatch(full_name)
    if found is None:
        raise CheckpointError(f"{full_name!r} is no part of a checkpoint of torch", where=path, remedy=DAMAGED)
    root, name = found.groups()
    if method != STORED:
        raise CheckpointError(f"the record {name} is compressed, which torch never does", where=path, remedy=DAMAGED)
    packed, size, header = _widen(directory[start + name_length : end], [*narrow, place], path, name)
    lengths = (name_length, extra_length, 0)
    expected = ENTRY.pack(b"PK\x01\x02", 0, 0, _flags(size), STORED, 0, crc, *narrow, *lengths, 0, 0, 0, place)
    if directory[offset:start] != expected or end > len(directory) or packed != size:
        raise _damaged(path, name, "has an entry in the directory that torch does not write")
    return root, Record(name, 0, size, crc), header, end


def _flags(size: int) -> int:
    return UTF8 | SUM_BEHIND if size else UTF8


def _widen(extra: bytes, values: list[int], path: Path, name: str) -> list[int]:
    """Packed size, size and place; one of 4 GiB and more stands in 64 bits in the entry's extra field.

    There the size comes before the packed size, which is the same.
    """
    wanted = [number for number, value in enumerate(values) if value == HUGE]
    if len(extra) != (4 + 8 * len(wanted) if wanted else 0):
        raise _damaged(path, name, "has an entry in the directory that torch does not write")
    if wanted:
        kind, length, *wide = struct.unpack(f"<HH{len(wanted)}Q", extra)
        if (kind, length) != (ZIP64, 8 * len(wanted)):
            raise _damaged(path, name, "has an entry in the directory that torch does not write")
        for number, value in zip(wanted, wide, strict=True):
            values[number] = value
    return values


def _locate(file: BinaryIO, root: str, record: Record, header: int, limit: int, path: Path) -> tuple[Record, int]:
    """The record with its place, and where the next one's header must begin."""
    name = f"{root}/{record.name}".encode()
    file.seek(header)
    fixed = file.read(LOCAL.size)
    extra_length = LOCAL.unpack(fixed)[-1] if len(fixed) == LOCAL.size else 0
    expected = LOCAL.pack(b"PK\x03\x04", 0, _flags(record.size), STORED, 0, 0, 0, 0, len(name), extra_length) + name
    if fixed + file.read(len(name)) != expected:
        raise _damaged(path, record.name, "has a header that does not fit the directory")
    start = header + len(expected) + extra_length
    width = "Q" if max(record.size, header) >= HUGE else "I"
    behind = struct.pack(f"<4sI2{width}", b"PK\x07\x08", record.crc, record.size, record.size) if record.size else b""
    end = start + record.size + len(behind)
    if end > limit:
        raise _damaged(path, record.name, "runs into the directory")
    file.seek(start + record.size)
    if file.read(len(behind)) != behind:
        raise _damaged(path, record.name, "has another checksum or size than the directory says")
    return Record(record.name, start, record.size, record.crc), end


def _damaged(path: Path, name: str | None, what: str) -> CheckpointError:
    return CheckpointError(what if name is None else f"the record {name} {what}", where=path, remedy=DAMAGED)
