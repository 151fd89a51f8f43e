"""Small files in the shapes of public data sets and exports, written anew: names, columns and quirks are theirs."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COUNT = 8
EN = ["a good film", "the room was cold, and dark", 'she said "no"', "it's fine"]
ZH = ["这部电影很好看", "房间很冷，也很暗", "她说“不行”", "还可以"]
PAIRS_EN = [("how do I learn?", "what helps to learn?"), ("a man runs", "a person sleeps"), ("it rains", "it is wet")]
PAIRS_ZH = [("怎么还款", "如何还款"), ("今天下雨", "明天天晴"), ("花呗能用吗", "借呗能用吗")]


@dataclass(frozen=True)
class Shape:
    """One shape of data.

    Attributes:
        name: The data set or tool.
        file: Name of the file; a folder for `save_to_disk`.
        write: Writes it.
        reader: Reader that suits it.
        paradigm: Paradigm, where it has another name.
        keys: Keys beside reader, paradigm and train_file.
        rows: Records that the reader must find; 0 where the file must be refused, with `says`.
        says: Words of the refusal.
    """

    name: str
    file: str
    write: Callable[[Path], object]
    reader: str = "cls"
    paradigm: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)
    rows: int = COUNT
    says: str = ""


def text_file(text: str, encoding: str = "utf-8") -> Callable[[Path], object]:
    return lambda file: file.write_bytes(
        gzip.compress(text.encode(encoding)) if file.suffix == ".gz" else text.encode(encoding)
    )


def table(
    header: Sequence[str] | None, row: Callable[[int], Sequence[object]], sign: str = ",", **form: Any
) -> Callable[[Path], object]:
    """Rows as the csv module writes them; a tsv without quoting where `sign` is a tab."""
    encoding = form.pop("encoding", "utf-8")
    rows = [[str(cell) for cell in row(number)] for number in range(COUNT)]
    listed = [list(header), *rows] if header else rows
    if sign == "\t":
        return text_file("".join("\t".join(cells) + "\n" for cells in listed), encoding)
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=sign, lineterminator=form.pop("lineterminator", "\n"), **form).writerows(listed)
    return text_file(stream.getvalue(), encoding)


def lines(row: Callable[[int], object]) -> Callable[[Path], object]:
    """A JSON value per line."""
    return text_file("".join(json.dumps(row(number), ensure_ascii=False) + "\n" for number in range(COUNT)))


def document(row: Callable[[int], object], wrap: Callable[[list[object]], object] = list) -> Callable[[Path], object]:
    """One JSON value."""
    return text_file(json.dumps(wrap([row(number) for number in range(COUNT)]), ensure_ascii=False, indent=2))


def hub(row: Callable[[int], dict[str, object]], **classes: Sequence[str]) -> Callable[[Path], object]:
    """A parquet file, or a folder, of a data set whose columns `classes` are ids of classes with these names."""

    def write(file: Path) -> object:
        import datasets

        made = datasets.Dataset.from_list([row(number) for number in range(COUNT)])
        features = made.features.copy()
        for name, names in classes.items():
            kind = datasets.ClassLabel(names=list(names))
            features[name] = kind if not isinstance(row(0)[name], list) else datasets.Sequence(kind)
        made = made.cast(features)
        return made.to_parquet(str(file)) if file.suffix == ".parquet" else made.save_to_disk(str(file))

    return write


def workbook(sheets: Mapping[str, Sequence[Sequence[object]]]) -> Callable[[Path], object]:
    def write(file: Path) -> object:
        import openpyxl

        book = openpyxl.Workbook()
        book.remove(book.active)
        for name, rows in sheets.items():
            sheet = book.create_sheet(name)
            for row in rows:
                sheet.append(list(row))
        return book.save(file)

    return write


def en(number: int) -> str:
    return f"{EN[number % 4]} {number}"


def zh(number: int) -> str:
    return f"{ZH[number % 4]}{number}"


def pair(number: int, texts: Sequence[tuple[str, str]] = PAIRS_EN) -> tuple[str, str]:
    first, second = texts[number % 3]
    return f"{first} {number}", second


def squad(number: int, **more: object) -> dict[str, object]:
    context = f"Anna reached Rome at nine. It was warm {number}."
    answers = [{"text": "Rome", "answer_start": 13}]
    qa = {"id": f"q{number}", "question": "Where did Anna arrive?", "answers": answers, **more}
    return {"title": "t", "paragraphs": [{"context": context, "qas": [qa]}]}


# fmt: off
GLUE = [
    Shape("GLUE CoLA", "train.tsv", table(None, lambda n: ["gj04", n % 2, "" if n % 2 else "*", en(n)], "\t"),
          keys={"header": False, "columns": {"label": 1, "text_a": 3}}),
    Shape("GLUE SST-2", "train.tsv", table(["sentence", "label"], lambda n: [en(n), n % 2], "\t")),
    Shape("GLUE MRPC", "msr_paraphrase_train.txt",
          table(["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"],
                lambda n: [n % 2, 70, 71, f'"{pair(n)[0]}', pair(n)[1]], "\t", encoding="utf-8-sig"),
          reader="match", keys={"columns": {"label": "Quality", "text_a": "#1 String", "text_b": "#2 String"}}),
    Shape("GLUE QQP", "train.tsv",
          table(["id", "qid1", "qid2", "question1", "question2", "is_duplicate"],
                lambda n: [n, n, n, "" if n == 3 else pair(n)[0], pair(n)[1], n % 2], "\t"),
          reader="match", keys={"skip_empty_text": True}, rows=COUNT - 1),
    Shape("GLUE STS-B", "train.tsv",
          table(["index", "genre", "filename", "year", "old_index", "source1", "source2", "sentence1", "sentence2",
                 "score"], lambda n: [n, "main", "MSR", "2012test", n, "none", "none", *pair(n), n / 2], "\t"),
          reader="match", paradigm="regression", keys={"label_kind": "number"}),
    Shape("GLUE MNLI", "train.tsv",
          table(["index", "promptID", "pairID", "genre", "sentence1_parse", "sentence2_parse", "sentence1", "sentence2",
                 "label1", "gold_label"],
                lambda n: [n, n, f"{n}e", "fiction", "(ROOT)", "(ROOT)", *pair(n), "neutral",
                           ["neutral", "entailment", "-", "contradiction"][n % 4]], "\t"),
          reader="match", keys={"leave_out_labels": ["-"]}, rows=COUNT * 3 // 4),
    Shape("GLUE QNLI", "train.tsv", table(["index", "question", "sentence", "label"],
                                          lambda n: [n, *pair(n), ["entailment", "not_entailment"][n % 2]], "\t"),
          reader="match"),
    Shape("GLUE RTE", "train.tsv", table(["index", "sentence1", "sentence2", "label"],
                                         lambda n: [n, *pair(n), ["entailment", "not_entailment"][n % 2]], "\t"),
          reader="match"),
    Shape("GLUE WNLI", "train.tsv", table(["index", "sentence1", "sentence2", "label"],
                                          lambda n: [n, *pair(n), n % 2], "\t"), reader="match"),
    Shape("XNLI", "multinli.train.zh.tsv",
          table(["premise", "hypo", "label"], lambda n: [*pair(n, PAIRS_ZH), ["neutral", "contradictory"][n % 2]], "\t"),
          reader="match", keys={"columns": {"text_a": "premise", "text_b": "hypo"}}),
    Shape("PAWS-X", "translated_train.tsv",
          table(["id", "sentence1", "sentence2", "label"], lambda n: [n, *pair(n, PAIRS_ZH), n % 2], "\t"),
          reader="match"),
]

CHINESE = [
    Shape("CLUE TNEWS", "train.json",
          lines(lambda n: {"label": str(100 + n % 3), "label_desc": "news_story", "sentence": zh(n), "keywords": ""})),
    Shape("CLUE AFQMC", "train.json", lines(lambda n: dict(zip(("sentence1", "sentence2"), pair(n, PAIRS_ZH), strict=True),
                                                           label=str(n % 2))), reader="match"),
    Shape("CLUE CMNLI", "train.json",
          lines(lambda n: dict(zip(("sentence1", "sentence2"), pair(n, PAIRS_ZH), strict=True),
                               label=["neutral", "-"][n == 5])), reader="match",
          keys={"leave_out_labels": "-"}, rows=COUNT - 1),
    Shape("CLUE OCNLI", "train.50k.json",
          lines(lambda n: {"level": "easy", "sentence1": pair(n, PAIRS_ZH)[0], "sentence2": pair(n, PAIRS_ZH)[1],
                           "label": ["neutral", "entailment"][n % 2], "label0": "neutral", "label1": None,
                           "genre": "lit", "prem_id": f"lit_{n}", "id": n}), reader="match"),
    Shape("CLUE IFLYTEK", "train.json", lines(lambda n: {"label": str(n % 4), "label_des": "地图", "sentence": zh(n)})),
    Shape("CLUE CSL", "train.json",
          lines(lambda n: {"id": n, "abst": zh(n), "keyword": ["电影", "房间"], "label": str(n % 2)}),
          keys={"columns": {"text_a": "abst"}}),
    Shape("CLUE CLUENER", "train.json",
          lines(lambda n: {"text": f"安娜到了北京{n}", "label": {"name": {"安娜": [[0, 1]]}, "address": {"北京": [[4, 5]]}}}),
          reader="seq_label", keys={"for_cn": True}),
    Shape("ChnSentiCorp", "train.tsv", table(["label", "text_a"], lambda n: [n % 2, zh(n)], "\t")),
    Shape("LCQMC", "train.txt", table(None, lambda n: [*pair(n, PAIRS_ZH), n % 2], "\t"), reader="match",
          keys={"header": False, "columns": {"text_a": 0, "text_b": 1, "label": 2}}),
    Shape("THUCNews", "cnews.train.txt", table(None, lambda n: [["体育", "财经"][n % 2], zh(n)], "\t"),
          keys={"header": False, "columns": {"label": 0, "text_a": 1}}),
    Shape("weibo_senti_100k", "weibo_senti_100k.csv", table(["label", "review"], lambda n: [n % 2, zh(n)])),
    Shape("online_shopping_10_cats", "online_shopping_10_cats.csv",
          table(["cat", "label", "review"], lambda n: ["书籍", n % 2, zh(n)])),
    Shape("csv in GBK", "评论.csv", table(["标签", "内容"], lambda n: [["好", "差"][n % 2], zh(n)], encoding="gbk"),
          keys={"encoding": "gb18030"}),
    Shape("csv in GBK, key missing", "评论.csv", table(["标签", "内容"], lambda n: ["好", zh(n)], encoding="gbk"), rows=0,
          says="This looks like GBK: set `encoding: gb18030`"),
    Shape("Toutiao", "toutiao_cat_data.txt", text_file("".join(f"{n}_!_101_!_news_story_!_{zh(n)}_!_\n" for n in range(8))),
          rows=0, says="the first row must name the columns"),
    Shape("MSRA NER", "train.bio",
          text_file("".join(f"安 B-PER\n娜 I-PER\n到 O\n了 O\n北 B-LOC\n京 I-LOC\n{n} O\n\n" for n in range(COUNT))),
          reader="seq_label"),
    Shape("Resume NER", "train.char.bmes",
          text_file("".join(f"安 B-NAME\n小 M-NAME\n娜 E-NAME\n在 O\n京 S-LOC\n{n} O\n\n" for n in range(COUNT))),
          reader="seq_label"),
    Shape("CMRC 2018", "cmrc2018_train.json", document(squad, lambda rows: {"version": "v1.0", "data": rows}),
          reader="mrc", keys={"for_cn": False, "max_query_len": 8}),
]

KAGGLE = [
    Shape("Kaggle disaster tweets", "train.csv",
          table(["id", "keyword", "location", "text", "target"], lambda n: [n, "", "Rome, IT", f"{en(n)}\nagain", n % 2])),
    Shape("Kaggle IMDB", "IMDB Dataset.csv",
          table(["review", "sentiment"], lambda n: [f"{en(n)}<br /><br />", ["positive", "negative"][n % 2]])),
    Shape("Kaggle SMS spam", "spam.csv",
          table(["v1", "v2", "", "", ""], lambda n: [["ham", "spam"][n % 2], f"£{n} {en(n)}", "", "", ""], encoding="latin-1"),
          keys={"encoding": "latin-1", "columns": {"label": "v1", "text_a": "v2"}}),
    Shape("Kaggle toxic comments", "train.csv",
          table(["id", "comment_text", "toxic", "severe_toxic", "obscene"], lambda n: [n, en(n), n % 2, 0, 0]),
          keys={"columns": {"text_a": "comment_text", "label": "toxic"}}),
    Shape("Kaggle Quora insincere", "train.csv",
          table(["qid", "question_text", "target"], lambda n: [n, en(n), n % 2]),
          keys={"columns": {"text_a": "question_text"}}),
    Shape("Kaggle Quora pairs", "train.csv",
          table(["id", "qid1", "qid2", "question1", "question2", "is_duplicate"], lambda n: [n, n, n, *pair(n), n % 2],
                quoting=csv.QUOTE_ALL), reader="match"),
    Shape("Kaggle tweet sentiment", "train.csv",
          table(["textID", "text", "selected_text", "sentiment"], lambda n: [n, en(n), "fine", ["neutral", "positive"][n % 2]])),
    Shape("Kaggle movie reviews", "train.tsv",
          table(["PhraseId", "SentenceId", "Phrase", "Sentiment"], lambda n: [n, n, en(n), n % 5], "\t"),
          keys={"columns": {"text_a": "Phrase"}}),
    Shape("Sentiment140", "training.1600000.processed.noemoticon.csv",
          table(None, lambda n: [n % 2 * 4, n, "Mon Apr 06", "NO_QUERY", "user", f"café {en(n)}"], quoting=csv.QUOTE_ALL,
                encoding="latin-1"),
          keys={"encoding": "latin-1", "header": False, "columns": {"label": 0, "text_a": 5}}),
    Shape("AG News", "train.csv", table(None, lambda n: [n % 4 + 1, en(n), f"more, {en(n)}"], quoting=csv.QUOTE_ALL),
          keys={"header": False, "columns": {"label": 0, "text_a": 2}}),
    Shape("DBpedia", "train.csv", table(None, lambda n: [n % 3 + 1, en(n), f" {en(n)}"]),
          keys={"header": False, "columns": {"label": 0, "text_a": 2}}),
    Shape("Yelp polarity", "train.csv",
          table(None, lambda n: [n % 2 + 1, f'{en(n)}\\n\\n\\""great\\""'], quoting=csv.QUOTE_ALL),
          keys={"header": False, "columns": {"label": 0, "text_a": 1}}),
    Shape("Yahoo Answers", "train.csv",
          table(None, lambda n: [n % 2 + 1, en(n), "", f"{en(n)}\nsecond line"], quoting=csv.QUOTE_ALL),
          keys={"header": False, "columns": {"label": 0, "text_a": 1}}),
    Shape("Amazon reviews 2018", "Books_5.json.gz",
          lines(lambda n: {"overall": float(n % 5 + 1), "verified": True, "reviewText": en(n), "summary": "fine"}),
          paradigm="regression", keys={"label_kind": "number", "columns": {"label": "overall", "text_a": "reviewText"}}),
    Shape("Amazon reviews US", "amazon_reviews_us.tsv.gz",
          table(["marketplace", "customer_id", "review_headline", "star_rating", "review_body"],
                lambda n: ["US", n, f'"{n}', n % 5 + 1, en(n)], "\t"), keys={"columns": {"label": "star_rating"}}),
    Shape("Yelp open data", "review.json",
          lines(lambda n: {"review_id": str(n), "stars": float(n % 5), "text": f"{en(n)}\n\nagain", "date": "2020"}),
          paradigm="regression", keys={"label_kind": "number"}),
    Shape("Excel csv, semicolons", "export.csv",
          table(["Text", "Kategorie"], lambda n: [f"{en(n)}; größer", ["gut", "schlecht"][n % 2]], ";", encoding="utf-8-sig",
                lineterminator="\r\n"), keys={"columns": {"label": "Kategorie"}}),
    Shape("Excel unicode text", "export.txt",
          table(["text", "label"], lambda n: [zh(n), n % 2], "\t", encoding="utf-16"), keys={"encoding": "utf-16"}),
    Shape("Excel workbook", "reviews.xlsx",
          workbook({"数据": [["text", "label"], *([zh(n), n % 2] for n in range(COUNT))], "说明": [["note"]]})),
    Shape("pandas csv with index", "frame.csv", table(["", "text", "label"], lambda n: [n, en(n), n % 2])),
    Shape("pandas tsv, all quoted", "frame.tsv",
          text_file('"text"\t"label"\n' + "".join(f'"{n} ""so"""\t"{n % 2}"\n' for n in range(COUNT)))),
    Shape("pandas json records", "frame.json", document(lambda n: {"text": en(n), "label": n % 2})),
    Shape("pandas json columns", "frame.json",
          text_file(json.dumps({"text": {"0": "a"}, "label": {"0": 1}}, indent=1)), rows=0,
          says='pandas does with orient="records"'),
]

HUB = [
    Shape("hub: imdb", "train-00000-of-00001.parquet", hub(lambda n: {"text": en(n), "label": n % 2}, label=["neg", "pos"])),
    Shape("hub: emotion", "emotion.parquet", hub(lambda n: {"text": en(n), "label": n % 3}, label=["joy", "love", "fear"])),
    Shape("hub: glue/mrpc", "mrpc.parquet",
          hub(lambda n: {"sentence1": pair(n)[0], "sentence2": pair(n)[1], "label": n % 2, "idx": n},
              label=["not_equivalent", "equivalent"]), reader="match"),
    Shape("hub: glue/stsb", "stsb.parquet",
          hub(lambda n: {"sentence1": pair(n)[0], "sentence2": pair(n)[1], "label": n / 2, "idx": n}), reader="match",
          paradigm="regression", keys={"label_kind": "number"}),
    Shape("hub: snli (-1)", "snli.parquet",
          hub(lambda n: {"premise": pair(n)[0], "hypothesis": pair(n)[1], "label": -1 if n == 2 else n % 3},
              label=["entailment", "neutral", "contradiction"]), reader="match",
          keys={"on_missing_label": "leave_out"}, rows=COUNT - 1),
    Shape("hub: go_emotions", "go_emotions.parquet",
          hub(lambda n: {"text": en(n), "labels": [n % 3] if n % 2 else [0, 2], "id": str(n)},
              labels=["anger", "joy", "love"]), paradigm="multi_label", keys={"label_kind": "several"}),
    Shape("hub: conll2003", "conll2003.parquet",
          hub(lambda n: {"id": str(n), "tokens": ["Anna", "in", "Rome", str(n)], "pos_tags": [1, 2, 1, 3],
                         "ner_tags": [1, 0, 2, 0]}, ner_tags=["O", "B-PER", "B-LOC"]), reader="seq_label",
          keys={"columns": {"label": "ner_tags"}}),
    Shape("hub: hellaswag", "hellaswag.parquet",
          hub(lambda n: {"ctx": en(n), "endings": ["he runs", "he sleeps"], "label": str(n % 2)}), reader="choice",
          keys={"columns": {"text_a": "ctx"}}),
    Shape("hub: copa", "copa.parquet",
          hub(lambda n: {"premise": en(n), "choices": ["he runs", "he sleeps"], "label": n % 2},
              label=["choice1", "choice2"]), reader="choice", keys={"columns": {"text_a": "premise"}}),
    Shape("hub: squad", "squad.parquet",
          hub(lambda n: {"id": str(n), "title": "t", "context": f"Anna reached Rome at nine {n}", "question": "Where?",
                         "answers": {"text": ["Rome"], "answer_start": [13]}}), reader="mrc", keys={"max_query_len": 8}),
    Shape("hub: sentence-transformers/triplets", "triplets.parquet",
          hub(lambda n: {"anchor": en(n), "positive": en(n), "negative": "a bad day"}), reader="pairwise_match"),
    Shape("datasets: save_to_disk", "imdb", hub(lambda n: {"text": zh(n), "label": n % 2}, label=["差", "好"])),
]

EXPORTS = [
    Shape("doccano, classification", "all.jsonl", lines(lambda n: {"id": n, "text": zh(n), "label": [["好", "差"][n % 2]]}),
          paradigm="multi_label", keys={"label_kind": "several"}),
    Shape("doccano, sequence labelling", "all.jsonl",
          lines(lambda n: {"id": n, "text": f"安娜在北京{n}", "label": [[0, 2, "人"], [3, 5, "地"]]}), reader="seq_label",
          keys={"for_cn": True}),
    Shape("Label Studio, JSON_MIN", "project.json",
          document(lambda n: {"id": n, "text": en(n), "sentiment": ["Positive", "Negative"][n % 2], "annotator": 1})),
    Shape("Label Studio, spans", "project.json",
          document(lambda n: {"id": n, "data": {"text": f"Anna in Rome {n}"}, "annotations": [{"result": [
              {"value": {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}, "type": "labels",
               "from_name": "label", "to_name": "text"}]}]}), reader="seq_label"),
    Shape("Label Studio, csv", "project.csv",
          table(["annotation_id", "id", "sentiment", "text"], lambda n: [n, n, ["Positive", "Negative"][n % 2], en(n)])),
    Shape("Prodigy, textcat", "annotations.jsonl",
          lines(lambda n: {"text": en(n), "label": ["A", "B"][n % 2], "answer": "accept", "_input_hash": n})),
]

TAGS_AND_QUESTIONS = [
    Shape("CoNLL-2003", "eng.train.conll",
          text_file("-DOCSTART- -X- -X- O\n\n" + "".join(f"Anna NNP B-NP B-PER\nin IN O O\nRome NNP B-NP B-LOC\n{n} CD O O\n\n"
                                                      for n in range(COUNT))), reader="seq_label"),
    Shape("WNUT-17", "wnut17train.conll",
          text_file("".join(f"Anna\tB-person\nin\tO\nRome\tB-location\n{n}\tO\n\n" for n in range(COUNT))), reader="seq_label"),
    Shape("Universal Dependencies", "en_ewt.conllu",
          text_file("".join(f"# sent_id = {n}\n# text = Anna runs\n1\tAnna\tAnna\tPROPN\tNNP\t_\t2\tnsubj\t_\t_\n"
                            "2\truns\trun\tVERB\tVBZ\t_\t0\troot\t_\t_\n\n" for n in range(COUNT))), reader="seq_label"),
    Shape("ATIS slots tsv", "train.tsv", table(["text_a", "label"], lambda n: ["fly to Rome", "O O B-city"], "\t"),
          reader="seq_label"),
    Shape("SQuAD 1.1", "train-v1.1.json", document(squad, lambda rows: {"version": "1.1", "data": rows}), reader="mrc",
          keys={"max_query_len": 8}),
    Shape("SQuAD 2.0", "train-v2.0.json",
          document(lambda n: squad(n, is_impossible=False), lambda rows: {"version": "v2.0", "data": rows}), reader="mrc",
          keys={"max_query_len": 8, "with_negative": True}),
    Shape("SQuAD, list of articles, gz", "train.json.gz", document(squad), reader="mrc", keys={"max_query_len": 8}),
    Shape("plain text for mlm", "corpus.txt", text_file("".join(f"{en(n)}\n" for n in range(COUNT))), reader="mlm"),
]

SHAPES = [*GLUE, *CHINESE, *KAGGLE, *HUB, *EXPORTS, *TAGS_AND_QUESTIONS]
