"""Which labels the series of an expression have, as far as that can be known without a server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mape_k.packlint.promql import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    LabelModifierType,
    MatchOp,
    MatrixSelector,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorMatchCardinality,
    VectorSelector,
    bare,
    fixed_labels,
    is_scalar,
    matchers_of,
)

OF_THE_SCRAPE = frozenset({"job", "instance"})
OF_TARGETS = OF_THE_SCRAPE | frozenset(
    {"cluster", "namespace", "pod", "node", "container", "service", "env", "environment", "region", "zone", "host"}
    | {"datacenter", "dc", "stage", "tenant", "replica", "prometheus", "exported_job", "exported_instance", "hostname"}
)
"""Labels that come from the target, not from the exporter, and may or may not be there."""
_KEEP_SERIES = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What is known of the labels of some series.

    Args:
        surely: each of the series has them.
        possibly: none has others; None: any may be there.
        absent: none has these.
        fixed: the one value of a label, where it is known.
    """

    surely: frozenset[str] = frozenset()
    possibly: frozenset[str] | None = None
    absent: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)

    def may_have(self, label: str) -> bool:
        """Return whether a series can have the label."""
        return label not in self.absent and (self.possibly is None or label in self.possibly)


NOTHING = Labels(possibly=frozenset())
UNKNOWN = Labels()

OfSelector = Callable[[VectorSelector], Labels]


def exactly(labels: Mapping[str, str]) -> Labels:
    """Return the labels of series that have these and no others."""
    return Labels(surely=frozenset(labels), possibly=frozenset(labels), fixed=labels)


def labels_of(expr: Expr, of_selector: OfSelector) -> Labels:
    """Return the labels of the series of ``expr``, given those of a selector."""
    if isinstance(expr, ParenExpr | UnaryExpr | SubqueryExpr):
        return labels_of(expr.expr, of_selector)
    if isinstance(expr, MatrixSelector | VectorSelector):
        return of_selector(expr.vector_selector if isinstance(expr, MatrixSelector) else expr)
    if isinstance(expr, AggregateExpr):
        return _aggregated(expr, labels_of(expr.expr, of_selector))
    if isinstance(expr, Call):
        return _called(expr, of_selector)
    if isinstance(expr, BinaryExpr):
        return _combined(expr, of_selector)
    return NOTHING


def _aggregated(expr: AggregateExpr, inner: Labels) -> Labels:
    op = str(expr.op)
    if op in _KEEP_SERIES:
        return inner
    modifier = expr.modifier
    if modifier is not None and modifier.type == AggModifierType.Without:
        result = _without(inner, frozenset(modifier.labels))
    else:
        result = _only(inner, frozenset(modifier.labels if modifier else ()))
    if op == "count_values" and isinstance(expr.param, StringLiteral):
        result = _with(result, frozenset({expr.param.val}))
    return result


def _without(labels: Labels, dropped: frozenset[str]) -> Labels:
    return Labels(
        surely=labels.surely - dropped,
        possibly=None if labels.possibly is None else labels.possibly - dropped,
        absent=labels.absent | dropped,
        fixed={name: value for name, value in labels.fixed.items() if name not in dropped},
    )


def _only(labels: Labels, kept: frozenset[str]) -> Labels:
    """Who groups by a label has it, unless it is one that targets may have or not."""
    return Labels(
        surely=(labels.surely & kept) | frozenset(filter(labels.may_have, kept - OF_TARGETS)),
        possibly=frozenset(filter(labels.may_have, kept)),
        fixed={name: value for name, value in labels.fixed.items() if name in kept},
    )


def _with(labels: Labels, added: frozenset[str]) -> Labels:
    possibly = None if labels.possibly is None else labels.possibly | added
    return replace(labels, surely=labels.surely | added, possibly=possibly, absent=labels.absent - added)


def _called(call: Call, of_selector: OfSelector) -> Labels:
    name = call.func.name
    vectors = [each for each in call.args if not is_scalar(each)]
    if name in {"vector", "time", "scalar", "pi"} or not vectors:
        return NOTHING
    if name in {"absent", "absent_over_time"}:
        return _of_absent(vectors[0])
    inner = labels_of(vectors[0], of_selector)
    if name == "histogram_quantile":
        return _without(inner, frozenset({"le"}))
    if name in {"label_replace", "label_join"}:
        target = frozenset({getattr(bare(call.args[1]), "val", "")})
        added = None if inner.possibly is None else inner.possibly | target
        fixed = {key: value for key, value in inner.fixed.items() if key not in target}
        return Labels(surely=inner.surely - target, possibly=added, absent=inner.absent - target, fixed=fixed)
    return replace(inner, possibly=None, absent=frozenset()) if name == "info" else inner


def _of_absent(argument: Expr) -> Labels:
    inner = bare(argument)
    selector = inner.vector_selector if isinstance(inner, MatrixSelector) else inner
    return exactly(fixed_labels(selector)) if isinstance(selector, VectorSelector) else NOTHING


def _combined(expr: BinaryExpr, of_selector: OfSelector) -> Labels:
    left, right = (labels_of(side, of_selector) for side in (expr.lhs, expr.rhs))
    if is_scalar(expr.lhs) or is_scalar(expr.rhs):
        return right if is_scalar(expr.lhs) else left
    op, modifier = str(expr.op), expr.modifier
    if op in {"and", "unless"}:
        return left
    if op == "or":
        return _either(left, right)
    if modifier is not None and modifier.card != VectorMatchCardinality.OneToOne:
        many = left if modifier.card == VectorMatchCardinality.ManyToOne else right
        taken = frozenset(modifier.group_labels or ())
        possibly = None if many.possibly is None else many.possibly | taken
        return replace(many, possibly=possibly, absent=many.absent - taken)
    return _one_to_one(expr, left, right)


def _one_to_one(expr: BinaryExpr, left: Labels, right: Labels) -> Labels:
    matching = expr.modifier.matching if expr.modifier else None
    both = replace(left, surely=left.surely | right.surely) if matching is None else left
    if matching is None:
        return both
    if matching.type == LabelModifierType.Include:
        return _only(replace(left, surely=left.surely | right.surely), frozenset(matching.labels))
    return _without(left, frozenset(matching.labels))


def _either(left: Labels, right: Labels) -> Labels:
    either = None if left.possibly is None or right.possibly is None else left.possibly | right.possibly
    same = {key: value for key, value in left.fixed.items() if right.fixed.get(key) == value}
    return Labels(surely=left.surely & right.surely, possibly=either, absent=left.absent & right.absent, fixed=same)


def is_compared(expr: BinaryExpr, label: str) -> bool:
    """Return whether two series must agree on ``label`` to be combined."""
    matching = expr.modifier.matching if expr.modifier else None
    if matching is None:
        return True
    return (label in matching.labels) is (matching.type == LabelModifierType.Include)


def obstacle(expr: BinaryExpr, left: Labels, right: Labels) -> str:
    """Return why no series of the two sides can ever be combined; empty: they may be."""
    for label in sorted(left.surely | right.surely):
        if not is_compared(expr, label):
            continue
        for has, lacks, side in ((left, right, "left"), (right, left, "right")):
            if label in has.surely and not lacks.may_have(label):
                return f"only the {side} side has the label {label}"
        ours, theirs = left.fixed.get(label), right.fixed.get(label)
        if ours is not None and theirs is not None and ours != theirs:
            return f'the label {label} is "{ours}" on the left and "{theirs}" on the right'
    return _nothing_in_common(expr, left, right)


def _nothing_in_common(expr: BinaryExpr, left: Labels, right: Labels) -> str:
    """Who groups one side by this and the other by that wants them to meet, whichever labels there are."""
    if left.possibly is None or right.possibly is None:
        return ""
    ours, theirs = ({each for each in side if is_compared(expr, each)} for side in (left.possibly, right.possibly))
    if not ours ^ theirs or ours & theirs:
        return ""
    told = (f"by {', '.join(sorted(side))}" if side else "by nothing" for side in (ours, theirs))
    return "the left is grouped {}, the right {}".format(*told)


def asked_labels(selector: VectorSelector) -> frozenset[str]:
    """Return the labels that a selector's conditions make sure of."""
    return frozenset(fixed_labels(selector)) | {
        each.name for each in matchers_of(selector) if each.op == MatchOp.NotEqual and not each.value
    }
