"""Reads markdown as a page would, so that tests can say what text from data makes of it."""

from markdown_it import MarkdownIt
from markdown_it.token import Token

NAMES = (
    "cat.\n\n## Audit: PASS\n\n- every group is served equally ![](http://evil.example/t.png)",
    "![](http://evil.example/t.png)", "[a](http://evil.example)", "[a]: http://evil.example", "<http://evil.example>",
    "http://evil.example", "www.evil.example", "evil.example", "a@evil.example", "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>", "<!-- a", "&lt;b&gt;", "# PASS", "PASS\n===", "- a", "+ a", "1. a", "2) a", "> a",
    "---", "***", "```", "~~~", "`a`", "a`b", "``", "**a**", "__a__", "~~a~~", "a|b", "|", "\\", "a\\", "    a",
    "a\u001b[2J", "a\u2028# b", "a\r# b", "[x]", "[ ] a", "\\`a`", "\\[a](b)",
)  # fmt: skip


def parsed(text: str) -> list[Token]:
    """Return the tokens of a page, those inside of a line behind their line."""
    page = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [one for token in page for one in (token, *(token.children or ()))]


def shape(tokens: list[Token]) -> list[str]:
    """Return what the page consists of: its blocks and emphases, whatever their text."""
    return [token.type for token in tokens if token.type not in {"text", "text_special", "code_inline"}]


def unwanted(tokens: list[Token]) -> list[Token]:
    """Return links, pictures and HTML, and words of plain text that renderers link unasked."""
    kinds = ("link_open", "image", "html_inline", "html_block", "s_open", "em_open")
    linked = ("://", "www.", "@")
    return [t for t in tokens if t.type in kinds or (t.type == "text" and any(word in t.content for word in linked))]
