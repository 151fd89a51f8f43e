from palm.report.copies import copies_line


def test_the_cost_is_named():
    [line] = copies_line({"水": 42_500_000, "slots": 7_100_000, "pairs": 0})
    assert line == (
        "Encoder layers of the tasks' own: 49.6 M parameters (水 42.5 M, slots 7.1 M), "
        "794 MB more memory in training (weights, gradients, two moments)."
    )


def test_nothing_to_say_without_copies():
    assert copies_line({"a": 0}) == []
