"""How each pack looks as a whole: whether a storm of findings, or a loss of targets, makes the observer suspect."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from mape_k.model import Catalogue, Finding, Limits, Outlook, Pack, Peak, Quality, Reason, Snapshot

_NO_ILLNESS = frozenset({Reason.SILENCED, Reason.RESIDUAL})
"""Holds of findings that do not say that anything is wrong now."""

_SEEN = frozenset({Quality.VALUE, Quality.EMPTY})


def known_targets(snapshot: Snapshot, catalogue: Catalogue) -> Mapping[str, Collection[str]]:
    """Return, by pack, the targets that its signals name."""
    targets: dict[str, set[str]] = {name: set() for name in catalogue.packs}
    for signal in catalogue.signals:
        vector = snapshot.vectors.get(signal.full_name)
        if vector is not None and signal.target_label is not None:
            targets[signal.pack].update(vector.targets)
    return targets


def look_around(
    before: Mapping[str, Outlook], findings: Iterable[Finding], snapshot: Snapshot, catalogue: Catalogue
) -> Mapping[str, Outlook]:
    """Return the outlook of every pack; where a part of a pack cannot be seen, its outlook stays as it was."""
    looks_ill = {(f.pack, f.target) for f in findings if f.hold not in _NO_ILLNESS}
    outlooks = {name: before.get(name, Outlook()) for name in catalogue.packs}
    for name, known in known_targets(snapshot, catalogue).items():
        pack = catalogue.packs[name]
        if _is_seen(pack, snapshot):
            ill = sum((name, target) in looks_ill for target in known)
            outlooks[name] = _next(outlooks[name], len(known), ill, pack.limits, snapshot.as_of)
    return outlooks


def _is_seen(pack: Pack, snapshot: Snapshot) -> bool:
    vectors = [snapshot.vectors.get(s.full_name) for s in pack.signals.values() if s.target_label is not None]
    is_whole = all(vector is not None and vector.quality in _SEEN for vector in vectors)
    return is_whole and snapshot.alerts_quality is Quality.VALUE


def _next(before: Outlook, known: int, ill: int, limits: Limits, now: datetime) -> Outlook:
    since = now - timedelta(seconds=limits.inventory_window_seconds)
    higher = tuple(peak for peak in before.peaks if peak.at > since and peak.known > known)
    seen = replace(before, known=known, ill=ill, peaks=(*higher, Peak(at=now, known=known)))
    return _weathered(seen, limits, now)


def _weathered(seen: Outlook, limits: Limits, now: datetime) -> Outlook:
    """Enter a storm at the upper share, and leave it only after a while below the lower one."""
    if seen.storm_since is None:
        begins = seen.known >= limits.share_from and seen.ill >= limits.storm_enter * seen.known
        return replace(seen, storm_since=now if begins else None)
    if seen.ill > limits.storm_leave * seen.known:
        return replace(seen, calm_since=None)
    calm_since = seen.calm_since or now
    if now - calm_since >= timedelta(seconds=limits.storm_calm_seconds):
        return replace(seen, storm_since=None, calm_since=None)
    return replace(seen, calm_since=calm_since)
