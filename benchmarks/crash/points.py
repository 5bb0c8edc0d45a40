"""Where a daemon may be killed: around each durable write, around each request that changes the world, at any time."""

MIGRATE, TAKE_OVER, OPEN_CYCLE, CLOSE_CYCLE = "migrate", "take over", "open cycle", "close cycle"
ADMIT, PROPOSE, BEGIN, RESUME, RENEW_LEASE = "admit", "propose", "begin", "resume", "renew the lease"
MOVES = (
    "admitted>applying",
    "applying>applying",
    "applying>verifying",
    "uncertain>applying",
    "uncertain>verifying",
    "rolling_back>rolling_back",
    "rolling_back>rolled_back",
    "rolling_back>frozen",
    "frozen>rolled_back",
    "renewing>in_force",
)
"""Moves of the executor; one from a state to itself keeps how far a plan of several parts has come."""
FOLLOW_UPS = ("confirm", "settle", "roll_back", "ask_to_undo", "renew", "let_lapse")
"""Moves that the loop asks for."""
PAUSE, LIFT, CONSENT, FEEDBACK = "pause", "lift a pause", "consent", "feedback"
RETRY, CLAIM, SETTLED = "retry a letter", "claim a letter", "settle a letter"
ORDERS, LETTERS = (PAUSE, LIFT, CONSENT, FEEDBACK), (RETRY, CLAIM, SETTLED)
WRITES = (
    *(TAKE_OVER, OPEN_CYCLE, ADMIT, PROPOSE, BEGIN),
    *(*MOVES, *FOLLOW_UPS, *ORDERS, *LETTERS),
    *(RESUME, CLOSE_CYCLE),
)
POLICY, FURTHER, ASKED_AGAIN = "policy", "policy of a further part", "policy asked again"
RENEWAL, ROLL_BACK = "renewal", "roll-back"
SENDS = (POLICY, FURTHER, ASKED_AGAIN, RENEWAL, ROLL_BACK)

BETWEEN, BEFORE, AFTER = "between two statements", "before the commit", "after the commit"
SENDING, UNDER_WAY, ANSWERED = "before it is sent", "under way", "answered, and nobody has read it"
ANY_TIME = "at any time"


def at(what: str, moment: str) -> str:
    """Return the name of a point."""
    return f"{what}: {moment}"


MIGRATION = tuple(at(MIGRATE, moment) for moment in (BETWEEN, BEFORE, AFTER))
LEASE = tuple(at(RENEW_LEASE, moment) for moment in (BEFORE, AFTER))
EVERYWHERE = (
    *MIGRATION,
    *(at(what, BETWEEN) for what in (TAKE_OVER, ADMIT, "applying>verifying")),
    *(at(what, moment) for what in WRITES for moment in (BEFORE, AFTER)),
    *(at(what, moment) for what in SENDS for moment in (SENDING, UNDER_WAY, ANSWERED)),
    ANY_TIME,
)


def points_of(store: str) -> tuple[str, ...]:
    """Return the points that a store has; where one daemon holds a file, there is no lease to renew."""
    return EVERYWHERE + LEASE if store == "postgresql" else EVERYWHERE
