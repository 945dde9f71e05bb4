"""From the joints of a frame to one vector.

Legend: N frames, V joints, C channels, P parts of the skeleton, W width of the pooled vector.
"""

import torch
from torch import Tensor, nn

from schemas.skeleton import Skeleton


def mean_max(x_NVC: Tensor) -> Tensor:
    """[N, V, C] -> [N, 2C], mean and maximum over the joints side by side."""
    mean_NC = x_NVC.sum(1) / x_NVC.shape[1]  # the gradient of a sum is a view, that of a mean a copy
    return torch.cat([mean_NC, x_NVC.max(1).values], dim=1)


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
