"""The runner: all notebooks of a quarter, executed, verified and put in place.

In the order a run goes: `request` settles what would run and refuses everything else, `execution` runs notebooks in
worker processes, `verdict` says whether one really succeeded, `publication` writes what the site may read, `quarter`
does a whole run.
"""

from .execution import refresh
from .quarter import MANIFEST, headline, run
from .request import GIVEN, Parameter, Request, parameters, resolve

__all__ = ["GIVEN", "MANIFEST", "Parameter", "Request", "headline", "parameters", "refresh", "resolve", "run"]
