"""The runner: all notebooks of a quarter, executed, verified and put in place.

In the order a run goes: `declared` reads which parameters a notebook takes, `request` settles what would run and refuses
everything else, `inputs` says by hash what is read, `execution` runs notebooks in worker processes (`job` is what they are
told, `nursery` forks them, `worker` is one, `warm` its kernel, `capped` its client, `processes` ends what is left), `verdict`
says whether one really succeeded, `publication` writes what the site may read (`disclosure`: nothing about small groups),
`journal` notes what happened, `ledger` freezes forecasts, `quarter` does a whole run, `again` repeats one. For a schedule,
`due` says what the calendar asks for and `freshness` whether the data are new enough.
"""

from .again import rerun
from .declared import Parameter, parameters
from .execution import refresh
from .journal import MANIFEST
from .quarter import headline, run
from .request import GIVEN, Request, resolve

__all__ = ["GIVEN", "MANIFEST", "Parameter", "Request", "headline", "parameters", "refresh", "rerun", "resolve", "run"]
