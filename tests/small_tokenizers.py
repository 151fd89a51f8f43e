"""Small tokenizer.json files of each family, trained on a few sentences, as transformers' folders hold them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as FastTokenizer

ENGLISH = [
    "The red fish swims in the river, and the blue bird flies over the house.",
    "Who runs in the small house? The big green cat doesn't run on the river.",
    "New York is a city; the cat's café isn't in New York.",
    "the red bird swims, the green fish flies and the cat runs in the sky",
    "Where did the bird fly on Monday? It flew to the old river near York.",
]
CHINESE = [
    "红鱼在河里游，蓝鸟在天上飞。",
    "谁在大房子里跑？小绿猫不在河上。",
    "北京大学在北京，北京欢迎你。",
    "大红鱼在河，小蓝鸟在天，绿猫在房。",
]
TEXTS = [*ENGLISH, *CHINESE] * 4

BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FAIRSEQ = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
Made = tuple[FastTokenizer, tuple[str, ...], dict[str, Any]]
"""A tokenizer; its tokens for padding, unknown text, begin, end and masks; further settings."""
Maker = Callable[[], Made]
KINDS = ("bert", "roberta", "xlm-r", "deberta-v3", "modernbert", "llama")


def write_all(folder: Path) -> dict[str, Path]:
    """The folder of each kind, with tokenizer.json and tokenizer_config.json."""
    makers = (bert, roberta, xlm_r, deberta, modernbert, _llama)
    return {kind: write(folder / kind, make) for kind, make in zip(KINDS, makers, strict=True)}


def write(folder: Path, make: Maker) -> Path:
    """The folder of one tokenizer, with tokenizer.json and tokenizer_config.json."""
    tokenizer, special, settings = make()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    config = {**dict(zip(roles, special, strict=True)), **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def bert() -> Made:
    made = FastTokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=list(BERT)))
    made.post_processor = _template(made, segments=True)
    return made, BERT, {"do_lower_case": True, "tokenizer_class": "BertTokenizer"}


def roberta() -> Made:
    made = _byte_level([*FAIRSEQ[:4]])
    made.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True)
    special = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
    return made, special, {"tokenizer_class": "RobertaTokenizer", "model_input_names": ["input_ids", "attention_mask"]}


def xlm_r() -> Made:
    made = unigram(FAIRSEQ, "<unk>", normalizers.Sequence([normalizers.NFKC(), single_blanks()]))
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    made.enable_truncation(8)  # as some published files have it
    made.enable_padding(length=8, pad_id=1, pad_token="<pad>")
    return made, ("<pad>", "<unk>", "<s>", "</s>", "<mask>"), {"tokenizer_class": "XLMRobertaTokenizer"}


def deberta() -> Made:
    special = ("[PAD]", "[CLS]", "[SEP]", "[UNK]")
    normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFKC(), single_blanks()])
    made = unigram(special, "[UNK]", normalizer)
    made.add_special_tokens([AddedToken("[MASK]", normalized=False, special=True)])
    made.post_processor = _template(made, segments=True)
    return made, BERT, {"tokenizer_class": "DebertaV2Tokenizer"}


def modernbert() -> Made:
    made = _byte_level(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
    made.normalizer = normalizers.NFC()
    made.add_tokens([AddedToken("|||EMAIL|||", normalized=False)])
    made.post_processor = _template(made, segments=True)
    return made, BERT, {"model_input_names": ["input_ids", "attention_mask"]}


def _llama() -> Made:
    """BPE with bytes for what it does not know, and blanks as in SentencePiece."""
    made = FastTokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    every_byte = [f"<0x{number:02X}>" for number in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=[*FAIRSEQ, *every_byte], limit_alphabet=60)
    made.train_from_iterator([word for text in TEXTS for word in text.split()], trainer)
    content = json.loads(made.to_str())
    kept = [token for token in content["added_tokens"] if token["content"] in FAIRSEQ]
    made = FastTokenizer.from_str(json.dumps({**content, "added_tokens": kept}))
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return made, ("<pad>", "<unk>", "<s>", "</s>", "<mask>"), {"tokenizer_class": "PreTrainedTokenizerFast"}


def _byte_level(special: list[str]) -> FastTokenizer:
    made = FastTokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=520, special_tokens=special, initial_alphabet=alphabet)
    )
    return made


def unigram(special: tuple[str, ...], unknown: str, normalizer: Any) -> FastTokenizer:
    made = FastTokenizer(models.Unigram())
    made.normalizer = normalizer
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=list(special), unk_token=unknown)
    made.train_from_iterator(TEXTS, trainer)
    return made


def single_blanks() -> Any:
    return normalizers.Replace(Regex(" {2,}"), " ")


def _template(made: FastTokenizer, *, segments: bool) -> Any:
    second = 1 if segments else 0
    special = [(name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    pair = f"[CLS]:0 $A:0 [SEP]:0 $B:{second} [SEP]:{second}"
    return processors.TemplateProcessing(single="[CLS]:0 $A:0 [SEP]:0", pair=pair, special_tokens=special)
