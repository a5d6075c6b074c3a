"""The steps of an incident, and what people are told at each.

In: a scene. Out: the next revision with its update, or nothing. Pure.

An incident opens when a promise is at risk or broken *and* the newest minute is bad; it begins where the run of bad
slices began. It ends when that minute stayed well for `resolve_after`. Silence moves nothing. Trouble that returns
within `reopen_within` is the same incident.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from processors.incidents import words
from processors.incidents.incident import TRANSITIONS, Event, Incident, State, Update, UpdateStatus, digest, follow
from processors.incidents.scene import Scene, Signal, span
from processors.slo.breach import STEP

# How a scene tells that something happened, the first to be looked at first.
HAPPENED: Mapping[Event, Callable[[Scene], bool]] = {
    Event.STARTED: lambda scene: bool(scene.alarming),
    Event.REOPENED: lambda scene: bool(scene.alarming),
    Event.RELAPSED: lambda scene: bool(scene.alarming),
    Event.WITHDRAWN: lambda scene: not scene.involved,
    Event.JOINED: lambda scene: bool(scene.newcomers),
    Event.WORSENED: lambda scene: scene.worse,
    Event.CALMED: lambda scene: scene.well,
    Event.ENDED: lambda scene: scene.well and scene.waited,
}


def advance(scene: Scene) -> tuple[Incident, Update | None] | None:
    """The next step of a service's incident, if there is one, and what is told of it; at most one at a time."""
    event = next_event(scene)
    if event is None:
        return None
    revision = _revision(scene, event)
    return revision, _update(scene, event, revision)


def next_event(scene: Scene) -> Event | None:
    """The first event that is possible now and happened."""
    for event, happened in HAPPENED.items():
        if (scene.state, event) in TRANSITIONS and happened(scene):
            return event
    return None


def _revision(scene: Scene, event: Event) -> Incident:
    if event is Event.STARTED or scene.incident is None:
        return _opened(scene)
    old = scene.incident
    state = follow(scene.state, event)
    at = max(scene.now, old.at + STEP)
    changed = replace(
        old, revision=old.revision + 1, at=at, state=state, resolved_at=at if state is State.RESOLVED else None
    )
    if scene.alarming:
        return replace(
            changed,
            title=_title(scene),
            impact=scene.impact,
            promises=(*old.promises, *(signal.name for signal in scene.newcomers)),
            counts=scene.worst.status.lately,
        )
    if scene.involved:
        worst = _suffered_most(scene)
        share = worst.status.lasted.bad_share
        title = words.sentence(words.happened(share, f"{scene.title} requests", slow=worst.slow))
        return replace(changed, counts=worst.status.lasted, title=title if state is State.RESOLVED else old.title)
    return changed


def _opened(scene: Scene) -> Incident:
    started_at = _started_at(scene)
    return Incident(
        id=digest(scene.service, started_at),
        revision=1,
        at=scene.now,
        state=follow(scene.state, Event.STARTED),
        service=scene.service,
        title=_title(scene),
        impact=scene.impact,
        started_at=started_at,
        detected_at=scene.now,
        resolved_at=None,
        promises=tuple(signal.name for signal in scene.alarming),
        counts=scene.worst.status.lately,
    )


def _started_at(scene: Scene) -> datetime:
    """Where the run of bad slices began, but not within the incident before."""
    began = min(signal.status.run_start for signal in scene.alarming)
    before = scene.incident.resolved_at if scene.incident else None
    return began if before is None else max(began, before)


def _title(scene: Scene) -> str:
    return words.sentence(words.happening(scene.worst.share, f"{scene.title} requests", slow=scene.worst.slow))


def _suffered_most(scene: Scene) -> Signal:
    """The involved promise to speak of when it is over."""
    return max(scene.involved, key=lambda signal: (not signal.slow, signal.status.lasted.bad_share))


def _update(scene: Scene, event: Event, revision: Incident) -> Update | None:
    body = BODIES[event](scene)
    if body is None:
        return None
    return Update(
        id=digest(revision.id, revision.revision, event),
        incident_id=revision.id,
        at=revision.at,
        status=STATUSES[revision.state],
        body=body,
    )


STATUSES: Mapping[State, UpdateStatus] = {
    State.OPEN: UpdateStatus.INVESTIGATING,
    State.RECOVERING: UpdateStatus.MONITORING,
    State.RESOLVED: UpdateStatus.RESOLVED,
}


def _started(scene: Scene) -> str:
    age = scene.now - _started_at(scene)
    return f"Measurement crossed the promised level; opened automatically after {words.spoken(age)}."


def _joined(scene: Scene) -> str | None:
    """News only if people now suffer in another way, or more: that more was promised about it helps nobody."""
    news = {signal.slow for signal in scene.newcomers} - {signal.slow for signal in scene.involved}
    if news:
        return f"Some requests {'are slow' if True in news else 'fail'} as well."
    return _worsened(scene) if scene.worse else None


def _worsened(scene: Scene) -> str:
    return f"Now {words.happening(scene.worst.share, 'requests', slow=scene.worst.slow)}."


def _calmed(scene: Scene) -> str:
    slow = all(signal.slow for signal in scene.involved)
    return f"Requests {'are fast' if slow else 'succeed'} again; watching."


def _relapsed(scene: Scene) -> str:
    return f"Requests {'are slow' if scene.worst.slow else 'fail'} again."


def _ended(scene: Scene) -> str:
    assert scene.incident is not None
    worst = _suffered_most(scene)
    start, end = span(scene.incident, worst.status.slices, worst.status.promise.bar, scene.now)
    share = words.happened(worst.status.lasted.bad_share, "requests", slow=worst.slow)
    return f"Resolved after {words.spoken(end - start)}; {share} while it lasted."


def _reopened(scene: Scene) -> str:
    return f"It is back: {words.happening(scene.worst.share, 'requests', slow=scene.worst.slow)}."


def _withdrawn(_: Scene) -> str:
    return "Closed: the promise that it was measured by is no longer made."


BODIES: Mapping[Event, Callable[[Scene], str | None]] = {
    Event.STARTED: _started,
    Event.JOINED: _joined,
    Event.WORSENED: _worsened,
    Event.CALMED: _calmed,
    Event.RELAPSED: _relapsed,
    Event.ENDED: _ended,
    Event.REOPENED: _reopened,
    Event.WITHDRAWN: _withdrawn,
}
