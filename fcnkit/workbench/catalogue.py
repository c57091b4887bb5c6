"""The jobs in every order that lists show, put together again only when one of them changes.

A page of a list then costs that page, however many jobs there are.
"""

from __future__ import annotations

import bisect
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fcnkit.jobs import Job, Jobs, State

    Found = tuple[Job, State]
    _Rank = tuple[float, int, Found]  # the score, up or down, and the place by age

_KEPT = 64  # searches
_NONE = -1.0  # stands for no score


class Catalogue:
    """The jobs of `jobs`, listed by kind. Several threads may use it.

    `score` returns a job's score or None; those of running jobs are asked for at each look.
    """

    def __init__(self, jobs: Jobs, score: Callable[[Job, State], float | None]) -> None:
        self._jobs, self._score = jobs, score
        self._lock = threading.Lock()
        self._now: _Listing | None = None

    def find(self, kind: str, words: Sequence[str] = (), sort: str = "-age") -> Sequence[Found]:
        """Return the datasets (`kind` "dataset") or models that hold all `words`, sorted.

        Words are looked for in names, notes and ids, whatever their capitals. `sort` is age, name,
        state or score, with a `-` before it for the reverse; anything else is age. Jobs that cannot
        be read count as models.
        """
        return self._listing().find(kind, tuple(word.lower() for word in words), sort)

    def count(self) -> int:
        """Return how many jobs there are."""
        return len(self._jobs.all())

    def users_of(self, id_: str) -> Sequence[Job]:
        """Return the models that train on a dataset, the newest first."""
        return self._listing().users.get(id_, ())

    def _listing(self) -> _Listing:
        version, found = self._jobs.versioned()
        with self._lock:
            if self._now is None or self._now.version != version:
                self._now = _Listing(version, found, self._score, self._now)
            return self._now


class _Listing:
    """The jobs as they are at one version; orders and searches are made when they are asked for."""

    def __init__(
        self,
        version: int,
        found: Sequence[Found],
        score: Callable[[Job, State], float | None],
        before: _Listing | None,
    ) -> None:
        self.version, self._score = version, score
        self._kinds: dict[str, list[Found]] = {"dataset": [], "model": []}
        self.users: dict[str, list[Job]] = {}
        known = before._texts if before else {}
        self._texts: dict[str, tuple[Job, str]] = {}
        for each in found:
            job = each[0]
            self._kinds["dataset" if job.kind == "dataset" else "model"].append(each)
            if job.kind == "model":
                self.users.setdefault(str(job.settings.get("dataset")), []).append(job)
            kept = known.get(job.id)
            if kept is None or kept[0] is not job:
                kept = (job, f"{job.name} {job.notes} {job.id}".lower())
            self._texts[job.id] = kept
        self._orders: dict[tuple[str, str], list[Found]] = {}
        self._ranks: dict[tuple[str, bool], tuple[list[_Rank], list[Found]]] = {}
        self._running = {
            kind: [place for place, each in enumerate(listed) if each[1].state == "running"]
            for kind, listed in self._kinds.items()
        }
        self._hits: dict[tuple[str, ...], frozenset[str]] = {}
        self._found: dict[tuple[str, str, tuple[str, ...]], Sequence[Found]] = {}

    def find(self, kind: str, words: tuple[str, ...], sort: str) -> Sequence[Found]:
        name, down = sort.lstrip("-"), sort.startswith("-")
        key = (kind, sort, words)
        if key in self._found:
            return self._found[key]
        found: Sequence[Found]
        if name == "score":
            found = self._by_score(kind, down)
        else:
            found = self._sorted(kind, name if name in _KEYS else "age", down)
        if words:
            hits = self._hits_of(words)
            found = [each for each in found if each[0].id in hits]
        if name != "score" or not self._running[kind]:
            if len(self._found) >= _KEPT:
                self._found.clear()
            self._found[key] = found
        return found

    def _sorted(self, kind: str, name: str, down: bool) -> list[Found]:
        key = (kind, f"{'-' if down else ''}{name}")
        if key not in self._orders:
            # As they come, they are the newest first.
            self._orders[key] = sorted(self._kinds[kind], key=_KEYS[name], reverse=down)
        return self._orders[key]

    def _by_score(self, kind: str, down: bool) -> Sequence[Found]:
        if (kind, down) not in self._ranks:
            at_rest = set(range(len(self._kinds[kind]))) - set(self._running[kind])
            ranks = sorted(self._rank(kind, place, down) for place in at_rest)
            self._ranks[kind, down] = (ranks, [each for _, _, each in ranks])
        ranks, found = self._ranks[kind, down]
        if not self._running[kind]:
            return found
        # Few run at a time; theirs are the only scores that change.
        found = list(found)
        for rank in sorted(self._rank(kind, place, down) for place in self._running[kind]):
            place = bisect.bisect(ranks, rank)
            ranks = [*ranks[:place], rank, *ranks[place:]]
            found.insert(place, rank[2])
        return found

    def _rank(self, kind: str, place: int, down: bool) -> _Rank:
        """Return what a job is sorted by; those of one score, or none, stay as they come."""
        each = self._kinds[kind][place]
        score = self._score(*each)
        value = _NONE if score is None else score
        return (-value if down else value), place, each

    def _hits_of(self, words: tuple[str, ...]) -> frozenset[str]:
        found = self._hits.get(words)
        if found is None:
            found = frozenset(
                id_ for id_, (_, text) in self._texts.items() if all(word in text for word in words)
            )
            if len(self._hits) >= _KEPT:
                self._hits.clear()
            self._hits[words] = found
        return found


_KEYS: dict[str, Callable[[Found], Any]] = {
    "age": lambda found: found[0].id,
    "name": lambda found: found[0].name.lower(),
    "state": lambda found: found[1].state,
}
