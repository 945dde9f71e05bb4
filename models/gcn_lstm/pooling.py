"""From the joints of a frame to one vector.

Legend: N frames, V joints, C channels, P parts of the skeleton, W width of the pooled vector.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from schemas.skeleton import Skeleton


def mean_max(x_NVC: Tensor) -> Tensor:
    """[N, V, C] -> [N, 2C], mean and maximum over the joints side by side."""
    mean_NC = x_NVC.sum(1) / x_NVC.shape[1]  # the gradient of a sum is a view, that of a mean a copy
    return torch.cat([mean_NC, max_over_joints(x_NVC)], dim=1)


def max_over_joints(x_NVC: Tensor) -> Tensor:
    """[N, V, C] -> [N, C]; the gradient goes to the first joint that has the maximum, as that of `Tensor.max` does.

    On the CPU `Tensor.max` looks for the index much longer than for the value; a pooling over an image of one row of
    V points and C channels finds both at once.
    """
    if not x_NVC.requires_grad:
        return x_NVC.amax(1)
    if x_NVC.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return x_NVC.max(1).values
    with torch.no_grad():
        image_NC1V = x_NVC.transpose(1, 2).unsqueeze(2)
        _, joint_NC11 = F.max_pool2d(image_NC1V, (1, x_NVC.shape[1]), return_indices=True)
    return x_NVC.gather(1, joint_NC11.flatten(1)[:, None]).squeeze(1)


class MeanMaxPooling(nn.Module):
    """Mean and maximum over all joints."""

    def __init__(self, skeleton: Skeleton, width_in: int):
        super().__init__()
        self.width = 2 * width_in

    def forward(self, x_NVC: Tensor) -> Tensor:
        """[N, V, C] -> [N, 2C]."""
        return mean_max(x_NVC)


class PartPooling(nn.Module):
    """Mean and maximum over the joints of each part of the skeleton, then a linear map of them all.

    It keeps apart what a hand and a leg do, which pooling over all joints blends. A joint in no part is not read.
    """

    def __init__(self, skeleton: Skeleton, width_in: int, width: int):
        super().__init__()
        self.width = width
        self.joints_of_part = [list(joints) for joints in skeleton.parts.values()]
        self.linear = nn.Linear(2 * width_in * len(self.joints_of_part), width)

    def forward(self, x_NVC: Tensor) -> Tensor:
        """[N, V, C] -> [N, W]."""
        return self.linear(torch.cat([mean_max(x_NVC[:, joints]) for joints in self.joints_of_part], dim=1))


class FlattenPooling(nn.Module):
    """All joints side by side through one linear map, so that every joint keeps weights of its own."""

    def __init__(self, skeleton: Skeleton, width_in: int, width: int):
        super().__init__()
        self.width = width
        self.linear = nn.Linear(skeleton.num_joints * width_in, width, bias=False)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x_NVC: Tensor) -> Tensor:
        """[N, V, C] -> [N, W]."""
        return self.norm(self.linear(x_NVC.flatten(1))).relu()
