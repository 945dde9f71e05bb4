"""Rotations as unit quaternions (w, x, y, z) and as matrices, over batches.

Legend: `...` any batch axes, Q = 4 quaternion components, C = 3 coordinates.
"""

import numpy as np


def unit(v: np.ndarray) -> np.ndarray:
    """[..., C] of length one."""
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def matrix(q: np.ndarray) -> np.ndarray:
    """[..., Q] unit quaternions -> [..., C, C] matrices that act on column vectors."""
    w, x, y, z = np.moveaxis(q, -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """[C, C] matrix -> [Q], by the largest eigenvector of Bar-Itzhack's symmetric matrix (no sign cases)."""
    m = rotation
    k = np.array(
        [
            [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [0, m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[0, 2] + m[2, 0]],
            [0, 0, m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2]],
            [0, 0, 0, m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    q = np.linalg.eigh(k, UPLO="U")[1][:, -1]
    return q * np.sign(q[np.argmax(np.abs(q))])


def product(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """[..., Q] the rotation q followed by p."""
    pw, px, py, pz = np.moveaxis(p, -1, 0)
    qw, qx, qy, qz = np.moveaxis(q, -1, 0)
    return np.stack(
        (
            pw * qw - px * qx - py * qy - pz * qz,
            pw * qx + px * qw + py * qz - pz * qy,
            pw * qy - px * qz + py * qw + pz * qx,
            pw * qz + px * qy - py * qx + pz * qw,
        ),
        axis=-1,
    )


def about(vector: np.ndarray) -> np.ndarray:
    """[..., C] rotation vectors (axis times angle in radians) -> [..., Q]."""
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.concatenate((np.cos(angle / 2), np.sinc(angle / (2 * np.pi)) / 2 * vector), axis=-1)


def blend(p: np.ndarray, q: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """[..., Q] from p (weight 0) to q (weight 1) by the shorter way, normalised linear."""
    q = np.where((p * q).sum(-1, keepdims=True) < 0, -q, q)
    return unit(p + weight[..., None] * (q - p))


def turned(points: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """[F, V, C] points turned by [F, C, C]; written out, because BLAS may sum in another order elsewhere."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    rows = [rotation[:, i, None, 0] * x + rotation[:, i, None, 1] * y + rotation[:, i, None, 2] * z for i in range(3)]
    return np.stack(rows, axis=-1)
