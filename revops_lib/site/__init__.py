"""The site: the playbook, the methods, the data dictionary and what each quarter showed, as one book.

In the order a build goes: `freshness` says which pages have to be looked at, `text` makes what was typed into a CRM harmless,
`reports` writes the pages of the runs from what they published, `live` puts their numbers into people's pages, `tools`,
`status` (with `links` and `placeholders`) and `calculator` (with `plans`, in French by `paywords`) write pages of their own,
`markup` reads pages as MyST does, `book` assembles all pages and their contents, `french` makes the French edition of it
(`catalogues` keep the translations), `building` builds both, `editions` links them page by page,
and what was built is scanned and put in place.
`editing` is what `revops playbook` writes. The scan: `values` looks for texts however they are written, `patterns` for what
looks like a secret or an address, `active` for what a browser would run or fetch, `scan` goes through the files, `personal`
says whose names to look for.
"""

from .building import AUDIENCES, SiteFailed, build, clean, published
from .scan import Finding, SiteRefused, scan
from .text import plain
from .values import Value

__all__ = ["AUDIENCES", "Finding", "SiteFailed", "SiteRefused", "Value", "build", "clean", "plain", "published", "scan"]
