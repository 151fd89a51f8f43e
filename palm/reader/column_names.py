"""Names that people use for columns, by which a column is found that has not PALM's own name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnGuess:
    """Names that people use for one of PALM's columns, or for several that go together.

    Attributes:
        columns: PALM's names.
        names: For each possibility the names of these columns: in lower case, with `_` between words.
    """

    columns: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, column: str, *names: str) -> "ColumnGuess":
        """Names of one column."""
        return cls((column,), tuple((name,) for name in names))


TEXTS = ColumnGuess.of(
    "text_a",
    *("text", "texts", "sentence", "sent", "content", "review", "review_text", "review_body", "comment", "tweet"),
    *("title", "headline", "query", "question", "document", "utterance", "message", "body", "description", "article"),
    *("文本", "内容", "句子", "评论", "标题", "正文"),
)
LABELS = ColumnGuess.of(
    "label",
    *("labels", "label_name", "label_text", "class", "class_name", "category", "categories", "intent", "sentiment"),
    *("target", "topic", "gold", "gold_label", "y", "score", "stars", "rating", "emotion", "polarity", "relation"),
    *("similarity", "is_duplicate", "entailment", "coarse_label", "fine_label", "标签", "类别", "情感"),
)
PAIRS = ColumnGuess(
    ("text_a", "text_b"),
    (
        *(("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("text1", "text2")),
        *(("query", "passage"), ("query", "document"), ("query", "title"), ("query1", "query2"), ("q1", "q2")),
        *(("question", "sentence"), ("question", "answer"), ("question", "passage"), ("question", "context")),
        *(("sentence_a", "sentence_b"), ("s1", "s2"), ("sent1", "sent2"), ("anchor", "positive")),
        *(("text", "text_pair"), ("句子1", "句子2"), ("问题1", "问题2"), ("文本1", "文本2")),
    ),
)
TARGETS = ColumnGuess(
    ("text_a", "target"),
    (
        *(("source", "target"), ("src", "tgt"), ("input", "output"), ("text", "summary"), ("article", "summary")),
        *(("article", "highlights"), ("document", "summary"), ("dialogue", "summary"), ("content", "title")),
        *(
            ("question", "answer"),
            ("input", "target"),
            ("sentence", "translation"),
            ("text", "target"),
            ("text", "output"),
        ),
        *(("原文", "译文"), ("正文", "摘要"), ("内容", "标题")),
    ),
)
SOURCE = ColumnGuess.of("text_a", "source", "src", "input", "text", "sentence", "article", "document", "原文", "正文")
TRIPLES = ColumnGuess(
    ("text_a", "text_b", "text_b_neg"),
    (
        *(("anchor", "positive", "negative"), ("query", "positive", "negative"), ("query", "pos", "neg")),
        *(("question", "positive", "negative"), ("query", "positive_passage", "negative_passage")),
    ),
)
WORDS = ColumnGuess.of("text_a", "tokens", "words", "text", "sentence", "文本")
ARCS = ColumnGuess(
    ("heads", "label"),
    (("heads", "relations"), ("heads", "labels"), ("heads", "deprels"), ("head", "deprel"), ("head", "relation")),
)
TAGS = ColumnGuess.of(
    "label", "tags", "ner_tags", "labels", "ner", "ner_labels", "slots", "bio", "pos_tags", "pos", "upos", "xpos",
    "chunk_tags", "标签",
)  # fmt: skip
CHOICES = ColumnGuess.of("choices", "options", "candidates", "endings", "answers", "选项")
JUDGED = ColumnGuess(
    ("positives", "negatives"),
    (("pos", "neg"), ("positive", "negative"), ("positive_passages", "negative_passages"), ("positive", "negatives")),
)
RELEVANCE = ColumnGuess.of(
    "relevance", "relevances", "scores", "score", "labels", "label", "grade", "grades", "rel",
    "teacher_scores", "相关性",
)  # fmt: skip
GROUPS = ColumnGuess.of("group", "query_id", "qid", "question_id", "group_id", "topic_id")
