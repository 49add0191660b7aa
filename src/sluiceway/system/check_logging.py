"""What can be wrong with what a system file says of the log of live requests."""

from collections.abc import Mapping
from datetime import timedelta

from sluiceway.durations import render_duration
from sluiceway.system.parts import FileParts, Tell
from sluiceway.system.shapes import InputsShareShape, LoggingShape, PoliciesShape

REQUESTS = "requests:"
"""The loader of a source whose live rows are what was asked."""
POSTED = "labels:"
"""The loader of a source whose live rows are labels that were posted."""


def check_logging(parts: FileParts, tell: Tell) -> None:
    """Tell what the log cannot keep, forgets too early, or is not to have and needs."""
    live = {name: one.live_loader or one.loader for name, one in parts.sources.items()}
    _loaders_fit(parts, live, tell)
    if parts.logging is None:
        return
    _columns_exist(parts, parts.logging, tell)
    if parts.policies is not None:
        _kept_long_enough(parts, parts.logging, parts.policies, tell)
    _requests_say_enough(parts, parts.logging, live, tell)
    if parts.unit in parts.logging.hashed:
        _hashed_units_are_found(live, tell)


def _hashed_units_are_found(live: Mapping[str, str], tell: Tell) -> None:
    for name, loader in live.items():
        if loader not in (REQUESTS, POSTED):
            what = (
                f"{loader} names units in the clear and the log keeps hashes (logging.hash), so no "
                f"row would be found again; write {REQUESTS} or, for labels, {POSTED}"
            )
            tell(f"sources.{name}.live_loader", what)


def _loaders_fit(parts: FileParts, live: Mapping[str, str], tell: Tell) -> None:
    for name, source in parts.sources.items():
        path = f"sources.{name}.live_loader"
        if live[name] == POSTED and source.labels is None:
            tell(path, f"{POSTED} is for sources of labels; say when they are known (labels: …)")
        if live[name] == REQUESTS and source.labels is not None:
            tell(path, f"{REQUESTS} holds what was asked, no labels; write {POSTED}")


def _columns_exist(parts: FileParts, logging: LoggingShape, tell: Tell) -> None:
    for key, names in (("exclude", logging.exclude), ("hash", logging.hashed)):
        for place, name in enumerate(names):
            path = f"logging.{key}[{place}]"
            source, dot, _ = name.partition(".")
            if name == parts.unit:
                if key == "exclude":
                    tell(path, f"{name} is the unit; without it no row is evidence (hash it)")
                continue
            if dot and source in parts.named["sources"]:
                continue
            if dot and source in parts.named["models"]:
                tell(path, f"{name} is an answer; answers are what the log is for")
            elif name not in parts.named["features"]:
                tell(path, f"{name} is neither a feature nor a source.column")
    for name in sorted(set(logging.exclude) & set(logging.hashed)):
        tell("logging.hash", f"{name} is excluded too; choose one")


def _kept_long_enough(
    parts: FileParts, logging: LoggingShape, policies: PoliciesShape, tell: Tell
) -> None:
    """A rollout reads the log from its first canary step to the end of its watch."""
    canary = policies.canary
    maturity = max(
        (one.labels.maturity for one in parts.sources.values() if one.labels), default=timedelta(0)
    )
    longest = canary.max_deadline or 2 * canary.deadline
    needed = longest + policies.watch.window + maturity
    if logging.retention < needed:
        what = (
            f"{render_duration(logging.retention)} is shorter than a rollout may need its rows: "
            f"{render_duration(longest)} of canary, {render_duration(policies.watch.window)} of "
            f"watch and {render_duration(maturity)} until labels are mature"
        )
        tell("logging.retention", what)


def _requests_say_enough(
    parts: FileParts, logging: LoggingShape, live: Mapping[str, str], tell: Tell
) -> None:
    asked = sorted(name for name, loader in live.items() if loader == REQUESTS)
    if asked and (logging.inputs == "none" or isinstance(logging.inputs, InputsShareShape)):
        what = f"{', '.join(asked)} read what was asked ({REQUESTS}); keep the inputs of all units"
        tell("logging.inputs", what)
    hidden = {*logging.exclude, *logging.hashed}
    for name, feature in parts.features.items():
        for version in (feature, *feature.other_versions.values()):
            for read in version.reads:
                if read.partition(".")[0] in asked and hidden & {read, name}:
                    what = f"{read} is read from what was asked ({REQUESTS}) and is not kept"
                    tell(f"features.{name}.reads", what)
