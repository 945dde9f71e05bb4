"""A net's modules as a table: what stands in it, how wide it is and how many numbers it has."""

from torch import nn

from experiment.build import ParameterCount

DEEPEST = 4
"""Levels of submodules that are listed; a level below belongs to its parent."""


def describe_architecture(name: str, net: nn.Module) -> dict:
    """Plain values for architecture.json.

    Returns:
        name, both counts of the whole, and `modules`: those that hold numbers, in the net's order, each with its name,
        type, depth, widths (of its own weight matrix, in -> out), numbers in its state dict and trainable ones.
    """
    whole, modules = ParameterCount.of(net), []
    for path, module in net.named_modules():
        depth = path.count(".") + 1 if path else 0
        count = ParameterCount.of(module)
        if 0 < depth <= DEEPEST and count.state_dict:
            entry = {"name": path, "type": type(module).__name__, "depth": depth, "widths": _widths(module)}
            modules.append(entry | {"numbers": count.state_dict, "trainable": count.trainable})
    return {"name": name, "state_dict": whole.state_dict, "trainable": whole.trainable, "modules": modules}


def _widths(module: nn.Module) -> str:
    """in -> out of a module's own weights, or of the linear map in it; empty where it has none."""
    if isinstance(module, nn.LSTM):
        ways = " x 2 directions" if module.bidirectional else ""
        layers = "1 layer" if module.num_layers == 1 else f"{module.num_layers} layers"
        return f"{module.input_size} -> {module.hidden_size}{ways}, {layers}"
    inner = getattr(module, "linear", None)
    weight = inner.weight if isinstance(inner, nn.Linear) else getattr(module, "weight", None)
    if not isinstance(weight, nn.Parameter):
        own = [tuple(p.shape) for p in module.parameters(recurse=False)]
        return ", ".join(" x ".join(map(str, shape)) or "1" for shape in own)
    shape = tuple(weight.shape)
    if len(shape) == 1:
        return str(shape[0])
    if isinstance(module, nn.Embedding):
        return f"{shape[0]} values -> {shape[1]}"
    kernel = f", kernel {' x '.join(map(str, shape[2:]))}" if len(shape) > 2 else ""
    return f"{shape[1]} -> {shape[0]}{kernel}"
