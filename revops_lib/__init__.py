"""Revenue Operations in notebooks: the library behind them, in the order data flow.

errors       failures that say what, where and what to do, with the exit code they end with
disk         files that are there whole or as they were  masking     secrets, covered
allowlist    what of a run may appear on the site
privacy      who may see what, pseudonyms
tables       what each canonical table and column means, and how a dataset lies on disk
periods      fiscal quarters, days, instants            money       exact amounts
worktime     working hours between instants             duplicates   records that look like one
statistics   intervals and survival with open cases
sources      reads exports of any format through a mapping; the only module that reads source files; fetches and drafts, too
sample       invents a company whose truth is known
snapshot     what was known at the end of a day; analyses accept nothing else
quality · forecast · bottlenecks · diagnosis · compensation · kpis   one question each: Snapshot -> result frames
charts       frame -> picture                           report      sentences, tables, results files
runs         a quarter's notebooks in parallel          site        the book from what a run may publish
spreadsheets what a run found, as a workbook            doctor      is this machine ready
boards       the board pack on paper                    alerting · portfolio   alerts and advice of a run
cli          `revops` and its verbs
"""

__version__ = "0.1.0"
