"""A statement as one HTML file: no scripts, nothing fetched, readable on a phone, in the dark and printed."""

from __future__ import annotations

from html import escape

from .parts import Section, Statement, Table
from .words import about, sections

_STYLE = """
:root { color-scheme: light dark; --quiet: #555; --rule: #bbb; --head: #f1f1f1; }
@media (prefers-color-scheme: dark) { :root { --quiet: #b0b0b0; --rule: #555; --head: #2a2a2a; } }
body { font: 1rem/1.45 system-ui, sans-serif; margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 1.8rem 0 .4rem; } p { margin: .3rem 0; }
.total { font-size: 1.25rem; font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
caption { text-align: left; color: var(--quiet); padding: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .5rem; border-bottom: 1px solid var(--rule); }
thead th { background: var(--head); } tbody th, .sum td { font-weight: 600; }
.sum th, .sum td { background: var(--head); }
td:first-child { white-space: nowrap; } .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
small { display: block; color: var(--quiet); font-weight: 400; } footer { margin-top: 2rem; color: var(--quiet); }
@media (max-width: 40rem) {
  thead { position: absolute; clip-path: inset(50%); height: 1px; width: 1px; overflow: hidden; }
  tr { display: block; border-bottom: 2px solid var(--rule); padding: .4rem 0; }
  th, td { display: block; border: 0; padding: .1rem 0; }
  td[data-label]::before { content: attr(data-label) ": "; color: var(--quiet); }
  .n { text-align: left; } td:empty { display: none; }
}
@media print { @page { size: A4; margin: 15mm; } :root { color-scheme: light; } body { font-size: 10pt; }
  tr, h2 { break-inside: avoid; } h2 { break-after: avoid; } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html(told: Statement) -> str:
    """The statement as a page of its own. Whatever the CRM wrote is text in it, never markup."""
    title = f"Statement of pay, {told.quarter}"
    body = [f"<h1>{_text(title)}</h1>", *(f"<p>{_text(line)}</p>" for line in about(told) if line)]
    body += [_section(number, one) for number, one in enumerate(sections(told), start=1)]
    body.append("<footer><p>For you, your manager and finance.</p></footer>")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<meta name="robots" content="noindex">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _section(number: int, one: Section) -> str:
    kind = ' class="total"' if number == 1 else ""
    said = [f"<p{kind if place == 0 else ''}>{_text(line)}</p>" for place, line in enumerate(one.sentences)]
    parts = [f'<h2 id="s{number}">{_text(one.title)}</h2>', *said, *([_table(one.table)] if one.table else [])]
    return f'<section aria-labelledby="s{number}">\n' + "\n".join(parts) + "\n</section>"


def _table(table: Table) -> str:
    """The roles say what the narrow layout, which is no table any more, would take away from readers of the screen."""
    heads = "".join(
        f'<th scope="col" role="columnheader"{_numeric(is_number)}>{_text(name)}</th>' for name, is_number in table.columns
    )
    rows = "\n".join(_row(table, place) for place in range(len(table.rows)))
    return (
        f'<table role="table">\n<caption>{_text(table.caption)}</caption>\n'
        f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>\n<tbody role="rowgroup">\n{rows}\n</tbody>\n</table>'
    )


def _row(table: Table, place: int) -> str:
    why = "".join(f"<small>{_text(line)}</small>" for line in (table.why[place] if table.why else []))
    named = 1 if table.why else 0  # the text that names the row
    cells = []
    for at, (text, (label, is_number)) in enumerate(zip(table.rows[place], table.columns, strict=True)):
        if at == named:
            cells.append(f'<th scope="row" role="rowheader"{_numeric(is_number)}>{_text(text)}{why}</th>')
        else:
            cells.append(f'<td role="cell" data-label="{_text(label)}"{_numeric(is_number)}>{_text(text)}</td>')
    kind = ' class="sum"' if place in table.sums else ""
    return f'<tr role="row"{kind}>{"".join(cells)}</tr>'


def _numeric(is_number: bool) -> str:
    return ' class="n"' if is_number else ""


def _text(text: str) -> str:
    return escape("".join(char if char.isprintable() else "�" for char in text))
