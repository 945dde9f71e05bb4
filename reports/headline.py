"""The first minute of a report: how the run ended, whether it learned, what is wrong, and beside what."""

from datetime import datetime

from models.baselines.verdict import ABOVE_CHANCE, AT_CHANCE, BEATS_BEST
from reports.markdown_text import alert, escape, figure, interval, plain, sentence, table
from reports.run_files import RunFiles, mapping, number, rises, sequence

BOXES = {BEATS_BEST: "TIP", ABOVE_CHANCE: "WARNING", AT_CHANCE: "CAUTION"}
SEVERITIES = {"stop": "CAUTION", "warning": "WARNING", "note": "NOTE"}
NAMES = {
    "accuracy": "accuracy",
    "loss": "cross-entropy (nats)",
    "macro_f1": "macro-F1",
    "top5": "top-5 accuracy",
    "joint_nll": "joint NLL an event (nats)",
    "calibration_error": "calibration error",
}
"""Metrics in the order of their rows, and what a person calls them."""


def title(run: RunFiles) -> str:
    """The title with the run's state, and a line that says when, how long and where."""
    facts = [f"folder `{run.path.resolve().name}`"]
    started, updated = _moment(run.status.get("started")), _moment(run.status.get("updated"))
    if started:
        facts.insert(0, f"{started:%Y-%m-%d %H:%M}")
    if started and updated and updated >= started:
        facts.insert(1, f"{_duration((updated - started).total_seconds())}")
    if (epochs := number(run.status.get("epochs"))) is not None:
        facts.append(f"{figure(run.status.get('epoch')) or 'no'} of {figure(epochs)} epochs")
    if device := run.provenance.get("device"):
        facts.append(f"on {escape(device)}")
    return f"# {escape(run.model)} on {escape(run.data)}: {escape(run.state)}\n\n{' · '.join(facts)}"


def verdict_box(run: RunFiles) -> str:
    """For a run that did not come to its end the reason first; then the verdict, or why there is none."""
    return "\n\n".join(box for box in (_ending(run), _verdict(run)) if box)


def findings(run: RunFiles) -> str:
    """What the health checks found, the worst first."""
    found = [mapping(finding) for finding in sequence(run.status.get("findings"))]
    boxes = []
    for severity, box in SEVERITIES.items():
        lines = [_finding(finding) for finding in found if finding.get("severity", "warning") == severity]
        if lines:
            boxes.append(alert(box, *lines))
    if not found:
        checked = "found nothing" if "findings" in run.status else "left no record"
        return f"## Health\n\nThe health checks {checked}."
    return "## Health\n\n" + "\n\n".join(boxes)


def headline_table(run: RunFiles) -> str:
    """The model beside the baselines on the headline metric, then its other figures."""
    test, best, last = run.test, run.best, run.last
    metrics, key = mapping(test.get("metrics")), run.headline
    columns = [(f"test (epoch {run.best_epoch})" if run.best_epoch else "test", "test")] if metrics else []
    columns += [(f"val, best ({figure(best.get('epoch'))})", "best")] if best else []
    columns += [(f"val, last ({figure(last.get('epoch'))})", "last")] if last else []
    if not columns:
        return "## Figures\n\nNo epoch was finished: there are no figures."

    def cells(metric: str) -> list[str]:
        values = {"test": metrics.get(f"test/{metric}")}
        values |= {"best": best.get(f"val/{metric}"), "last": last.get(f"val/{metric}")}
        return [figure(values[column]) for _, column in columns]

    leads = _leads(run)
    rows = [[f"**{escape(run.model)}: {NAMES[key]}**", *(f"**{cell}**" if cell else "" for cell in cells(key)), ""]]
    if span := interval(test.get("interval")):
        rows.append(["95 % interval", *(span if column == "test" else "" for _, column in columns), ""])
    against, levels = _against(run)
    for name in sorted({*against, *levels}, key=lambda name: _rank(against.get(name, levels.get(name)), key)):
        values = [against.get(name) if column == "test" else levels.get(name) for _, column in columns]
        rows.append([f"baseline: {escape(name)}", *map(figure, values), leads.pop(name, "")])
    for metric, label in NAMES.items():
        if metric != key and any(cells(metric)):
            rows.append([label, *cells(metric), ""])
    for name, part in mapping(test.get("parts")).items():
        label = f"accuracy on {escape(str(name).replace('_', ', '))} ({figure(mapping(part).get('members'))})"
        value = figure(mapping(part).get("accuracy"))
        rows.append([label, *(value if column == "test" else "" for _, column in columns), ""])
    header = ["", *(name for name, _ in columns), "model's lead [95 %]"]
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return f"## Figures\n\n{table(header, rows)}\n\n{_tested(run)}".rstrip()


def _against(run: RunFiles) -> tuple[dict[str, object], dict[str, object]]:
    """What the baselines reach on the test split and in validation, by name."""
    test, val = dict(mapping(run.test.get("baselines"))), dict(run.levels.get(f"val/{run.headline}", {}))
    for kind in ("chance", "best"):
        told = mapping(run.verdict.get(kind))
        if told.get("baseline"):
            (test if run.verdict.get("split") == "test" else val).setdefault(str(told["baseline"]), told.get("value"))
    return test, val


def _ending(run: RunFiles) -> str:
    """Why a run has no end of its own."""
    after = f" after {_epochs(len(run.history))}" if run.history else " before the first epoch ended"
    if run.state == "failed":
        lines = [escape(line, 2000) for line in str(run.status.get("why") or "").splitlines() if plain(line)]
        return alert("CAUTION", f"**Failed{after}.** " + "<br>\n".join(lines or ["The reason was not written down."]))
    if run.state == "interrupted":
        return alert("NOTE", f"**Interrupted**{after}.")
    if run.state == "pruned":
        return alert("NOTE", f"**Pruned by its search**: {escape(str(run.status.get('why') or ''), 2000)}.")
    if run.state == "running":
        return alert("NOTE", f"**Still running**, or ended without a word,{after}.")
    return "" if run.state == "finished" else alert("WARNING", "**status.json does not say how the run ended.**")


def _verdict(run: RunFiles) -> str:
    verdict = run.verdict
    if not verdict.get("sentence"):
        why = run.result.get("verdict_missing") or run.status.get("verdict_missing")
        return alert("NOTE", f"**No verdict.** {sentence(escape(why or _no_verdict(run)))}")
    lines = [f"**{sentence(escape(verdict['sentence'], 1000))}**"]
    notes = []
    if not verdict.get("final"):
        notes.append("Provisional: it was said during training, on the split that chose the best epoch.")
    elif verdict.get("split") == "validation":
        notes.append("On the validation split, by which the best epoch was chosen: the test split stayed closed.")
    if looks := number(verdict.get("looks")):
        shared = f", shared among the {figure(looks)} looks at this split" if looks > 1 else ""
        notes.append(f"What it claims is sure at 99.9 %{shared}.")
    return alert(BOXES.get(str(verdict.get("level")), "NOTE"), *lines, *([" ".join(notes)] if notes else []))


def _no_verdict(run: RunFiles) -> str:
    if run.state == "finished":
        return "The run left none"
    return "The run ended before its first validation" if not run.history else "The run ended before it was made"


def _finding(finding: dict) -> str:
    when = f" (epoch {figure(finding['epoch'])}" if number(finding.get("epoch")) else ""
    until = f", gone at epoch {figure(finding['until'])}" if number(finding.get("until")) else ""
    when += f"{until})" if when else ""
    name, saw = escape(finding.get("check", "check")), escape(finding.get("saw", ""), 1000)
    remedy = sentence(escape(finding.get("remedy") or "", 1000))
    return f"**{name}**{when}: {saw.rstrip('.')}.{f' *{remedy}*' if remedy else ''}"


def _leads(run: RunFiles) -> dict[str, str]:
    """Baseline -> how much better the model is, with its interval."""
    leads = {}
    for kind in ("chance", "best"):
        difference = mapping(run.verdict.get(kind))
        if (lead := number(difference.get("better_by"))) is not None:
            leads[str(difference.get("baseline"))] = f"{lead:+.3f} {interval(difference.get('shown'))}".strip()
    return leads


def _rank(value: object, key: str) -> float:
    """Weakest baseline first."""
    known = number(value)
    return 0.0 if known is None else known if rises(key) else -known


def _tested(run: RunFiles) -> str:
    unit = "events" if run.task == "events" else "clips"
    if run.test:
        tested = sequence(run.test.get("tested"))
        if len(tested) == 2:
            there = "" if tested[0] == tested[1] else f" of {figure(tested[1])}"
            return f"Tested on {figure(tested[0])}{there} {unit}, with the weights of the best validation epoch."
        return ""
    if run.config.get("test") is False:
        return "The test split stayed closed (`test=false`)."
    return "The test split was not reached: these are validation figures."


def _epochs(count: int) -> str:
    return "no whole epoch" if not count else f"{count} whole epoch{'s' * (count > 1)}"


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
