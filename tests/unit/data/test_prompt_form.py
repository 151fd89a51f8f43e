"""What a model knows of a prompt is a value: equal if its parts are, usable as a key, and without parts by default."""

from palm.data.prompt_form import PromptForm, SoftGroup


def test_a_form_is_a_value() -> None:
    one = PromptForm((None, 7), (SoftGroup("lstm", 200, (1, 2)),), label_words=(((5, 6),), ((8,), (9,))))
    assert one == PromptForm((None, 7), (SoftGroup("lstm", 200, (1, 2)),), label_words=(((5, 6),), ((8,), (9,))))
    assert len({one, PromptForm(), PromptForm((None, 7))}) == 3


def test_without_parts_there_is_one_mask_and_nothing_to_learn() -> None:
    form = PromptForm()
    assert (form.masks, form.soft_starts, form.soft_groups, form.prefix_length) == (1, (), (), 0)
