"""The runner: all notebooks of a quarter, executed, verified and put in place.

In the order a run goes: `declared` reads which parameters a notebook takes, `request` settles what would run and refuses
everything else, `execution` runs notebooks in worker processes, `verdict` says whether one really succeeded,
`publication` writes what the site may read, `quarter` does a whole run.
"""

from .declared import Parameter, parameters
from .execution import refresh
from .quarter import MANIFEST, headline, run
from .request import GIVEN, Request, resolve

__all__ = ["GIVEN", "MANIFEST", "Parameter", "Request", "headline", "parameters", "refresh", "resolve", "run"]
