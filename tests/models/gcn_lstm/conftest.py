"""Models built through their configs, as a run builds them."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from schemas.clips import ClipSchema
from schemas.skeleton import load_layout

CONF = Path(__file__).parents[3] / "conf"


@pytest.fixture(scope="session")
def build():
    """build(model, *overrides, layout, channels, classes): a GCNLSTM."""

    def build(model: str, *overrides: str, layout: str = "natops8", channels: int = 3, classes: int = 4):
        with initialize_config_dir(str(CONF), version_base=None):
            config = compose(overrides=[f"+model={model}", *overrides])
        schema = ClipSchema(load_layout(layout), tuple(f"class {k}" for k in range(classes)), channels)
        return instantiate(config.model.net)(schema)

    return build
