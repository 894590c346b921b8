"""The inlet: the only room that reads source files, mappings and datasets.

In the order data flows: `config` reads YAML (`strict`: its values with their lines), `profile` and `mapping` understand a
mapping file, `members` finds the tables of an export and `delimited` and `landed` turn each into `records` of text, `sniff`
decides how numbers and dates are written, `cast` turns text into canonical types, `checks` says what is wrong with a row and
`remarks` what is remarkable (`codes`: by which code), `loading` takes a file through all of it, `reconcile` keeps the books,
`history` and `copies` give the history one shape, `pseudonyms` stand in place of people (`people`: the same ones at every
import), `exports` imports a whole export, `dataset` reads canonical tables back, `forgetting` takes a person out of them.
"""

from .config import read_yaml, yaml_lines
from .dataset import QUARANTINE, check, read_dataset, read_table
from .exports import explain, import_export, reveal
from .forgetting import forget, mentions
from .reconcile import IntegrityError
from .strict import Strict, Way

__all__ = [
    "QUARANTINE", "IntegrityError", "Strict", "Way", "check", "explain", "forget", "import_export", "mentions", "read_dataset",
    "read_table", "read_yaml", "reveal", "yaml_lines",
]  # fmt: skip
