"""Pay of a quarter, closed for good: `OUT/closed/<quarter>/`, and the statements of a quarter that is still open.

`computing` turns a dataset into the quarter's ledger, `people` that into one statement per person, `doubts` says what has to be
settled first, `files` writes, `seals` says whether what was closed is as it was, `quarters` closes. What is learned later never
changes a closed quarter: it becomes lines of the open one (`compensation.corrections`).
"""

from .doubts import told
from .quarters import again, close, write_statements
from .seals import Closed, verify

__all__ = ["Closed", "again", "close", "told", "verify", "write_statements"]
