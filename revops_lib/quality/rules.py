"""The rules: what a row must not do, which dimension of quality that is, why it hurts and what to do.

The dimensions are the usual ones (Batini & Scannapieco 2016): completeness, validity, consistency, timeliness, uniqueness.
"""

from __future__ import annotations

from typing import NamedTuple

DIMENSIONS = ("completeness", "validity", "consistency", "timeliness", "uniqueness")
LATE_DAYS, TWIN_DAYS, STALE_DAYS, IDLE_DAYS, PUSHES, QUICK_SECONDS = 3, 5, 365, 90, 3, 60


class Rule(NamedTuple):
    """`table`: whose rows are looked at."""

    table: str
    dimension: str
    meaning: str
    action: str


_TOLD: dict[tuple[str, str], dict[str, tuple[str, str]]] = {
    ("opportunities", "completeness"): {
        "account missing": ("The deal cannot be counted by segment or industry.", "Attach the account."),
        "owner missing": ("Nobody follows the deal, nobody is credited.", "Assign an owner."),
        "creation date missing": ("Age is unknown; the deal is absent from past days.", "Export the creation date."),
        "stage missing": ("The deal is nowhere in the sales process.", "Give it a stage."),
        "amount missing on an open deal": (
            "The deal adds nothing to the value of the pipeline.", "Ask for an amount from the second stage on."),
        "amount missing on a won deal": ("A win that adds nothing to what was sold.", "Enter the amount of the contract."),
        "amount without currency": ("It is left out of every sum.", "Export the currency, or name it in the mapping."),
        "close date missing on an open deal": (
            "The forecast takes the deal as due later.", "Ask for an expected close date."),
        "close date missing on a closed deal": ("The deal is won or lost in no quarter.", "Export the day it closed."),
        "reason missing on a lost deal": ("Nobody learns from the loss.", "Require the reason when a deal is lost."),
        "no stage history": (
            "Placed by its creation and close dates; its way through the stages is not known.",
            "Export the history of every deal."),
        "history begins after the deal": (
            f"The first change is logged more than {LATE_DAYS} days after creation, or the log began later: earlier steps "
            "are not known.", "Export the history from its beginning."),
        "won deal without a credit": (
            "Nobody is paid for it (wins since the first credited one).", "Record who is credited."),
    },
    ("reps", "completeness"): {
        "seller without a quota": ("No quota for the quarter: no attainment, no pay.", "Set the quota."),
        "rep without a team": ("The rep's deals are in no team's numbers.", "Assign a team."),
    },
    ("opportunities", "validity"): {
        "unknown stage": ("The deal names a stage that the stages lack.", "List the stage in the mapping."),
        "closed in the future": ("A closed deal cannot carry a later date.", "Correct the close date."),
        "amount zero on a lost deal": (
            "The value of what was lost is unknown: no win rate by value.", "Keep the last offered amount."),
        "amount zero or negative on a won deal": (
            "A win without money, or a credit note booked as a deal.", "Book credits apart from deals."),
        "amount in another currency": (
            "It cannot be summed with the others.", "Convert it, or import that currency apart."),
        "placeholder amount": (
            "Below 1 % of the product's usual deal: typed to get past a required field.",
            "Replace it by an estimate; ask the team why."),
        "amount a hundred times the usual": (
            "Above 100 times the product's usual deal: a slipped decimal point?", "Check it with the owner."),
    },
    ("subscriptions", "validity"): {
        "recurring revenue zero or negative": (
            "A paying subscription without money.", "Correct the amount, or mark it as a trial."),
    },
    ("opportunities", "consistency"): {
        "closed before it was created": ("Cycle time is negative.", "Correct one of the two dates."),
        "stage and status disagree": (
            "Its stage says another outcome than its status (open, won, lost).", "Correct the stage or the flag."),
        "unknown account": (
            "The deal names an account that the accounts lack.", "Add the account or map its spelling."),
        "unknown rep": ("The deal names an owner that the reps lack.", "Add the rep or map the spelling."),
        "unknown product": (
            "The deal names a product that the products lack.", "Add the product or map its spelling."),
        "owner has left": (
            "An open deal whose owner's last assignment has ended: nobody works on it.", "Hand it over, or close it."),
        "broken chain of stages": (
            "A change starts from a stage the deal was not in.", "Check the export of the history."),
        "moved back to an earlier stage": (
            "Time in stage and conversion count its way twice.", "Move a deal forward only when its exit criteria are met."),
        "changed before it was created": (
            "A change is dated before the day of creation.", "Check dates and time zone of both exports."),
        "changed after closing": (
            f"Amount or close date changed more than {LATE_DAYS} days after closing: results move afterwards.",
            "Book corrections apart; lock closed deals."),
        "history and export disagree": (
            "The history ends in another stage than the export shows.", "Export both on the same day."),
        "re-opened after closing": ("Counted once, in its last state.", "Prefer a new deal to re-opening an old one."),
        "shares do not sum to one": (
            "More or less than the whole deal is credited.", "Correct the split shares of the deal."),
    },
    ("reps", "consistency"): {
        "seller without any deal": (
            "Listed as a seller, owns no opportunity.", "End the assignment or correct the owner names."),
    },
    ("accounts", "consistency"): {
        "account of a rep who has left": ("Nobody looks after the customer.", "Hand the account over."),
    },
    ("opportunity_history", "consistency"): {
        "history of a deal that is not there": (
            "Deleted or merged deals left their history.", "Export deleted deals too."),
    },
    ("leads", "consistency"): {
        "lead steps out of order": (
            "Qualified before it was created, or accepted before it was qualified.", "Correct the dates."),
        "lead of an unknown opportunity": (
            "The lead became an opportunity that is not there: the funnel loses it.", "Export that opportunity too."),
    },
    ("subscriptions", "consistency"): {
        "subscription ends before it starts": ("It counts on no day.", "Correct one of the two dates."),
        "subscription of an unknown account": (
            "Its revenue belongs to no customer.", "Add the account or map its spelling."),
    },
    ("opportunities", "timeliness"): {
        "close date in the past on an open deal": (
            "The deal was promised for a day that has gone.", "Close it or give it an honest date."),
        "close date pushed often": (
            f"Moved to a later day more than {PUSHES} times: the date says nothing.",
            "Ask for the buyer's plan, or take it out of the forecast."),
        "open for more than a year": (
            "Few deals this old are won; they inflate the pipeline.", "Close it or restart it as a new deal."),
        "untouched for a quarter": (
            f"Open, and nothing changed for {IDLE_DAYS} days.", "Agree the next step with the buyer, or close it."),
        "closing recorded late": (
            f"Recorded more than {LATE_DAYS} days after the close date: until then the past looked worse.",
            "Close deals on the day, at quarter end above all."),
        "closed on the day it was created": (
            "Entered only when it was over: pipeline and cycle time never saw it.", "Enter deals when they begin."),
        "stages clicked through": (
            f"A stage was left within {QUICK_SECONDS} seconds: filled in afterwards, no time in stage.",
            "Move deals when they move, not all at once."),
    },
    ("opportunities", "uniqueness"): {
        "looks entered twice": (
            f"Same account, product and name within {TWIN_DAYS} days (without names: same owner and day).",
            "Merge the two, keep the older id."),
    },
}  # fmt: skip
RULES = {rule: Rule(*where, *told) for where, rules in _TOLD.items() for rule, told in rules.items()}
