"""A page as a reader finds it, without a browser."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """Tables as lists of rows, headings, the number of plots, and every address."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.headings: list[str] = []
        self.titles: list[str] = []  # of plots
        self.plots = 0
        self.addresses: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)

    def table(self, first: str) -> list[list[str]]:
        """The first table whose first row begins with this word."""
        return next(table for table in self.tables if table[0][0] == first)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self.addresses += [v or "" for k, v in attributes if k in ("src", "href", "xlink:href", "srcset")]
        self.plots += tag == "svg"
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self._open):
            self.text += data
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data.replace("\N{WORD JOINER}", "")
        elif self._open and self._open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)
        elif self._open and self._open[-1] == "figcaption":
            self.titles.append(data)
