"""Optional connectors: a CRM's tables fetched through its web interface, as files that `import` reads.

One YAML file per CRM (`data/connectors`) says what is asked. In the order data flows: `connector` understands that file,
`pages` puts it in the words of dlt's REST source and turns the pages, `rest` logs in and asks, `rows` turns an answer into
rows of text, `landing` keeps them and publishes one Parquet file per table, `fetching` leads through all of it. dlt and
what it needs are imported only when something is fetched.
"""

from .fetching import fetch

__all__ = ["fetch"]
