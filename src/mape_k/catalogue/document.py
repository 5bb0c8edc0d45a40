"""``pack.yaml`` as people write it. The JSON Schema for editors is generated from these classes.

Names that a document refers to are checked while it is read: the validation context holds the names of each section.
"""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mape_k.catalogue import promql
from mape_k.catalogue.fields import (
    AlertName,
    CallPath,
    Duration,
    FileName,
    HeaderName,
    HeaderValue,
    JobRef,
    JsonKey,
    LabelName,
    Lookback,
    Name,
    PackName,
    PositiveDuration,
    Query,
    RemediationRef,
    ServerName,
    ServerRef,
    SignalRef,
    StatusPath,
    SymptomRef,
    Target,
    Title,
    Unit,
    check_slots,
)


class Document(BaseModel):
    """A mapping of the file: unknown keys are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, validate_default=True)


def _exactly_one(document: Document, *keys: str) -> None:
    given = [key for key in keys if getattr(document, key) is not None]
    if len(given) != 1:
        raise ValueError(f"expected exactly one of {', '.join(keys)}; found {' and '.join(given) or 'none'}")


def _lasting(default: str, description: str | None = None, alias: str | None = None) -> Any:  # noqa: ANN401
    """Return a field whose default is written as people write durations; validation makes seconds of it."""
    return Field(default=default, description=description, alias=alias)


class JobDocument(Document):
    """A scrape job whose health decides how fresh its signals are."""

    scrape_interval: PositiveDuration


class BudgetsDocument(Document):
    """How many actions may be begun."""

    remediation: int = Field(default=20, ge=1, le=1000, description="Of one remediation, wherever.")
    target: int = Field(default=10, ge=1, le=1000, description="On one target, whatever.")
    per: Lookback = _lasting("1h")


class StormDocument(Document):
    """When so many targets look ill at once that the observer is suspected first."""

    enter: float = Field(default=0.6, gt=0, le=1, description="Share of the known targets with findings.")
    leave: float = Field(default=0.3, ge=0, lt=1, description="At most this share must be ill again …")
    calm: Duration = _lasting("5m", "… for so long.")

    @model_validator(mode="after")
    def _leaves_below_its_entrance(self) -> Self:
        if self.leave >= self.enter:
            raise ValueError("expected leave below enter; else it would come and go")
        return self


class InventoryDocument(Document):
    """When so many known targets vanish that what is seen is not trusted."""

    drop: float = Field(default=0.3, gt=0, le=1, description="More than this share of them …")
    within: Lookback = _lasting("10m", "… of the most that were known so lately.")


class FlappingDocument(Document):
    """When something comes and goes so often that a person is asked first."""

    opened: int = Field(default=4, ge=2, le=1000, description="Incidents about one symptom on one target.")
    per: Lookback = _lasting("1h")


class DampingDocument(Document):
    """How steady a finding must be before it is acted upon."""

    seen: int = Field(default=1, ge=1, le=100, description="In so many cycles …")
    of: int = Field(default=1, ge=1, le=100, description="… of the last so many.")

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.seen > self.of:
            raise ValueError(f"{self.seen} of {self.of} cycles can never be; expected seen at most of")
        return self


class OutcomesDocument(Document):
    """When so much did not help that nothing more is begun."""

    bad: float = Field(default=0.6, gt=0, le=1, description="More than this share of the judged actions …")
    judged: int = Field(default=10, ge=1, le=1000, description="… once there are so many …")
    within: Lookback = _lasting("1h", "… so lately.")


class StagesDocument(Document):
    """How one remediation comes to several targets: first to one, then to a share of them, then to the rest."""

    share: float = Field(default=0.25, gt=0, le=1, description="The second stage; 1: no stages.")
    within: Lookback = _lasting("1h", "How long a success or a failure counts.")


class LimitsDocument(Document):
    """How much may be done at once, and when nothing may."""

    max_targets: int = Field(default=6, ge=1, le=10_000, description="Targets touched at once, open actions included.")
    max_share: float = Field(default=0.5, gt=0, le=1, description="The same as a share of the known targets.")
    share_from: int = Field(default=5, ge=1, le=10_000, description="Known targets from which the share counts.")
    settle_after_blindness: Duration = _lasting("1m", "Sight must be back this long before deciding.")
    plan_lifetime: PositiveDuration = _lasting("1m", "After that an action must not be applied.")
    inhibited_wait: Duration = _lasting("1h", "An inhibited alert makes a remediation wait no longer than this.")
    budgets: BudgetsDocument = BudgetsDocument()
    storm: StormDocument = StormDocument()
    inventory: InventoryDocument = InventoryDocument()
    flapping: FlappingDocument = FlappingDocument()
    damping: DampingDocument = DampingDocument()
    outcomes: OutcomesDocument = OutcomesDocument()
    stages: StagesDocument = StagesDocument()


class SignalDocument(Document):
    """One PromQL query with what its answer means."""

    query: Query
    unit: Unit = Field(description="For people: attempts/s, seconds, ratio.")
    job: JobRef = Field(description="The scrape job that its series come from.")
    target_label: LabelName | None = Field(default=None, description="Omit when one row speaks for the whole system.")
    window: Duration = _lasting("0s", "The longest range that the query looks back over.")
    on_missing: Literal["hold", "breach", "ignore"] = Field(default="hold", description="What no answer means.")
    trend: bool = Field(default=False, description="Keep its recent past, for deviation and slope.")

    @field_validator("window")
    @classmethod
    def _covers_the_query(cls, window: float, info: ValidationInfo) -> float:
        reach = promql.lookback_seconds(info.data.get("query", ""))
        if window < reach:
            raise ValueError(f"the query looks back over {reach:g}s; expected a window at least as long")
        return window


class BoundDocument(Document):
    """A limit on a signal."""

    signal: SignalRef
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _has_one_side(self) -> Self:
        _exactly_one(self, "above", "below")
        return self


class ThresholdDocument(Document):
    """A limit on the symptom's own signal and how long it must be passed."""

    above: float | None = None
    below: float | None = None
    held_for: Duration = _lasting("0s", alias="for")

    @model_validator(mode="after")
    def _has_one_side(self) -> Self:
        _exactly_one(self, "above", "below")
        return self


class TargetDocument(Document):
    """How the target of a symptom is found."""

    label: LabelName | None = Field(default=None, description="This label of the alert names it.")
    fixed: Target | None = Field(default=None, description="It is always this one.")
    dominant: SignalRef | None = Field(default=None, description="The one with the greatest value of this signal.")

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        _exactly_one(self, "label", "fixed", "dominant")
        return self


class SymptomDocument(Document):
    """Something that can be wrong, how it is noticed, and what may help."""

    severity: Literal["info", "warning", "critical"]
    target: TargetDocument
    alert: AlertName | None = Field(default=None, description="The alert that reports it.")
    window: Duration = _lasting("0s", "How far the alert's expression looks back.")
    signal: SignalRef | None = Field(default=None, description="The signal that measures it.")
    threshold: ThresholdDocument | None = Field(default=None, description="Noticed without an alert too.")
    deviation: float | None = Field(default=None, gt=0, le=1000, description="Robust sigmas; evidence only.")
    violations: list[Title] = Field(default=[], description="Violations of these severities are evidence.")
    explains: list[SymptomRef] = Field(default=[], description="Symptoms that this one brings about.")
    remediations: list[RemediationRef] = Field(default=[], description="What may help, best first.")
    runbook: FileName | None = Field(default=None, description="In the folder runbooks/.")

    @field_validator("threshold", "deviation")
    @classmethod
    def _measures_something(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("signal", "unreadable") is None:
            raise ValueError("needs the key signal: what is measured")
        return value

    @model_validator(mode="after")
    def _can_be_noticed(self) -> Self:
        if not (self.alert or self.threshold or self.violations):
            raise ValueError("can never be noticed; give it an alert, a threshold or violations")
        return self


class PolicyDocument(Document):
    """The policy that is sent."""

    kind: Name
    scope_label: LabelName = Field(default="node_or_service", description="Names the target in the policy's scope.")
    parameters: dict[Name, JsonValue] = {}


class CompensationDocument(Document):
    """The policy that undoes it."""

    kind: Name
    parameters: dict[Name, JsonValue] = {}


class IdempotencyDocument(Document):
    """How a server takes idempotency keys: the same key twice has one effect."""

    header: HeaderName = Field(default="Idempotency-Key", description="Carries the key.")
    echo: JsonKey = Field(description="The key of the JSON answer that repeats it.")


class StatusDocument(Document):
    """How a server is asked later what became of what it did."""

    path: StatusPath = Field(description="With {id}; asked with GET.")
    field: JsonKey = Field(description="The key of the JSON answer that tells.")
    in_force: list[Title] = Field(min_length=1, description="What it says while it holds.")
    undone: list[Title] = Field(min_length=1, description="What it says once it is undone or over.")


class ServerDocument(Document):
    """The manners of one server; where it is, only the settings say (MAPE_K_HTTP_SERVERS)."""

    idempotency: IdempotencyDocument | None = Field(default=None, description="Omit where it knows no keys.")
    id: JsonKey | None = Field(default=None, description="The key of the JSON answer that names what was done.")
    status: StatusDocument | None = Field(default=None, description="How to ask later.")


def _slots_in(value: JsonValue) -> None:
    """Refuse unknown slots anywhere in a body."""
    if isinstance(value, str):
        check_slots(value)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _slots_in(item)


class CallDocument(Document):
    """A request to a server; slots such as {target} are filled when it is sent."""

    server: ServerRef | None = Field(default=None, description="Default: the server of the remediation's request.")
    method: Literal["POST", "PUT", "PATCH", "DELETE"] | None = Field(
        default=None, description="Default: the method of the remediation's request, there POST."
    )
    path: CallPath = Field(description="From the root of the server's address; what fills a slot is percent-encoded.")
    headers: dict[HeaderName, HeaderValue] = {}
    body: dict[str, JsonValue] | None = Field(default=None, description="JSON; omit for none.")

    @field_validator("body")
    @classmethod
    def _has_known_slots(cls, body: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        _slots_in(body)
        return body


class RequestDocument(CallDocument):
    """The request that is sent in the place of a policy."""

    server: ServerRef = Field(description="One of this pack's servers.")
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"


class PriorDocument(Document):
    """Belief before any outcome."""

    success: float = Field(default=0.5, gt=0, lt=1, description="A probability.")
    weight: float = Field(default=1.0, gt=0, le=1000, description="The number of outcomes that it is worth.")


class VerificationDocument(Document):
    """What must be seen after an action for it to count as a success."""

    bounds: list[BoundDocument] = Field(alias="all", min_length=1, description="All must hold at once.")
    samples: int = Field(default=3, ge=1, le=1000, description="At least so many looks, each on newer samples.")
    hold: Duration = _lasting("0s", "From the first of them to the last.")
    deadline: PositiveDuration = _lasting("10m", "After the action.")
    worse_ratio: float | None = Field(default=None, gt=1, le=1000, description="Beyond baseline × this it is harm.")


class LifetimeDocument(Document):
    """How long a policy lives and what happens before it ends."""

    ttl: PositiveDuration
    on_expiry: Literal["renew_while_needed", "lapse", "escalate"]
    needed: BoundDocument | None = Field(default=None, description="While this holds, it is needed; omit when unseen.")
    max_renewals: int = Field(default=24, ge=0, le=10_000, description="After so many a person is asked.")


class AttemptsDocument(Document):
    """How often on the same target."""

    max: int = Field(default=3, ge=1, le=1000)
    per: Lookback = _lasting("1h")


def _policy_or_call(value: object) -> str:
    """Return the mark of what is written there; a mark is never a key of a pack."""
    if isinstance(value, str):
        return "word"
    return "call" if isinstance(value, CallDocument) or (isinstance(value, dict) and "path" in value) else "mapping"


def _word_or_mapping(value: object) -> str:
    return "word" if isinstance(value, str) else "mapping"


Undoing: TypeAlias = Annotated[
    Annotated[CompensationDocument, Tag("mapping")] | Annotated[CallDocument, Tag("call")],
    Discriminator(_policy_or_call),
]
Compensation: TypeAlias = Annotated[
    Annotated[Literal["nothing", "irreversible"], Tag("word")]
    | Annotated[CompensationDocument, Tag("mapping")]
    | Annotated[CallDocument, Tag("call")],
    Discriminator(_policy_or_call),
]


class PolicyPartDocument(Document):
    """A further policy of a remediation, for the same target and lifetime."""

    kind: Name
    parameters: dict[Name, JsonValue] = {}
    compensation: Undoing | None = Field(default=None, description="What undoes this part.")


class CallPartDocument(CallDocument):
    """A further request of a remediation, for the same target and lifetime."""

    compensation: Undoing | None = Field(default=None, description="What undoes this part.")


Part: TypeAlias = Annotated[
    Annotated[PolicyPartDocument, Tag("mapping")] | Annotated[CallPartDocument, Tag("call")],
    Discriminator(_policy_or_call),
]
Lifetime: TypeAlias = Annotated[
    Annotated[Literal["once"], Tag("word")] | Annotated[LifetimeDocument, Tag("mapping")],
    Discriminator(_word_or_mapping),
]


class RemediationDocument(Document):
    """One thing that can be done about a symptom."""

    effector: Literal["charter", "http"] = Field(default="charter", description="Who is asked: by policy or request.")
    policy: PolicyDocument | None = Field(default=None, description="What is sent to the Charter.")
    request: RequestDocument | None = Field(default=None, description="What is sent to a server.")
    prior: PriorDocument = PriorDocument()
    cost: float = Field(ge=0, le=1, description="Harm of doing it, from free to as bad as the worst incident.")
    blast_radius: int = Field(default=1, ge=1, le=10_000, description="How many targets it touches.")
    settle: Duration = _lasting("0s", "How long its effect needs to show.")
    verify: VerificationDocument
    compensation: Compensation = Field(description="What undoes it, or: nothing (to undo), irreversible.")
    then: list[Part] = Field(
        default=[], max_length=9, description="Sent in this order, each once those before it are in force."
    )
    rollback: Literal["auto", "approve", "never"] = Field(
        default="auto", description="Who decides that it is undone when it did not help: the loop, a person, nobody."
    )
    probation: Duration = _lasting("5m", "How long it is watched whether a success lasts.")
    lifetime: Lifetime = Field(description="How long it lives, or: once.")
    cooldown: Duration = _lasting("10m", "Between two on the same target.")
    attempts: AttemptsDocument = AttemptsDocument()
    on_inhibited: Literal["wait", "ignore"] = Field(default="wait", description="While the alert is inhibited.")

    @model_validator(mode="after")
    def _says_what_is_sent(self) -> Self:
        wanted, other = ("policy", "request") if self.effector == "charter" else ("request", "policy")
        if getattr(self, wanted) is None:
            raise ValueError(f"the effector {self.effector} needs the key {wanted}: what is sent")
        if getattr(self, other) is not None:
            raise ValueError(f"the effector {self.effector} takes no {other}; remove it, or name the other effector")
        return self


class PackDocument(Document):
    """A pack: what the loop has to know about one watched system and no native format can say."""

    pack: PackName
    title: Title
    jobs: dict[Title, JobDocument] = {}
    limits: LimitsDocument = LimitsDocument()
    servers: dict[ServerName, ServerDocument] = {}
    signals: dict[Name, SignalDocument] = {}
    symptoms: dict[Name, SymptomDocument] = {}
    remediations: dict[Name, RemediationDocument] = {}
