import pytest

from backend.networks.report import Tally, shortened


@pytest.mark.parametrize(
    ("tally", "text"),
    [
        (Tally(label="ink", applied=["a", "b"]), "LoRA ink: 2 of 2 layers"),
        (Tally(label="ink", applied=["a"], not_there=["b", "c"]), "LoRA ink: 1 of 3 layers. 2 layers are not in this checkpoint."),
        (Tally(label="ink", words=["sks", "zwx"]), "LoRA ink brings words: sks, zwx"),
        (Tally(label="ink"), "Error: LoRA ink was left out. There are no layers in the file."),
        (Tally(label="ink", failure="ink.pt is cut off: download it again."), "Error: LoRA ink was left out. ink.pt is cut off: download it again."),
        (
            Tally(label="ink", misshapen=["a"], unknown=["b"], damaged=["c"]),
            "Error: LoRA ink has no effect: none of its 3 layers could be applied."
            " 1 layer is of another size than this checkpoint's: the file was made for another kind of model."
            " 1 layer is of a kind that is not supported. 1 layer is damaged (NaN): get the file again.",
        ),
    ],
)
def test_a_report_is_a_sentence_for_the_person(tally: Tally, text: str):
    assert tally.report().describe() == text


def test_a_report_counts_and_names_what_had_no_effect():
    report = Tally(label="ink", applied=["a"], not_there=["b"], misshapen=["c"], unknown=["d"], damaged=["e"]).report()
    assert (report.applied, report.total, report.unmatched, len(report.errors)) == (1, 5, ("b", "c", "d", "e"), 4)


def test_the_log_names_a_few_layers_and_counts_the_rest():
    assert shortened(["a", "b", "c"]) == "a, b, c"
    assert shortened([f"layer{n}" for n in range(192)]) == "layer0, layer1, layer2 and 189 more"
