from __future__ import annotations

from xml.etree import ElementTree

from mtl.report.curves import Level, Line, Mark, curve_svg

LINES = [Line("training", [(1, 3.0), (2, 2.0)], "#d0812a"), Line("val", [(1, 3.5)], "#14639e")]


def test_a_chart_is_well_formed_svg_with_readable_text() -> None:
    svg = curve_svg(LINES, [("head", 1), ("full", 2)], mark=Mark(2, 2.0, below=False))
    root = ElementTree.fromstring(svg)
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {"training", "val", "head", "full", "best 2.000"} <= set(words)


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert curve_svg(LINES, []) == curve_svg(LINES, [])


def test_a_stage_name_is_drawn_as_it_is() -> None:
    assert "$a^{<" not in curve_svg(LINES, [("$a^{<$", 1), ("b", 2)])
    svg = curve_svg(LINES, [("$a^{$", 1), ("b", 2)])
    assert "$a^{$" in svg


def test_one_epoch_zero_and_negative_values_can_be_drawn() -> None:
    for points in ([(1, 0.0)], [(1, -1.0), (2, -1.0)], [(1, 1e9)], [(1, 1e-300)]):
        svg = curve_svg([Line("x", points, "#000000")], [("only", 1)], level=Level("chance", 0.1))
        ElementTree.fromstring(svg)
