"""XML that users bring: small, complete, and without a document type."""

from __future__ import annotations

from xml.etree import ElementTree

from rcl.system.errors import Defect


class _Builder(ElementTree.TreeBuilder):
    """Refuses what no annotation tool writes: a document type, with which a small file can grow without limit."""

    def __init__(self, fix: str) -> None:
        super().__init__()
        self.fix = fix

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise Defect(expected="XML without a document type", found=f"<!DOCTYPE {name}>", fix=self.fix)


def parse_xml(text: str, *, root: str, tool: str) -> ElementTree.Element:
    """The root element of an XML file.

    Args:
        text: the content of the file.
        root: the name that the root element must have.
        tool: what wrote the file, for messages.

    Raises:
        Defect: the text is damaged, has a document type, or another root.
    """
    fix = f"save it again in {tool}"
    try:
        # A declaration of an encoding is about the bytes, which are text already.
        element = ElementTree.fromstring(text, ElementTree.XMLParser(target=_Builder(fix)))
    except ElementTree.ParseError as error:
        line, column = error.position
        found = f"{error.msg.partition(':')[0]} at line {line}, column {column}"
        raise Defect(expected="complete XML", found=found, fix=fix) from None
    if element.tag != root:
        raise Defect(expected=f"an <{root}> of {tool}", found=f"<{element.tag}>", fix=fix)
    return element
