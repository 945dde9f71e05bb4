"""Composes a run's config and judges it, before torch is imported.

Hydra's own exceptions (four to ten lines and exit code 1) become one readable ConfigError. What is judged stands
beside this file: `rules` (each key by itself), `signatures` (what components take) and `cross_rules`.
"""

import difflib
import re
import uuid
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from experiment.configs.cross_rules import check_together
from experiment.configs.extras import check_extras
from experiment.configs.rules import check_parts, check_values, direction
from experiment.configs.signatures import check_targets
from schemas.errors import ConfigError

CONF = Path(__file__).resolve().parents[2] / "conf"
_UNIQUE = uuid.uuid4().hex[:8]


def register_resolvers() -> None:
    """What the YAML files call.

    `${unique:}`: eight characters that differ in every process, so that run folders never collide.
    `${direction:METRIC}`: min for a loss, max for any other metric.
    """
    OmegaConf.register_new_resolver("unique", lambda: _UNIQUE, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("direction", direction, replace=True)


def compose_config(overrides: list[str], name: str = "train", judged: bool = True) -> DictConfig:
    """The config that these overrides make of conf/<name>.yaml, checked; not `judged`: composed, its values untried.

    Raises:
        ConfigError: one line that names the key and what to do.
    """
    register_resolvers()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose(name, overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise readable(error, overrides) from error
    except (YAMLError, OSError, UnicodeError) as error:
        raise _unreadable_file(error) from error
    except (TypeError, ValueError, AttributeError) as error:
        # Hydra asserts nothing of a group's option before it uses it as text.
        raise _no_option(overrides) or readable(error, overrides) from error
    finally:
        GlobalHydra.instance().clear()
    _check_files(overrides)
    _check_hydras_own(overrides, config)
    if judged:
        check_config(config)
    return config


def _check_files(overrides: list[str]) -> None:
    """Refuses chosen files that Hydra takes no notice of: those that hold something else than keys."""
    chosen = [override.split("=", 1) for override in overrides if re.match(r"[a-z_/]+=\w+$", override)]
    for path in (CONF / "local" / "default.yaml", *(CONF / group / f"{option}.yaml" for group, option in chosen)):
        if path.is_dir() or (path.is_file() and not isinstance(OmegaConf.load(path), DictConfig)):
            raise ConfigError("is no mapping of keys", where=path, remedy="As `seed: 1`, a key a line.")


def _check_hydras_own(overrides: list[str], config: DictConfig) -> None:
    """Refuses folders of Hydra's that refer to keys that are not there; it would end with a traceback."""
    for override in (word for word in overrides if re.match(r"\+*hydra\.\w+\.", word)):
        for key in re.findall(r"\$\{([\w.]+)\}", override):
            if not key.startswith("hydra.") and OmegaConf.select(config, key, default=...) is ...:
                raise ConfigError(f"${{{key}}} is no key of this config", where=override.partition("=")[0])


def check_config(config: DictConfig) -> None:
    """Judges a whole config without importing what it names; raises ConfigError for the first fault."""
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        where = getattr(error, "full_key", None) or "config"
        remedy = "An interpolation is ${key.of.this.config} or ${oc.env:NAME,default}."
        raise ConfigError(str(error).splitlines()[0], where=where, remedy=remedy) from error
    try:
        _judge(config, plain)
    except ConfigError as error:
        if "\n" not in str(error):
            raise
        # A value that the message repeats may be of many lines.
        what, where, remedy = (part and " ".join(str(part).split()) for part in (error.what, error.where, error.remedy))
        raise ConfigError(what, where=where, remedy=remedy) from error


def _judge(config: DictConfig, plain: dict) -> None:
    check_parts(plain)
    if missing := OmegaConf.missing_keys(config):
        raise ConfigError("has no value", where=", ".join(sorted(missing)), remedy="Give it one on the command line.")
    check_values(plain)
    check_targets(OmegaConf.to_container(config, resolve=False), plain)
    check_together(plain)
    check_extras(plain)


def readable(error: Exception, overrides: list[str]) -> ConfigError:
    """What Hydra says of overrides, in one line that names the key."""
    text = one_line(error)
    if (typed := next((word for word in overrides if _unparsable(word)), None)) is not None:
        return _unparsable_word(typed)
    if (found := re.search(r"Could not find '(\S+)'", text)) is not None:
        group, _, option = found[1].rstrip("/").rpartition("/")
        return _no_such_option(group, option, options_of(group) or _named_options(text))
    for pattern, answer in SAYINGS.items():
        if (found := re.search(pattern, text)) is not None:
            what, remedy = answer
            return ConfigError(what.format(*found.groups()), where=found[1], remedy=remedy.format(*found.groups()))
    if (
        found := re.search(r"Could not (override|delete) '?([^']+)'. (No match in the defaults list)", text)
    ) is not None:
        groups = sorted(str(path.relative_to(CONF)) for path in CONF.rglob("*") if path.is_dir())
        return ConfigError("there is no such group", where=found[2], remedy=_suggest(found[2], groups).strip() or None)
    if (found := re.search(r"Could not (override|delete from config\.) '([^']+)'", text)) is not None:
        return _no_such_key(found[2], overrides, removed=found[1] != "override")
    return ConfigError(f"cannot be read ({text})", where="config", remedy="See Hydra's grammar of overrides.")


SAYINGS = {
    r"An item is already at '([^']+)'": ("the config has it already", "Leave out the plus: {0}=VALUE."),
    r"The value of '([^']+)' is (.+) and not (.+)\.": ("it is {1}, not {2}", "Leave out the value: ~{0}."),
    r"Multiple values for ([^\s']+?)\. ": ("it is chosen twice", "Name one option, without a plus: {0}=OPTION."),
    r"Error merging override \+*([^\s=]+)=": (
        "what stands there is of another kind",
        "Take it out and add the other: ~{0} +{0}=VALUE.",
    ),
    r"Ambiguous value for argument '([^=']+)=([^']*)'": (
        "{1} is several values",
        "For a run of each add -m; a list is [{1}], and text stands in quotes.",
    ),
    r"Sweep parameters '([^=']+)=(.*)' requires": ("{1} is a sweep", "For a run of each value add -m."),
}
"""What Hydra says -> what we say, and what to do."""


def _no_such_option(group: str, option: object, options: list[str]) -> ConfigError:
    remedy = f"{_suggest(str(option), options)}Known: {', '.join(options) or 'nothing of that kind'}."
    return ConfigError(f"there is no {'null' if option is None else repr(option)}", where=group, remedy=remedy)


def _no_such_key(key: str, overrides: list[str], removed: bool) -> ConfigError:
    known = _known_keys(overrides)
    if "@" in key:
        remedy = "A file that chooses options begins with the line `# @package _global_`."
        return ConfigError("there is no such place for options", where=key, remedy=remedy)
    if key in known and removed:
        return ConfigError("it is null, which cannot be removed", where=key, remedy=f"Leave out ~{key}.")
    if key in known:
        return ConfigError("it has no such entry yet", where=key, remedy=f"Add one with a plus: +{key}.NAME=VALUE.")
    group = key.partition(".")[0]
    if "." in key and group not in known and (options := options_of(group)):
        return ConfigError(f"no {group} is chosen", where=key, remedy=f"Choose one: {group}={'|'.join(options)}.")
    add = None if removed else f"`+{key}=...` adds a key that a component of your own needs."
    return ConfigError("there is no such key", where=key, remedy=_suggest(key, known).strip() or add)


def _no_option(overrides: list[str]) -> ConfigError | None:
    """The first override that gives a group something else than the name of an option."""
    for override in OverridesParser.create().parse_overrides(overrides):
        group, value = override.key_or_group, override.value()
        if group and (CONF / group).is_dir() and not isinstance(value, str | dict):
            return _no_such_option(group, value, options_of(group))
        if not group:
            return ConfigError("there is no key before the =", where=override.input_line, remedy="As KEY=VALUE.")
    return None


def _unreadable_file(error: Exception) -> ConfigError:
    """A file under conf/ that is not UTF-8, no YAML or not to be opened."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        what = f"is no valid YAML ({one_line(Exception(error.problem))})"
        return ConfigError(what, where=f"{mark.name}, line {mark.line + 1}", remedy="Mend that line.")
    if isinstance(error, OSError):
        return ConfigError(f"cannot be read ({error.strerror})", where=error.filename or CONF, remedy="Is it a file?")
    damaged = next((path for path in sorted(CONF.rglob("*.yaml")) if not _is_utf8(path)), CONF)
    return ConfigError(f"cannot be read ({one_line(error)})", where=damaged, remedy="Save it as UTF-8.")


def _is_utf8(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except (UnicodeError, OSError):
        return False
    return True


def _unparsable(override: str) -> bool:
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return True
    return False


def _unparsable_word(word: str) -> ConfigError:
    if "=" not in word and not word.startswith("~"):
        return ConfigError("cannot be read: it is no KEY=VALUE", where=word, remedy="As model=gcn_lstm or seed=1.")
    remedy = "Put a value with brackets, commas, colons, quotes or blanks in quotes: 'key=\"a value\"'."
    return ConfigError("cannot be read", where=word, remedy=remedy)


def options_of(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("[!_]*.yaml"))


def _named_options(text: str) -> list[str]:
    """The options that Hydra itself lists, of its own groups."""
    found = re.search(r"Available options in '[^']*': (.*?) Config search path", text)
    return found[1].split() if found else []


def _known_keys(overrides: list[str]) -> list[str]:
    """The keys of the config that the choices of groups alone would make."""
    choices = [word for word in overrides if re.match(r"[a-z_/]+=", word)]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            return _keys(compose("train", choices))
        except HydraException:
            return _keys(compose("train"))


def _keys(node: DictConfig, prefix: str = "") -> list[str]:
    found = []
    for name in node:
        found.append(f"{prefix}{name}")
        inner = node._get_node(name)
        if isinstance(inner, DictConfig):
            found += _keys(inner, f"{prefix}{name}.")
    return found


def _suggest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, [other for other in known if other != word], n=1)
    return f"Did you mean {close[0]}? " if close else ""


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())
