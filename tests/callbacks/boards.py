"""What TensorBoard's own plugins make of a folder: its runs, rows of HParams and custom charts."""

import json
from pathlib import Path

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.custom_scalar.custom_scalars_plugin import CustomScalarsPlugin
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler
from tensorboard.plugins.scalar.scalars_plugin import ScalarsPlugin

STATUSES = (api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING)


class Board:
    """A folder, read as TensorBoard reads it."""

    def __init__(self, folder: Path):
        self.events = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
        self._context = TBContext(
            data_provider=MultiplexerDataProvider(self.events, str(folder)), plugin_name_to_instance={}
        )
        self._context.plugin_name_to_instance["scalars"] = ScalarsPlugin(self._context)

    def columns(self) -> tuple[set[str], set[str]]:
        """Of HParams: what was set, and the metrics."""
        context = Context(self._context)
        held = context.hparams_metadata(RequestContext(), "")
        experiment = context.experiment_from_metadata(RequestContext(), "", True, held, None)
        return {info.name for info in experiment.hparam_infos}, {info.name.tag for info in experiment.metric_infos}

    def rows(self) -> dict[str, dict]:
        """Name -> what the table of HParams shows of it: status, hparams and metrics."""
        request = api_pb2.ListSessionGroupsRequest(allowed_statuses=STATUSES, start_index=0, slice_size=99)
        groups = Handler(RequestContext(), Context(self._context), "", request).run().session_groups
        return {group.name: _row(group) for group in groups}

    def layout(self) -> dict[str, dict[str, list[str]]]:
        """Category -> chart -> patterns of tags."""
        found = json.loads(CustomScalarsPlugin(self._context).layout_impl(RequestContext(), ""))
        return {
            category["title"]: {chart["title"]: chart["multiline"]["tag"] for chart in category["chart"]}
            for category in found["category"]
        }

    def lines(self, pattern: str) -> set[tuple[str, str]]:
        """(run, tag) of every line that a pattern brings into a chart."""
        plugin = CustomScalarsPlugin(self._context)
        return {
            (run, tag)
            for run in self.events.Runs()
            for tag in plugin.scalars_impl(RequestContext(), run, pattern, "")["tag_to_events"]
        }


def _row(group: api_pb2.SessionGroup) -> dict:
    (session,) = group.sessions
    kinds = {name: value.WhichOneof("kind") for name, value in group.hparams.items()}
    return {
        "status": api_pb2.Status.Name(session.status).removeprefix("STATUS_"),
        "hparams": {name: getattr(group.hparams[name], kind) for name, kind in kinds.items()},
        "metrics": {metric.name.tag: metric.value for metric in group.metric_values},
    }
