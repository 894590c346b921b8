"""The inlet: the only room that reads source files, mappings and datasets.

In the order data flows: `config` reads YAML, `mapping` understands a mapping file, `delimited` turns a file into
records of text, `cast` turns text into canonical types, `checks` says what is wrong with a row, `reconcile` keeps the
books, `history` adds the creation rows a history lacks, `exports` imports a whole export, `dataset` reads canonical
tables back.
"""

from .config import read_yaml
from .dataset import QUARANTINE, check, read_dataset, read_table
from .exports import import_export
from .reconcile import IntegrityError

__all__ = ["QUARANTINE", "IntegrityError", "check", "import_export", "read_dataset", "read_table", "read_yaml"]
