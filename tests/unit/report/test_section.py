from palm.report.section import Chart, Paragraph, Section, Table


def test_what_blocks_are_by_default():
    blocks = (Paragraph("a"), Table("t", ["a"], [[1]]), Chart("c", {}, "d"))
    section = Section("key", "Title", blocks)
    assert section.blocks == blocks
    assert not blocks[0].is_note
    assert (blocks[1].best, blocks[1].is_folded, blocks[1].texts) == (frozenset(), False, frozenset())
    assert not blocks[2].is_wide
