"""A first mapping for an export nobody has mapped yet, with a mark at everything that is not certain.

In the order it is made: `knowledge` is what the known mappings teach, `reading` takes in the files, `recognition` says which
table each may be, `columns` what its columns mean, `stages` lists the steps of the sales process, `planning` puts these
together; `company`, `notation` and `entries` find the words for it, `yamltext` their YAML, `writing` the whole text.
"""

from .writing import draft

__all__ = ["draft"]
