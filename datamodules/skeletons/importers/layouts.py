"""Which skeleton a source's joints are: the user's `layout=`, or the one that their number implies."""

from collections.abc import Mapping
from pathlib import Path

from datamodules.skeletons.importers import Options
from schemas.errors import DataError
from schemas.skeleton import Skeleton, load_layout, shipped_layouts


def skeleton_for(source: Path, options: Options, joints: int, implied: Mapping[int, str]) -> Skeleton:
    """The layout of clips with `joints` joints.

    Args:
        implied: number of joints -> name of the layout that the format has for it, where `layout=` is not given.

    Raises:
        DataError: when neither says which it is, or the layout has another number of joints.
    """
    name = options.layout or implied.get(joints)
    if name is None:
        raise DataError(
            f"its clips have {joints} joints, and the format does not say which",
            where=source,
            remedy=f"Give layout=NAME of {', '.join(shipped_layouts())}, or layout=my.yaml with a skeleton of your "
            "own (schemas/layouts/*.yaml show the form).",
        )
    skeleton = load_layout(name)
    if skeleton.num_joints != joints:
        fitting = [other for other in shipped_layouts() if load_layout(other).num_joints == joints]
        raise DataError(
            f"its clips have {joints} joints, layout {name!r} has {skeleton.num_joints}",
            where=source,
            remedy=f"Give layout=NAME; of the shipped ones {' and '.join(fitting) or 'none'} fits.",
        )
    return skeleton


def skeleton_or(assumed: Skeleton, source: Path, options: Options, joints: int) -> Skeleton:
    """The layout that the user names, else the assumed one; raises DataError where it has another number of joints."""
    if options.layout is not None:
        return skeleton_for(source, options, joints, {})
    if joints != assumed.num_joints:
        what = f"its clips have {joints} joints, the run was trained on {assumed.num_joints} ({assumed.name})"
        raise DataError(what, where=source, remedy="Give clips of the run's own layout, or name theirs: layout=.")
    return assumed


def shipped_by_joints() -> dict[int, str]:
    """Number of joints -> the shipped layout that has it, where it is the only one."""
    counts = {name: load_layout(name).num_joints for name in shipped_layouts()}
    return {count: name for name, count in counts.items() if list(counts.values()).count(count) == 1}
