"""Where a daemon may be killed: around each durable write, around each request that changes the world, at any time."""

MIGRATE, TAKE_OVER, OPEN_CYCLE, CLOSE_CYCLE, ADMIT, RESUME = (
    "migrate",
    "take over",
    "open cycle",
    "close cycle",
    "admit",
    "resume",
)
MOVES = (
    "admitted>applying",
    "applying>verifying",
    "uncertain>verifying",
    "rolling_back>rolled_back",
    "renewing>in_force",
)
FOLLOW_UPS = ("confirm", "roll_back", "renew", "let_lapse")
WRITES = (TAKE_OVER, OPEN_CYCLE, ADMIT, *MOVES, *FOLLOW_UPS, RESUME, CLOSE_CYCLE)
POLICY, ASKED_AGAIN, RENEWAL, ROLL_BACK = "policy", "policy asked again", "renewal", "roll-back"
SENDS = (POLICY, ASKED_AGAIN, RENEWAL, ROLL_BACK)

BETWEEN, BEFORE, AFTER = "between two statements", "before the commit", "after the commit"
SENDING, UNDER_WAY, ANSWERED = "before it is sent", "under way", "answered, and nobody has read it"
ANY_TIME = "at any time"


def at(what: str, moment: str) -> str:
    """Return the name of a point."""
    return f"{what}: {moment}"


MIGRATION = tuple(at(MIGRATE, moment) for moment in (BETWEEN, BEFORE, AFTER))
POINTS = (
    *MIGRATION,
    *(at(what, BETWEEN) for what in (TAKE_OVER, ADMIT, "applying>verifying")),
    *(at(what, moment) for what in WRITES for moment in (BEFORE, AFTER)),
    *(at(what, moment) for what in SENDS for moment in (SENDING, UNDER_WAY, ANSWERED)),
    ANY_TIME,
)
