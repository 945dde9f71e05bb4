"""Where a run comes from: its data, its code, its machine, and the command that repeats it."""

import shlex

from reports.markdown_text import code, escape, fenced, figure, table
from reports.run_files import RunFiles, at, mapping, sequence

SPLITS = ("train", "val", "test")


def data(run: RunFiles) -> str:
    """Counts, the rule of the split, fingerprints and what the reader had to say of the data."""
    unit = "events" if "events" in run.provenance else "clips"
    counts = mapping(run.provenance.get(unit))
    rows = [["data set", escape(run.data)]]
    if counts:
        rows.append([f"{unit} (train / val / test)", " / ".join(figure(counts.get(split)) for split in SPLITS)])
    rule = mapping(at(run.config, "datamodule.split"))
    if "_target_" in rule:
        said = ", ".join(f"{key} {value}" for key, value in rule.items() if key != "_target_" and value is not None)
        rows.append(["split", escape(f"{str(rule['_target_']).split('.')[-1]}{f' ({said})' if said else ''}")])
    for label, key in (("fingerprint of the data", "data_fingerprint"), ("of the split", "split_fingerprint")):
        if run.provenance.get(key):
            rows.append([label, code(run.provenance[key])])
    notes = "\n".join(f"- {escape(note)}" for note in sequence(run.provenance.get("notes")))
    text = table(["data", ""], rows, left=2)
    if not counts:
        text += "\n\nThe data were not opened, or provenance.json is not there: no counts and no fingerprints."
    return f"{text}\n\n{notes}".rstrip()


def origin(run: RunFiles) -> str:
    """Commit, packages, machine and times."""
    known, git = run.provenance, mapping(run.provenance.get("git"))
    rows = []
    if known:
        rows.append(["commit", code(git["commit"]) if git.get("commit") else "not a git checkout"])
        rows.append(["working tree", _tree(git)])
        packages = mapping(known.get("packages"))
        rows.append(["packages", escape(", ".join(f"{name} {version}" for name, version in packages.items()), 1000)])
        rows.append(["Python", escape(f"{known.get('python', '')} on {known.get('platform', '')}")])
        rows.append(["machine", escape(f"{known.get('host', '')}, device {known.get('device', '')}")])
    for name, key in (("started", "started"), ("ended", "updated")):
        if run.status.get(key):
            rows.append([name, escape(run.status[key])])
    if not rows:
        return "There is no provenance.json: code, packages and machine are not known."
    return table(["origin", ""], rows, left=2)


def command(run: RunFiles) -> str:
    """The exact command, quoted for a shell, and what it takes for it to be the same run."""
    if run.overrides is None:
        return "overrides.yaml is not there: what was typed is not known. `config.yaml` holds the resolved config."
    line = " ".join(["python train.py", *map(shlex.quote, run.overrides)])
    git = mapping(run.provenance.get("git"))
    text = fenced(line, "bash")
    if git.get("commit"):
        text = f"At commit {code(git['commit'])}:\n\n{text}"
    if git.get("diff"):
        text += (
            "\n\n**The working tree had changes that are in no commit.** Apply them first: the diff is "
            "`git.diff` in `provenance.json`."
        )
    if not run.overrides:
        text += "\n\nNothing was overridden."
    return text


def _tree(git: dict) -> str:
    diff, untracked = str(git.get("diff") or ""), sequence(git.get("untracked"))
    changed = [line.split(" b/", 1)[-1] for line in diff.splitlines() if line.startswith("diff --git ")]
    said = f"**changed**: {', '.join(map(code, changed)) or 'a diff'}" if diff else "clean"
    if untracked:
        names = ", ".join(code(name) for name in untracked[:6])
        said += f"; untracked: {names}{f' and {len(untracked) - 6} more' if len(untracked) > 6 else ''}"
    return said
