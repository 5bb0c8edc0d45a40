"""In which order and for how long a demo waits for its faults, in virtual time."""

from datetime import timedelta

from mape_k.demo.story import Addresses, Course, Fault, Story
from virtual_time import VirtualClock

NOWHERE = Addresses(prometheus="", alertmanager="", charter="", daemon="")


class Unwatched(Story):
    """A story in which each fault is healed so many seconds after its injection, or never."""

    def __init__(self, **heals_after: float | None) -> None:
        self.clock, self.heals_after, self.injected = VirtualClock(), heals_after, {}
        faults = [Fault(name=name, title=name, alert=name, wave=wave) for wave, name in enumerate(heals_after)]
        courses = [Course(fault=fault, pack="charter", symptom=fault.name) for fault in faults]
        super().__init__(courses, at=NOWHERE, http=None, clock=self.clock, told=lambda _: None)

    async def inject(self, course: Course) -> None:
        course.injected_at, self.injected[course.fault.name] = self.clock.now(), self.clock.monotonic()

    async def look(self) -> None:
        for course in self.courses:
            after = self.heals_after[course.fault.name]
            if course.injected_at and after and self.clock.now() - course.injected_at >= timedelta(seconds=after):
                course.verified_at = self.clock.now()


async def test_a_wave_begins_when_the_one_before_is_healed():
    story = Unwatched(first=20, second=10, third=10)
    await story.play(300)

    assert story.injected == {"first": 0, "second": 20, "third": 30}
    assert all(course.is_over for course in story.courses)


async def test_a_fault_that_is_never_healed_keeps_no_later_one_from_its_turn():
    story = Unwatched(first=None, second=10, third=10)
    await story.play(300)

    assert story.injected == {"first": 0, "second": 100, "third": 110}
    assert [course.is_over for course in story.courses] == [False, True, True]
