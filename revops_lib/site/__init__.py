"""The site: the playbook, the methods, the data dictionary and what each quarter showed, as one book.

In the order a build goes: `text` makes what was typed into a CRM harmless, `reports` writes the pages of the runs from
what they published, `book` assembles all pages and their contents, `building` builds the book and puts it in place.
"""

from .building import AUDIENCES, SiteFailed, SiteRefused, build, published
from .text import plain

__all__ = ["AUDIENCES", "SiteFailed", "SiteRefused", "build", "plain", "published"]
