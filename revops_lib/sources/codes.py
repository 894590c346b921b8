"""What an import can find, by code: faults of a row, and remarks that reject nothing; how a whole file is refused.

A row is set aside once, for the first fault found; `E_` codes count towards the limit of rejected rows, `W_` codes do not.
"""

from __future__ import annotations

from ..errors import DataRefused

MAX_TEXT = 4096
MAX_AMOUNT = 10**12

ROWS = {
    "E_FIELD_COUNT": "the row has more or fewer fields than the header",
    "E_HEADER_REPEATED": "the header again",
    "E_CONTROL_CHAR": "a control character in a text",
    "E_TEXT_TOO_LONG": f"a text of more than {MAX_TEXT} characters",
    "E_REQUIRED_MISSING": "a required value is missing",
    "E_ID_SCIENTIFIC": "an id a spreadsheet turned into a number such as 6.05E+12; digits are lost",
    "E_STAGE_UNKNOWN": "the stage is not in the list of stages",
    "E_AMOUNT_FORMAT": "not an amount with at most two decimals, written as the others or as the profile says",
    "E_AMOUNT_RANGE": f"an amount beyond {MAX_AMOUNT}",
    "E_CURRENCY_UNKNOWN": "not the code of a known currency",
    "E_DATE_FORMAT": "not a date written as the others or as the profile says, year with four digits",
    "E_DATE_RANGE": "a date outside the profile's date_window",
    "E_TIME_NONEXISTENT": "a local time skipped when the clocks went forward",
    "E_TIME_AMBIGUOUS": "a local time that came twice when the clocks went back",
    "E_TIME_FUTURE": "later than the day the export was made (--as-of)",
    "E_VALUE_FORMAT": "not a value this column can hold",
    "E_STATE_CONFLICT": "the status or a flag contradicts the stage",
    "E_AMOUNT_MISSING_WON": "a won deal without amount",
    "E_CLOSE_BEFORE_CREATE": "closed before it was created",
    "E_OWNER_UNKNOWN": "the owner is not among the reps",
    "E_ACCOUNT_UNKNOWN": "the account is not among the accounts",
    "E_OPPORTUNITY_UNKNOWN": "the opportunity is not among the opportunities",
    "E_REFERENCE_UNKNOWN": "it names something that its table lacks",
    "E_DUP_CONFLICT": "the same key with different content",
    "W_ROW_SKIPPED": "left out because the mapping says so, such as a deleted record",
    "W_ALREADY_DATED": "an earlier file of this history dates the field already",
}
REMARKS = {
    "W_ENCODING_GUESSED": "the encoding was not declared and is not UTF-8: read as the most usual one",
    "W_MOJIBAKE": "a text decoded wrongly before the export; kept as it is",
    "W_DUP_EXACT": "a row that repeats another exactly; counted once",
    "W_DATE_FROM_TIMESTAMP": "a timestamp where a day belongs: the day it has in the company's time zone",
    "W_AMOUNT_NEGATIVE": "a negative amount, such as a credit note",
    "W_AMOUNT_MISSING": "an open deal without amount; missing, never 0",
    "W_AMOUNT_ZERO_WON": "a won deal with amount 0",
    "W_CURRENCY_NO_RATE": "no exchange rate is known for the amount; converted it is missing, never 1 to 1",
    "W_ACCOUNT_MERGED": "names an account that was merged; counted to the one it became",
    "W_PII": "an e-mail address or telephone number in a text; never published",
    "W_HISTORY_MISMATCH": "the history ends in another stage than the deal has",
    "W_HISTORY_GAP": "a change starts from another value than the one before left",
    "W_REOPENED": "closed and opened again; counted once, in its last state",
    "W_FIELD_IGNORED": "a change of a field that no analysis reads; kept",
}
_UNKNOWN = {"reps": "E_OWNER_UNKNOWN", "accounts": "E_ACCOUNT_UNKNOWN", "opportunities": "E_OPPORTUNITY_UNKNOWN"}


def unknown(table: str) -> str:
    """The code of a row that names something `table` lacks."""
    return _UNKNOWN.get(table, "E_REFERENCE_UNKNOWN")


def refusal(code: str, what: str, where: str, do: str) -> DataRefused:
    """The refusal of a whole file; its message begins with the code."""
    return DataRefused(f"{code}: {what}", where, do)
