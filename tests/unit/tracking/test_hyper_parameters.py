import pytest

from palm.tracking.hyper_parameters import hyper_parameters, without_secrets


def test_keys_are_flat_and_plain():
    config = {"batch_size": 8, "tasks": {"意图": {"metrics": ["accuracy", "f1"], "dev_file": None, "shuffle": True}}}
    assert hyper_parameters(config) == {
        "batch_size": 8, "tasks.意图.metrics": "accuracy, f1", "tasks.意图.shuffle": True,
    }  # fmt: skip


@pytest.mark.parametrize("key", ["hub_token", "api_key", "APIKEY", "password", "my_secret", "auth", "access_key"])
def test_a_secret_is_left_out_wherever_it_is(key):
    config = {key: "s3cr3t", "tasks": {"a": {key: "s3cr3t", "n": 1}}}
    assert without_secrets(config) == {"tasks": {"a": {"n": 1}}}


@pytest.mark.parametrize("key", ["max_tokens", "token_ids", "keys", "author", "tokenizer"])
def test_other_keys_stay(key):
    assert without_secrets({key: 1}) == {key: 1}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://user:s3cr3t@host/data.tsv", "https://***@host/data.tsv"),
        ("https://host/data.tsv?access_token=s3cr3t&page=2", "https://host/data.tsv?access_token=***&page=2"),
        ("a@b.tsv", "a@b.tsv"),
        ("数据/train.tsv", "数据/train.tsv"),
    ],
)
def test_an_address_keeps_no_secret(given, shown):
    assert without_secrets({"train_file": given, "more": [given]}) == {"train_file": shown, "more": [shown]}
