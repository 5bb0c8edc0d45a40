"""Where the stories of incidents are listed: each with the guard that holds it, and where it happened."""

from collections.abc import Callable
from dataclasses import dataclass

from history.scenario import Play


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An incident as a scenario; its docstring tells what happens.

    Args:
        name: for ``--only``.
        after: where it happened, or what for.
        play: the scenario.
    """

    name: str
    after: str
    play: Play


STORIES: dict[str, Story] = {}
"""Every story by its name, in the order in which they are told."""


def story(after: str) -> Callable[[Play], Play]:
    """List a function as a story; its name becomes the story's."""

    def listed(play: Play) -> Play:
        name = play.__name__.replace("_", "-")
        STORIES[name] = Story(name=name, after=after, play=play)
        return play

    return listed
