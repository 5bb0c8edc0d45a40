"""The guard rules: pure functions of a proposal and the ledger, asked by Plan and again in Execute's transaction."""

from mape_k.guards.budgets import budgets
from mape_k.guards.proposal import Proposal
from mape_k.guards.rules import GUARDS, HOLDS, QUESTIONS, held_packs, pack_hold, question, refusal
from mape_k.guards.stages import may_start, plan_refusal

__all__ = [
    "GUARDS",
    "HOLDS",
    "QUESTIONS",
    "Proposal",
    "budgets",
    "held_packs",
    "may_start",
    "pack_hold",
    "plan_refusal",
    "question",
    "refusal",
]
