"""Markdown that looks the same on GitHub and in the page made of it, whatever the data's names hold.

Text that comes from data goes through `escape` or `code`: its marks become HTML entities, which neither reader takes
for Markdown, for HTML or for a table's edge.
"""

import re
from collections.abc import Iterable, Sequence

from reports.run_files import number

MARKS = {ord(mark): f"&#{ord(mark)};" for mark in "&<>|*`\\~$@"}
LINK = re.compile(r"^\[|\[[!^]|\]\(")
BEGINNING = re.compile(r"^(#+|[+-]|\d+[.)])(?=\s|$)|^[=-]+$")
"""Of a heading, a list or the line below a heading."""
LONGEST = 300
"""Characters of one piece of text that are shown."""


def plain(value: object, longest: int = LONGEST) -> str:
    """One printable line: line breaks, tabs and control characters are spaces, and what is too long is cut."""
    text = "".join(mark if mark.isprintable() else " " for mark in str(value)).strip()
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def escape(value: object, longest: int = LONGEST) -> str:
    """Text from data as text: nothing in it is markup, a link or a list's beginning."""
    text = plain(value, longest).translate(MARKS).replace("://", "&#58;//").replace("www.", "www&#46;")
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", "&#95;", text)
    if LINK.search(text):
        text = text.replace("[", "&#91;")
    return BEGINNING.sub(lambda found: "".join(f"&#{ord(mark)};" for mark in found[0]), text)


def code(value: object, longest: int = LONGEST) -> str:
    """Text from data as code."""
    text = plain(value, longest)
    return f"`{text}`" if re.fullmatch(r"[\w./=,:+ -]+", text) and "//" not in text else f"<code>{escape(text)}</code>"


def fenced(text: str, language: str = "") -> str:
    """A block of code, line breaks kept, between fences longer than any in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1, words: int = 0) -> str:
    """A table of cells that are Markdown already; the first `left` and the last `words` columns begin at the left."""
    marks = [":--" if place < left or place >= len(header) - words else "--:" for place in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, marks, *rows])


def alert(kind: str, *paragraphs: str) -> str:
    """A box: NOTE, TIP, WARNING or CAUTION, as GitHub draws them; a paragraph may have lines of its own."""
    lines = [f"[!{kind}]"]
    for place, paragraph in enumerate(paragraphs):
        lines += [""] * (place > 0) + paragraph.split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines)


def details(summary: str, content: str) -> str:
    """What unfolds on a click."""
    return f'<details markdown="1">\n<summary>{summary}</summary>\n\n{content}\n\n</details>'


def figure(value: object) -> str:
    """A number as a person reads it, text as it is, nothing for None."""
    if value is None:
        return ""
    if (known := number(value)) is None:
        return escape(value)
    if isinstance(known, int) or abs(known) >= 1000:
        return f"{known:,.0f}"
    return f"{known:.3f}" if abs(known) >= 0.001 or known == 0 else f"{known:.2g}"


def interval(pair: object) -> str:
    """`[low, high]`, or nothing."""
    if not isinstance(pair, (list, tuple)) or len(pair) != 2 or None in map(number, pair):
        return ""
    return f"[{figure(pair[0])}, {figure(pair[1])}]"


def sentence(text: str) -> str:
    """With a full stop at its end, and a capital at its beginning unless that is a name (`val/loss`)."""
    text = text.strip()
    text = text[:1].upper() + text[1:] if text.split(" ")[0].isalpha() else text
    return text + ("" if text[-1:] in ".!?…" else ".") if text else ""
